"""What clients saw agrees: whatever a channel hands out was published once, has one log and one number for good, is
as many messages as its frame says, and no other has its number; an answer is to a question that was asked; and
a publish is refused only by a full, a starting or a draining node.

The only change of number is that of a message which its origin took over into a later life of its topic.
"""

from __future__ import annotations

from meshq.sim.checkers.base import Checker
from meshq.sim.stage import Stage


class Accounts(Checker):
    """Hears of each contradiction that the ledger notices."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_wrong.append(self.find)

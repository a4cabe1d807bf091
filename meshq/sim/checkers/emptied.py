"""What was emptied stays away: a message that a node had confirmed before somebody emptied its channel is not handed to
a consumer of that channel, if that comes only after all nodes heard of it.
"""

from __future__ import annotations

from typing import Any

from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage


class Emptied(Checker):
    """Looks at each hand-over on the channel that the scenario empties: what it is owed begins there."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_handed.append(self._handed)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        emptied_at = self.stage.emptied_at.get((message.topic, channel))
        if emptied_at is None or message.confirmed_at is None or message.confirmed_at >= emptied_at:
            return
        self.find(f"{message} came to {consumer.name}, though {channel} was emptied after it, at {emptied_at:.3f} s")

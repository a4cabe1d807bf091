"""A message that is not wanted any more is not handed over: it may be on its way when its time ends, no longer."""

from __future__ import annotations

from typing import Any, Final

from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message
from meshq.sim.queueing import Wishful
from meshq.sim.stage import Stage

ON_ITS_WAY_S: Final = 0.2
"""From its publisher to the node, from the node to its consumer, in fair weather."""


class Expired(Checker):
    """Compares each hand-over with what the publishers asked for."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_handed.append(self._handed)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        now = self.stage.world.now
        for publisher in self.stage.publishers:
            if isinstance(publisher, Wishful):
                expires = publisher.expires.get(message.name)
                if expires is not None and now > expires + ON_ITS_WAY_S:
                    self.find(f"{message} came to {consumer.name} on {channel} {now - expires:.3f} s after its time")

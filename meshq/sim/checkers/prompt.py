"""Where nothing is wrong and consumers keep up, nobody waits: a message is with a consumer of each channel a quarter of
a second after it was sent. Credit that lies with an idle origin, or comes back late, holds others up for longer.

A healthy mesh takes a tenth of that.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage

WITHIN_S: Final = 0.25


class Prompt(Checker):
    """Looks at the age of each message at its first hand-over."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_handed.append(self._handed)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        age_s = self.stage.world.now - message.sent_at
        if message.handed[channel] == 1 and age_s > WITHIN_S:
            self.find(f"{message} waited {age_s:.3f} s for {consumer.name} on {channel}")

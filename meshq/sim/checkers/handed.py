"""What a channel had finished when a log was handed over is not handed to it again, whoever dies when: the taker has
what the giver knew, and a giver that comes back knows what it had written.

A message counts as finished then when its consumer had finished it a second before the taker owned the log: what was on
its way, or not yet written, may come again.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage

BEFORE_S: Final = 1.0


class HandedOnce(Checker):
    """Compares hand-overs to consumers with what was finished when the log moved."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_handed.append(self._handed)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        moved_at = self.stage.losses.moved_at(message)
        finished_at = message.finished.get(channel)
        if moved_at and finished_at is not None and finished_at < moved_at - BEFORE_S:
            self.find(
                f"{message} comes to {consumer.name} on {channel}, which had finished it at {finished_at:.3f} s, "
                f"before its log moved at {moved_at:.3f} s"
            )

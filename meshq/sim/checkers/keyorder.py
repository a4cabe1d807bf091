"""Of the messages that one node accepted under one key a channel hands out one at a time, in publish order: when one
comes to a consumer, each that the node confirmed earlier under that key was finished by a consumer of the channel.

Before is what an earlier start of the node accepted, and within a log the lower number. Not judged is what was sent
before the channel was owed everything.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message
from meshq.sim.queueing import Wishful
from meshq.sim.stage import Stage

Line: TypeAlias = tuple[str, str, str]
"""Topic, origin, key."""


class KeyOrder(Checker):
    """Looks at each hand-over of a message with a key."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._lines: dict[Line, list[Message]] = {}
        """What was confirmed, of each key."""
        stage.ledger.on_confirmed.append(self._confirmed)
        stage.ledger.on_handed.append(self._handed)

    def _confirmed(self, message: Message) -> None:
        line = self._line(message)
        if line is not None:
            self._lines.setdefault(line, []).append(message)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        owed_from = self.stage.ledger.owed_from.get((message.topic, channel))
        line = self._line(message)
        if line is None or owed_from is None:
            return
        for other in self._lines.get(line, ()):
            if other.sent_at >= owed_from and channel not in other.finished and _order(other) < _order(message):
                self.find(f"{message} came to {consumer.name} on {channel}, and {other} of its key was not finished")
                return

    def _line(self, message: Message) -> Line | None:
        assert message.place is not None
        for publisher in self.stage.publishers:
            if isinstance(publisher, Wishful) and (key := publisher.keys.get(message.name)):
                return message.topic, message.place[0].origin, key
        return None


def _order(message: Message) -> tuple[int, int]:
    assert message.place is not None
    log, number = message.place
    return log.epoch_ms, number

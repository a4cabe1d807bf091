"""Priorities have their shares: while many messages of two priorities wait at one node for a channel, the more urgent
have about eight turns for one of the others. Neither starves, nor is it treated like the other.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage

MANY: Final = 24
"""So many of each must wait: more than are on their way to consumers."""
ENOUGH: Final = 60
"""So many hand-overs say something."""
LEAST: Final = 4
MOST: Final = 16
"""Times as many, of those that are more urgent."""
Queue: TypeAlias = tuple[str, str, str, bool]
"""Topic, channel, origin, whether what waits there now was recovered."""


class Shares(Checker):
    """Counts hand-overs of each priority while many of both wait."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._waiting: dict[tuple[str, str, str], dict[int, dict[bytes, None]]] = {}
        self._served: dict[Queue, list[int]] = {}
        stage.ledger.on_confirmed.append(self._confirmed)
        stage.ledger.on_handed.append(self._handed)

    def _confirmed(self, message: Message) -> None:
        assert message.place is not None
        log = message.place[0]
        for topic, channel in self.stage.ledger.owed_from:
            if topic == message.topic and channel not in message.handed:
                lanes = self._waiting.setdefault((topic, channel, log.origin), {})
                lanes.setdefault(log.lane, {})[message.name] = None

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        assert message.place is not None
        log = message.place[0]
        where = (message.topic, channel, log.origin)
        lanes = self._waiting.get(where, {})
        if len(lanes) == 2 and all(len(names) >= MANY for names in lanes.values()) and log.lane in lanes:
            engine = self.stage.engine(log.origin)
            recovered = engine is not None and engine.epoch.ms > log.epoch_ms
            turns = self._served.setdefault((*where, recovered), [0, 0])
            turns[log.lane == max(lanes)] += 1
        lanes.get(log.lane, {}).pop(message.name, None)

    def at_end(self, settled: bool) -> None:
        for (topic, channel, origin, recovered), (low, high) in self._served.items():
            if low + high >= ENOUGH and not LEAST * low <= high <= MOST * max(1, low):
                after = "after its restart " if recovered else ""
                self.find(f"{origin} served {channel} of {topic} {after}{high} urgent messages for {low} others")

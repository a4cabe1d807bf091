"""A node that drains takes nothing more: while it waits for its last messages to be finished no log of it grows. What
it takes over into a later life of a deleted topic is no publish, and opens a log."""

from __future__ import annotations

from meshq.names import LogId
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage


class Draining(Checker):
    """Remembers how long the logs of a draining node were."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._next: dict[LogId, int] = {}

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        if engine is None or not engine._departure.draining:
            return
        for topic in engine.broker._registry.topics.values():
            before = self._next.setdefault(topic.log.id, topic.log.next)
            if topic.log.next > before:
                self.find(f"{host.name} drains, and took {topic.log.next - before} more messages of {topic.name}")

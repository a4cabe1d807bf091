"""A goodbye is heard: where packets arrive, a node that leaves on purpose is told as left by each node that held it
alive, before it is told as failed or as started anew.

Not for a node that leaves within a second of its start: its goodbye may overtake the news that it is there.
"""

from __future__ import annotations

from typing import Any

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage


class Goodbye(Checker):
    """Follows which start of each node each other one holds alive."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._alive: dict[tuple[str, int, str], int] = {}

    def event(self, host: Host, event: Any) -> None:
        if not isinstance(event, events.MemberJoined | events.MemberFailed | events.MemberLeft):
            return
        key = (host.name, host.counters.starts, event.name)
        epoch_ms = self._alive.pop(key, 0)
        if not isinstance(event, events.MemberLeft) and self._left(event.name, epoch_ms):
            self.find(f"{host.name} tells {event}, and never that it had left on purpose")
        if isinstance(event, events.MemberJoined):
            self._alive[key] = event.epoch_ms

    def _left(self, name: str, epoch_ms: int) -> bool:
        stops = self.stage.fleet.hosts[name].stops
        return any(epoch.ms == epoch_ms and stop.error is None for epoch, stop in stops)

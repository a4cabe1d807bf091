"""Nobody is declared dead out of hand: when a node tells that a member failed, some node has held it suspect for the
least time of a suspicion, or had told that it failed before.
"""

from __future__ import annotations

from typing import Any

from meshq.machine import events
from meshq.membership.suspicion import bounds
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage


class Patience(Checker):
    """Remembers who suspects whom since when, and who was told to have failed."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._least_s = bounds(stage.settings.membership, 1).min_s
        self._since: dict[tuple[str, str], float] = {}
        self._failed: dict[tuple[str, str], None] = {}

    def event(self, host: Host, event: Any) -> None:
        kind = type(event)
        if kind is events.MemberSuspected:
            self._since[event.name, host.name] = self.stage.world.now
        elif kind in (events.MemberRecovered, events.MemberJoined):
            self._since.pop((event.name, host.name), None)
            self._failed.pop((event.name, host.name), None)
        elif kind is events.MemberFailed:
            self._check(host, event)
            self._failed[event.name, host.name] = None

    def _check(self, host: Host, event: events.MemberFailed) -> None:
        now = self.stage.world.now
        waited_s = max((now - at_s for (name, _), at_s in self._since.items() if name == event.name), default=0.0)
        if waited_s < self._least_s - 1e-6 and not any(name == event.name for name, _ in self._failed):
            self.find(f"{host.name} tells {event}, suspected for {waited_s:.3f} s; at least {self._least_s:.3f} s")

"""Nobody is declared dead out of hand: when a node tells that a member failed, some node has held it suspect for the
least time of a suspicion, or had told that it failed before. A start whose process has crashed or ended may be declared
dead at once: its links broke, and nobody listens where it was.
"""

from __future__ import annotations

from typing import Any

from meshq.machine import events
from meshq.membership.suspicion import bounds
from meshq.names import Epoch
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage
from meshq.sim.start import Change


class Patience(Checker):
    """Remembers who suspects whom since when, and who was told to have failed."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._least_s = bounds(stage.settings.membership, 1).min_s
        self._since: dict[tuple[str, str], float] = {}
        self._failed: dict[tuple[str, str], None] = {}
        self._told: dict[tuple[str, str], None] = {}
        """Who was declared dead by whom: who stood still hears of it when the others have long met the member again."""
        self._ended: dict[tuple[str, Epoch], None] = {}
        self._dark: dict[str, Epoch] = {}
        """Lives that ended with their host: silent, until it is up again and its kernel refuses what was for them."""
        stage.fleet.on_change.append(self._changed)

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
            if event.by == host.name:
                self._told[event.name, event.by] = None

    def _changed(self, host: Host, change: Change) -> None:
        name = self.stage.twins.get(host.name, host.name)
        if change in ("crashed", "stopped"):
            self._ended[name, host.epoch] = None
        elif change == "powered off":
            self._dark[name] = host.epoch
        elif change == "started" and name in self._dark:
            self._ended[name, self._dark.pop(name)] = None

    def _check(self, host: Host, event: events.MemberFailed) -> None:
        now = self.stage.world.now
        observer = self.stage.engine(host.name)
        member = observer.membership.members.get(event.name) if observer is not None else None
        if member is not None and (event.name, member.epoch) in self._ended:
            return
        if event.by != host.name and (event.name, event.by) in self._told:
            return
        waited_s = max((now - at_s for (name, _), at_s in self._since.items() if name == event.name), default=0.0)
        if waited_s < self._least_s - 1e-6 and not any(name == event.name for name, _ in self._failed):
            self.find(f"{host.name} tells {event}, suspected for {waited_s:.3f} s; at least {self._least_s:.3f} s")

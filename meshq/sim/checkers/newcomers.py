"""A newcomer serves when it knows what the mesh knows: in the turn in which a node that has found others becomes ready,
it knows every channel that all others which were ready at its start knew then and know still.

Not judged is who found nobody in the time after which a node may be alone.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from meshq.engine.engine import Engine
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage

ALONE_S: Final = 2.5
Channels: TypeAlias = frozenset[tuple[str, str]]


class Newcomers(Checker):
    """Looks at every turn of a node that is not ready yet."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._due: dict[tuple[str, int], Channels] = {}
        self._served: dict[str, int] = {}
        """The start of each host that is ready."""

    def watch(self, every: int) -> None:
        super().watch(1)

    def look(self, host: Host) -> None:
        start = host.counters.starts
        if self._served.get(host.name) == start:
            return
        engine = self.stage.engine(host.name)
        if engine is None:
            return
        due = self._due.get((host.name, start))
        if due is None:
            due = self._due[host.name, start] = self._known(host)
        if engine.ready:
            self._served[host.name] = start
            self._check(host, engine, due)

    def _check(self, host: Host, engine: Engine, due: Channels) -> None:
        if engine.membership.alone or host.now - engine._views.started_at > ALONE_S:
            return
        missing = sorted((due & self._known(host)) - _channels(engine))
        if missing:
            self.find(f"{host.name} is ready and does not know {missing[0]}, of {len(missing)} that all others know")

    def _known(self, newcomer: Host) -> Channels:
        """What all others that serve know."""
        others = [
            _channels(engine)
            for name, engine in self.stage.engines_by_host()
            if name != newcomer.name and self._served.get(name) == self.stage.fleet.hosts[name].counters.starts
        ]
        return frozenset.intersection(*others) if others else frozenset()


def _channels(engine: Engine) -> Channels:
    return frozenset(
        (topic["topic"], channel["channel"]) for topic in engine.routing.topics() for channel in topic["channels"]
    )

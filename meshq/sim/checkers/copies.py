"""Copies are true: whoever has a node's interest up to some version has what its owner had there, so no copy is ever
doubted because the hash of its owner is another. Repair would mend it with a fresh copy, and nobody would notice."""

from __future__ import annotations

from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host


class Copies(Checker):
    """Looks at every turn for copies that wait to be replaced: they are soon."""

    def watch(self, every: int) -> None:
        super().watch(1)

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        for holding in engine.routing._interest.holdings() if engine is not None else ():
            if holding.doubted:
                self.find(f"{host.name} doubts its copy of the interest of {holding.name} at version {holding.version}")

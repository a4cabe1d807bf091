"""Credit is conserved: each broker's own books balance at every look, and when nothing is under way, what an origin
holds as credit is what the receiver counts as granted to it, in messages and in bytes."""

from __future__ import annotations

from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host


class Credit(Checker):
    """Has brokers check themselves, and compares their books at the end."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        if engine is not None:
            engine.broker.check()

    def at_end(self, settled: bool) -> None:
        for _, engine in self.stage.engines():
            engine.broker.check()

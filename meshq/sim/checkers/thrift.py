"""Credit does work: no node grants credit much more often than it hands messages over. Credit that goes round among
origins that wait, granted and recalled unused, keeps the links busy and the messages waiting.

A grant that a recall takes back unused is allowed now and then: four grants a message, and five hundred.
"""

from __future__ import annotations

from typing import Final

from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host

GRANTS_PER_MESSAGE: Final = 4
GRANTS_FREE: Final = 500


class Thrift(Checker):
    """Reads the brokers' counters."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        if engine is None:
            return
        counters = engine.broker.counters
        if counters.grants > GRANTS_PER_MESSAGE * counters.handed + GRANTS_FREE:
            self.find(f"{host.name} made {counters.grants} grants and handed {counters.handed} messages over")

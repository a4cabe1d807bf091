"""In a mesh with a key nothing leaves a node in plain, no datagram and no stream to another host; no stream outlives
its key by more than a second beyond what it may; and once faults are over all nodes have the same keys.
"""

from __future__ import annotations

from typing import Final

from meshq.engine.keys import CUT_S
from meshq.machine.effects import Address
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage
from meshq.wire.prefix import PLAIN

OUTLIVED_S: Final = CUT_S + 1.0


class Sealed(Checker):
    """Looks at each datagram, and at streams now and then."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._orphans: dict[tuple[str, int, int], float] = {}
        self._send = stage.fleet.datagrams.send
        stage.fleet.datagrams.send = self._sending  # type: ignore[method-assign]

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        for stream in engine._streams.all() if engine is not None else ():
            session = stream.session
            if session is None or not session.up or not stream.address[0]:
                continue
            if not session.key:
                self.find(f"{host.name} speaks in plain with {stream.address}")
            elif engine is not None and engine.keys.ring is not None and engine.keys.ring.find(session.key) is None:
                since = self._orphans.setdefault((host.name, host.counters.starts, stream.number), self.stage.world.now)
                if self.stage.world.now > since + OUTLIVED_S:
                    self.find(f"{host.name} has a stream with {stream.address} whose key {session.key} is gone")

    def at_end(self, settled: bool) -> None:
        rings = {name: engine.keys.ring for name, engine in self.stage.engines()}
        if len({str(ring) for ring in rings.values()}) > 1:
            self.find(f"nodes have different keys: {rings}")
        removed = {name for ring in rings.values() if ring is not None for name in ring.removed}
        for node, ring in rings.items():
            if back := removed & {key.name for key in (ring.keys if ring is not None else ())}:
                self.find(f"{node} has keys that were removed: {back}")

    def _sending(self, source: Address, to: Address, data: bytes) -> None:
        if data[3] == PLAIN:
            self.find(f"{source} sends {to} a packet in plain")
        self._send(source, to, data)

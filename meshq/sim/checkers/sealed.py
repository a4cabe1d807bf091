"""In a mesh with a key nothing leaves a node in plain: no datagram, and no stream to another host."""

from __future__ import annotations

from meshq.machine.effects import Address
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage
from meshq.wire.prefix import PLAIN


class Sealed(Checker):
    """Looks at each datagram, and at streams now and then."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._send = stage.fleet.datagrams.send
        stage.fleet.datagrams.send = self._sending  # type: ignore[method-assign]

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        for stream in engine._streams.all() if engine is not None else ():
            session = stream.session
            if session is not None and session.up and stream.address[0] and not session.key:
                self.find(f"{host.name} speaks in plain with {stream.address}")

    def _sending(self, source: Address, to: Address, data: bytes) -> None:
        if data[3] == PLAIN:
            self.find(f"{source} sends {to} a packet in plain")
        self._send(source, to, data)

"""A node's engine on a simulated host, for the same ``meshq.Node`` that embeds one in a real process.

Decides how the driver's contract (``runtime.contract.NodeHost``) is met by ``sim.host``: where the node is, when it is
ready, how its program reaches it. The node itself, its verbs and its doors are ``meshq.node``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from meshq.config import Config
from meshq.errors import Closed, ConfigError
from meshq.machine.effects import Address, Stop
from meshq.machine.events import Event
from meshq.runtime.contract import Machine, StreamOwner
from meshq.runtime.streams import TcpStream
from meshq.sim.host import Host
from meshq.sim.transport import Transport

STOP_S: Final = 2.0
"""How long ``close`` waits for the engine to say its goodbyes."""


class EmbeddedHost:
    """Drives the engine of one node on ``host``, where ``begin`` has its machine started."""

    def __init__(
        self,
        host: Host,
        config: Config,
        begin: Callable[[EmbeddedHost], None],
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self.host = host
        self.config = config
        self._begin = begin
        self._on_event = on_event
        self._start = 0
        self._ready: asyncio.Future[None]
        self._stopped: asyncio.Future[Stop]

    @property
    def address(self) -> Address:
        return self.host.address

    async def start(self) -> None:
        host = self.host
        if host.machine is not None:
            raise ConfigError(f"host {host.name} runs a node already: give {self.config.name} a host of its own")
        loop = asyncio.get_running_loop()
        self._ready, self._stopped = loop.create_future(), loop.create_future()
        self._begin(self)
        self._start = host.counters.starts

    async def wait_ready(self) -> None:
        await asyncio.wait((self._ready, self._stopped), return_when=asyncio.FIRST_COMPLETED)
        if self._stopped.done() and not self._ready.done():
            raise self._stopped.result().error or Closed(f"node {self.config.name} stopped before it was ready")

    async def stopped(self) -> Stop:
        return await asyncio.shield(self._stopped)

    def drain(self, timeout_s: float) -> None:
        self.host.call("drain", timeout_s)

    def pipe(self, loop: asyncio.AbstractEventLoop, owner: StreamOwner | None = None) -> TcpStream:
        if not self._running():
            raise Closed(f"node {self.config.name} has ended")
        stream = TcpStream(owner, mark=self.config.link.write_buffer_bytes)
        transport = Transport(loop, stream, self.host.wire.world.rng("pipe", self.host.name, self._start))
        end = self.host.pipe(transport)
        assert end is not None, f"{self.host.name} runs"
        transport.attach(end)
        return stream

    async def close(self) -> None:
        if self._running():
            self.host.call("stop")
            await asyncio.wait((self._stopped,), timeout=STOP_S)

    def turned(self) -> None:
        """The host had a turn: it may have become ready, or have ended."""
        host = self.host
        machine: Machine | Any = host.machine
        if host.stopped is not None:
            if not self._stopped.done():
                self._stopped.set_result(host.stopped)
        elif machine is not None and machine.ready and not self._ready.done():
            self._ready.set_result(None)

    def event(self, event: Event) -> None:
        """The machine told of something."""
        if self._on_event is not None:
            self._on_event(event)

    def _running(self) -> bool:
        """Whether the machine that ``start`` began still runs."""
        return self.host.machine is not None and self.host.counters.starts == self._start

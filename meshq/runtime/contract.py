"""What a driver and a machine expect of each other, and what a stream is to whoever uses one.

The engine fits ``Machine``; ``TcpStream``, ``PipeStream`` and the simulator's stream fit ``Stream``.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from meshq.config import Config
from meshq.machine.effects import Address, Effect, Stop
from meshq.machine.rng import Rng
from meshq.machine.store import BatchRow, Recovered
from meshq.names import Epoch
from meshq.wire.keyring import Secrecy

REASONS = ("eof", "reset", "refused", "timeout", "unreachable", "error")
"""Why a stream ended, or could not be had: the words of ``closed`` and ``stream_closed``."""


class Driven(Protocol):
    """Inputs in, effects out: what any driver needs. ``now`` is monotonic seconds and never goes back.

    Many inputs may precede one ``effects()``, which ends the turn and must follow them. ``ahead()``, right before it,
    gives what of the turn is done already: it is carried out before ``effects()`` is asked for.
    """

    def start(self, now: float, wall_ns: int) -> None: ...

    def wall(self, now: float, wall_ns: int) -> None: ...

    def datagram(self, now: float, data: bytes, source: Address) -> None: ...

    def accepted(self, now: float, source: Address) -> int: ...

    def connected(self, now: float, stream: int, local: Address, peer: Address) -> None: ...

    def received(self, now: float, stream: int, data: bytes) -> None: ...

    def closed(self, now: float, stream: int, reason: str) -> None: ...

    def buffered(self, now: float, stream: int, size_bytes: int) -> None: ...

    def resolved(self, now: float, query: int, addresses: list[Address]) -> None: ...

    def stored(self, now: float, token: int) -> None: ...

    def unstored(self, now: float, token: int, why: str) -> None: ...

    def loaded(self, now: float, token: int, rows: list[BatchRow] | None) -> None: ...

    def store_health(self, now: float, text: str, *, full: bool) -> None: ...

    def tick(self, now: float) -> None: ...

    def ahead(self) -> list[Effect]: ...

    def effects(self) -> list[Effect]: ...

    def deadline(self) -> float | None: ...


class Machine(Driven, Protocol):
    """A whole node, as the runtime drives it: it can also be drained, stopped and looked at."""

    @property
    def ready(self) -> bool: ...

    def keys_unkept(self, now: float, why: str) -> None: ...

    def drain(self, now: float, timeout_s: float) -> None: ...

    def stop(self, now: float) -> None: ...

    def view(self) -> dict[str, Any]: ...


class MachineFactory(Protocol):
    """Makes the machine that a host drives; ``Engine`` is one."""

    def __call__(
        self,
        config: Config,
        epoch: Epoch,
        rng: Rng,
        *,
        bound: Address,
        advertised: Address | None,
        recovered: Recovered | None,
        secrecy: Secrecy | None,
    ) -> Machine: ...


class StreamOwner(Protocol):
    """Who is told about a stream, always on the stream's own loop."""

    def stream_received(self, data: bytes) -> None:
        """Bytes came, in order; how they were cut on the way means nothing."""

    def stream_closed(self, reason: str) -> None:
        """The peer, or the network, ended the stream (one of REASONS). Last call; not made after an own close."""

    def stream_drained(self) -> None:
        """Everything written has left, after ``full`` was true."""


class Stream(Protocol):
    """Bytes both ways, in order. Every call belongs to the loop of the stream's owner."""

    owner: StreamOwner

    @property
    def buffered_bytes(self) -> int:
        """Bytes written that have not left yet."""

    @property
    def full(self) -> bool:
        """Whether ``buffered_bytes`` has passed the mark and not come back to 0: write control only."""

    def write(self, chunks: list[bytes]) -> None:
        """Send ``chunks`` in order; ignored when the stream has ended."""

    def close(self, abort: bool = False) -> None:
        """End it: after what was written has left, or at once when ``abort``. Idempotent."""


class NodeHost(Protocol):
    """What drives one engine for a node: ``meshq.runtime.Host`` on sockets, or a simulated host."""

    @property
    def address(self) -> Address:
        """Where the mesh reaches the node, as far as is known."""

    async def start(self) -> None:
        """Start the engine. ConfigError when what it needs can't be had; nothing stays open then."""

    async def wait_ready(self) -> None:
        """Until the node has joined or is alone; raises what ended it if that comes first."""

    async def stopped(self) -> Stop:
        """The engine's last word, once it has been said."""

    def drain(self, timeout_s: float) -> None:
        """Have the engine hand over what it holds and leave; ends in ``stopped``."""

    def pipe(self, loop: asyncio.AbstractEventLoop, owner: StreamOwner | None = None) -> Stream:
        """A client's stream into this node. Closed when the node has ended."""

    async def close(self) -> None:
        """Leave if that has not happened yet, and give everything back. Idempotent."""

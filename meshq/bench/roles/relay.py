"""A bare relay: what a broker would cost that did nothing but pass bytes on.

Connections come in pairs; what the first sends goes to the second. ``load`` pushes blocks through it, ``pace`` and
``sink`` send single messages at the pace of the latency bench.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import ClassVar, Final, cast

from meshq.bench.roles.pace import start_pace
from meshq.bench.roles.telling import end_of_input, ladder_ms, quantiles_ms, tell

BLOCK_BYTES: Final = 128 * 200
"""What a batch of the throughput bench has."""
OUTSTANDING: Final = 64
STAMP: Final = struct.Struct("<d")


class _End(asyncio.Protocol):
    """One connection of the relay."""

    waiting: ClassVar[_End | None] = None
    """The connection that has no partner yet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._early: list[bytes] = []
        self._partner: _End | None = None
        first, _End.waiting = _End.waiting, None
        if first is None:
            _End.waiting = self
        else:
            first._partner, self._partner = self, first
            for data in first._early:
                self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._partner is not None:
            self._partner._transport.write(data)
        else:
            self._early.append(data)


class _Count(asyncio.Protocol):
    """Counts what arrives."""

    def __init__(self) -> None:
        self.bytes = 0
        self._more = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self._more.set()

    async def reach(self, count: int) -> None:
        """Until so many bytes have arrived."""
        while self.bytes < count:
            self._more.clear()
            await self._more.wait()


async def relay() -> None:
    """Relay until told to stop; tells the port."""
    stop = end_of_input()
    server = await asyncio.get_running_loop().create_server(_End, "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()


async def load(port: int, seconds: float) -> None:
    """Blocks through the relay and back to here for so long, so many under way; tells the bytes per second."""
    loop = asyncio.get_running_loop()
    out, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
    _, count = await loop.create_connection(_Count, "127.0.0.1", port)
    block = b"x" * BLOCK_BYTES
    began, sent = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        while sent - count.bytes < OUTSTANDING * BLOCK_BYTES:
            out.write(block)
            sent += BLOCK_BYTES
        await count.reach(sent - OUTSTANDING * BLOCK_BYTES // 2)
    await count.reach(sent)
    tell(bytes_per_s=sent / (time.perf_counter() - began))


class _Sink(asyncio.Protocol):
    """Notes how long each message was on its way."""

    def __init__(self, messages: int, size_bytes: int) -> None:
        self.ways_s: list[float] = []
        self.done = asyncio.Event()
        self._messages, self._size_bytes = messages, size_bytes
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        whole = len(data) - len(data) % self._size_bytes
        self.ways_s.extend(now - STAMP.unpack_from(data, at)[0] for at in range(0, whole, self._size_bytes))
        self._rest = data[whole:]
        if len(self.ways_s) >= self._messages:
            self.done.set()


async def sink(port: int, messages: int, size_bytes: int) -> None:
    """The second of a pair: takes so many messages; tells how long they took, the first tenth being warm-up."""
    made = await asyncio.get_running_loop().create_connection(lambda: _Sink(messages, size_bytes), "127.0.0.1", port)
    tell(ready=True)
    await made[1].done.wait()
    measured = made[1].ways_s[messages // 10 :]
    tell(delivery=quantiles_ms(measured), ladder=ladder_ms(measured))


async def pace(port: int, messages: int, size_bytes: int, per_s: float) -> None:
    """The first of a pair: sends single messages at a pace, each with the time of its sending."""
    stop = end_of_input()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", port)
    tell(ready=True)
    padding = b"." * (size_bytes - STAMP.size)
    start_pace(messages, per_s, lambda _: transport.write(STAMP.pack(time.monotonic()) + padding))
    await stop.wait()

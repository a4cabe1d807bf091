"""One end of a simulated stream as an asyncio transport: what ``loop.create_connection`` and pipes into nodes give.

Decides how the events of an end become the calls of a protocol: in turns of the loop, in the name of the process that
opened it, with the errors of the system. What the bytes mean is the protocol's.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable
from contextvars import copy_context
from random import Random
from typing import Any, Final, cast

from meshq.sim.ends import End
from meshq.sim.process import PROCESS

MARK_BYTES: Final = 64 * 1024
"""Bytes that wait before a protocol is told to pause, as asyncio has it."""
ERRNO: Final = {
    "reset": errno.ECONNRESET,
    "refused": errno.ECONNREFUSED,
    "timeout": errno.ETIMEDOUT,
    "unreachable": errno.EHOSTUNREACH,
}


class Transport(asyncio.Transport):
    """Owner of an end, for one protocol. ``attach`` comes first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, rng: Random) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._rng = rng
        self._context = copy_context()
        self._process = PROCESS.get()
        self._end: End
        self._opened: asyncio.Future[None] = loop.create_future()
        self._made = False
        self._closing = False
        self._lost = False
        self._paused = False

    def attach(self, end: End) -> None:
        """The end that this is; one of a pipe is open already."""
        self._end = end
        end.mark_bytes = MARK_BYTES
        if self._process is not None:
            self._process.streams[self] = None
        if end.connected:
            self._made = True
            self._protocol.connection_made(self)

    async def opened(self) -> None:
        """Until the stream is open. Raises OSError when it can't be had; nothing stays open then."""
        try:
            await self._opened
        except BaseException:
            self.abort()
            raise
        self._made = True
        self._protocol.connection_made(self)
        if self._end.waiting:
            self._loop.call_soon(self._read, context=self._context)

    def process_died(self) -> None:
        """Whoever outside still holds on to what the dead process had is told of the end when it comes."""
        self._end.noticed = False
        if self._end.waiting:
            self._end.notice()

    # The end's owner: called by the world, outside of every process

    def stream_accepted(self, end: End) -> None:
        """Nobody dials a client."""

    def stream_connected(self, end: End) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def stream_readable(self, end: End) -> None:
        if self._process is not None and not self._process.alive:
            self._read()
        else:
            self._loop.call_soon(self._read, context=self._context)

    def stream_buffered(self, end: End, size_bytes: int) -> None:
        self._loop.call_soon(self._flow, size_bytes > end.mark_bytes, context=self._context)

    # What came

    def _read(self) -> None:
        end = self._end
        if self._lost or not (self._made or self._fail()):
            return
        data = end.read(self._rng)
        if data and not self._closing:
            self._give(data)
        if end.ended is not None:
            self._over(end.ended)
        elif end.waiting:
            end.notice()

    def _fail(self) -> bool:
        """Dialling failed: say so. Bytes that come before the protocol knows of the stream wait."""
        end = self._end
        if not end.connected and not end.read(self._rng) and end.ended is not None and not self._opened.done():
            self._opened.set_exception(_error(end.ended))
        return False

    def _give(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            cast("asyncio.Protocol", protocol).data_received(data)
            return
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]

    def _over(self, why: str) -> None:
        if why == "eof" and not self._closing:
            cast("asyncio.Protocol", self._protocol).eof_received()
        self._closing = True
        self._end.close()
        self._lose(None if why == "eof" else _error(why))

    def _flow(self, full: bool) -> None:
        if self._lost or full == self._paused:
            return
        self._paused = full
        if full:
            self._protocol.pause_writing()
        else:
            self._protocol.resume_writing()

    def _lose(self, error: OSError | None) -> None:
        if not self._lost:
            self._lost = True
            if self._process is not None:
                self._process.streams.pop(self, None)
            if self._made:
                self._protocol.connection_lost(error)

    # The protocol's transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``peername`` and ``sockname``; there is no socket."""
        return {"peername": self._end.peer, "sockname": self._end.local}.get(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """``high`` is kept; a full buffer counts as drained when it is below."""
        self._end.mark_bytes = MARK_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        return self._end.buffered_bytes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._end.write([bytes(data)])

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        if not self._closing:
            self._end.write([b"".join(list_of_data)])

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        raise NotImplementedError("simulated streams have no half-closed state")

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return not self._closing

    def close(self) -> None:
        """End it after what is buffered."""
        self._stop(abort=False)

    def abort(self) -> None:
        """End it at once."""
        self._stop(abort=True)

    def _stop(self, abort: bool) -> None:
        if not self._closing:
            self._closing = True
            self._end.close(abort)
            self._loop.call_soon(self._lose, None, context=self._context)


def _error(why: str) -> OSError:
    """The system's error: its class follows from its number."""
    number = ERRNO.get(why, errno.EIO)
    return OSError(number, os.strerror(number))

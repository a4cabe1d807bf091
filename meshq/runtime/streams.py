"""TCP streams: bytes from the socket to an owner through one buffer per loop, and back.

Decides how a stream is read, written, filled, drained and ended, and translates the system's errors
into the words of ``contract.REASONS``. What the bytes mean is the owner's.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Final, cast

from meshq.errors import Unreachable
from meshq.machine.effects import Address
from meshq.runtime.addresses import MESH_PORT, show_address, split_address, unmapped
from meshq.runtime.contract import StreamOwner

READ_BUFFER_BYTES: Final = 256 * 1024
"""Read at once: ten batches of 128 messages. Larger ones leave the processor's cache."""
WRITE_MARK_BYTES: Final = 256 * 1024
"""Default of LinkConfig.write_buffer_bytes, for streams that no node's settings rule."""
LINGER_S: Final = 5.0
"""How long a closed stream may take to write what it holds and to hear the peer's end."""
CONNECT_TIMEOUT_S: Final = 5.0

_NO_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_REASON_OF: Final = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EAFNOSUPPORT: "unreachable",
}


class _ReadBuffers(threading.local):
    """One read buffer per thread, hence per running loop: it is empty again after each callback."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_BUFFER_BYTES))


_read_buffers = _ReadBuffers()
_SHARED: Final = sys.platform != "win32"  # overlapped reads fill their buffer while others are asked for


def reason_of(error: BaseException | None) -> str:
    """The word for why a stream ended; no error at all is ``eof``."""
    if error is None:
        return "eof"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, socket.gaierror):
        return "unreachable"
    return _REASON_OF.get(error.errno or 0, "error") if isinstance(error, OSError) else "error"


class TcpStream(asyncio.BufferedProtocol):
    """One TCP connection as a Stream.

    Open until ``close``, or until the peer or the network ends it and the owner has heard why.
    A closed stream says end-of-file, and stays for at most LINGER_S to write what it holds and to read, for
    nothing, what the peer still sends: closing at once would reset the connection and take
    the last words from the peer's hands.
    """

    __slots__ = ("_closing", "_gone", "_linger", "_mark", "_opened", "_transport", "_view", "full", "owner")

    def __init__(
        self,
        owner: StreamOwner | None = None,
        *,
        mark: int = WRITE_MARK_BYTES,
        opened: Callable[[TcpStream], None] | None = None,
        gone: Callable[[TcpStream], None] | None = None,
    ) -> None:
        """``opened`` is told first and must have set the owner when it returns; ``gone`` is told last."""
        if owner is not None:
            self.owner = owner
        self.full = False
        self._mark = mark
        self._opened = opened
        self._gone = gone
        self._closing = False
        self._linger: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._view = _read_buffers.view if _SHARED else memoryview(bytearray(READ_BUFFER_BYTES))

    @property
    def local(self) -> Address:
        """Our end's address; ("", 0) when the system no longer knows it."""
        return self._end("sockname")

    @property
    def peer(self) -> Address:
        """The other end's address; ("", 0) when the system no longer knows it."""
        return self._end("peername")

    @property
    def buffered_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def write(self, chunks: list[bytes]) -> None:
        transport = self._transport
        if transport is not None and not self._closing and not transport.is_closing():
            transport.writelines(chunks)

    def close(self, abort: bool = False) -> None:
        transport = self._transport
        if transport is None:
            return
        if abort:
            self._closing = True
            self._reset(transport)
        elif not self._closing:
            self._closing = True
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._abort)
            self._end_writing(transport)

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        transport.set_write_buffer_limits(high=self._mark, low=0)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family != getattr(socket, "AF_UNIX", None):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._opened is not None:
            self._opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if not self._closing:
            self.owner.stream_received(bytes(self._view[:nbytes]))

    def eof_received(self) -> bool:
        if not self._closing:
            self._closing = True
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._abort)
            self.owner.stream_closed("eof")
        return False

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        if self.full:
            self.full = False
            if not self._closing:
                self.owner.stream_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._linger is not None:
            self._linger.cancel()
        if not self._closing:
            self._closing = True
            self.owner.stream_closed(reason_of(exc))
        if self._gone is not None:
            self._gone(self)

    def _end_writing(self, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            return
        try:
            transport.write_eof()
        except (NotImplementedError, OSError):  # TLS has no half-open streams; a broken one can't say its end
            transport.close()

    def _abort(self) -> None:
        if self._transport is not None:
            self._reset(self._transport)

    def _reset(self, transport: asyncio.Transport) -> None:
        """Away with it, and let the peer know: without lingering off, the system would say a friendly end-of-file."""
        connection = transport.get_extra_info("socket")
        if connection is not None and not transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        transport.abort()

    def _end(self, which: str) -> Address:
        name = self._transport.get_extra_info(which) if self._transport is not None else None
        return unmapped(name) if isinstance(name, tuple) else ("", 0)


async def connect(
    address: Address | str,
    owner: StreamOwner,
    *,
    mark: int = WRITE_MARK_BYTES,
    timeout_s: float = CONNECT_TIMEOUT_S,
    opened: Callable[[TcpStream], None] | None = None,
    gone: Callable[[TcpStream], None] | None = None,
) -> TcpStream:
    """An open stream to ``address`` (text: host or host:port; 4155 by default). Bytes may come before it is returned.

    Raises Unreachable, from the system's error, with nothing left open; ``reason_of`` its cause says why in a word.
    """
    host, port = split_address(address, MESH_PORT) if isinstance(address, str) else address
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            _, stream = await loop.create_connection(
                lambda: TcpStream(owner, mark=mark, opened=opened, gone=gone), host, port
            )
    except (OSError, UnicodeError, TimeoutError) as exc:
        raise Unreachable(f"can't connect to {show_address((host, port))}: {_told(exc, timeout_s)}") from exc
    return stream


def _told(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError) and not error.args:
        return f"no answer in {timeout_s:g} s"
    return getattr(error, "strerror", None) or str(error)

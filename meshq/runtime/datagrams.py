"""The UDP door: packets in through asyncio-dgram, bounded; packets out at once, or not at all.

asyncio-dgram 3.0 queues without a bound, takes no protocol class, and raises the error of an
earlier packet at the next send, which then sends nothing. So the socket is ours, ``Inbox`` stands
in for the library's protocol with bounded queues (the newest is dropped and counted), and errors
are taken and counted before each send. Sending does not wait: a datagram that the socket can't
take now is dropped and counted, as the network might have done. Decides nothing about the packets.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from asyncio_dgram.aio import DatagramServer, TransportClosed

from meshq.machine.effects import Address
from meshq.runtime.addresses import Admission, mapped, unmapped
from meshq.runtime.counters import DatagramCounters
from meshq.wire.prefix import DATAGRAM_BYTES_MAX

WAITING_MAX: Final = 4096
"""Packets read and not yet handed over: at most 6 MB, more than a mesh sends in a second."""
ERRORS_MAX: Final = 16
READ_AT_ONCE: Final = 64
"""Packets that the platform's own loop, which reads one a turn, takes out of the socket in a row."""


class Inbox(asyncio.DatagramProtocol):
    """asyncio-dgram's protocol, with bounds: fills the queues that its DatagramServer reads."""

    def __init__(self, admission: Admission, counters: DatagramCounters, beside: socket.socket | None) -> None:
        """``beside``: the socket itself, to read more than the one datagram that the loop has read; or None."""
        self.packets: asyncio.Queue[Any] = asyncio.Queue(WAITING_MAX)
        self.errors: asyncio.Queue[Exception] = asyncio.Queue(ERRORS_MAX)
        self.drained = asyncio.Event()
        self.drained.set()
        self._admission = admission
        self._counters = counters
        self._beside = beside

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._put(data, unmapped(addr))
        if self._beside is not None:
            self._read_more(self._beside)

    def error_received(self, exc: Exception) -> None:
        self._counters.errors += 1
        if not self.errors.full():
            self.errors.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.packets.full():
            self.packets.get_nowait()
        self.packets.put_nowait((None, None))
        self.drained.set()

    def pause_writing(self) -> None:
        self.drained.clear()

    def resume_writing(self) -> None:
        self.drained.set()

    def _put(self, data: bytes, source: Address) -> None:
        counters = self._counters
        if not self._admission.admits(source[0]):
            counters.dropped_stranger += 1
        elif len(data) > DATAGRAM_BYTES_MAX:
            counters.dropped_too_long += 1
        elif self.packets.full():
            counters.dropped_full += 1
        else:
            counters.received += 1
            self.packets.put_nowait((data, source))

    def _read_more(self, beside: socket.socket) -> None:
        for _ in range(READ_AT_ONCE):
            try:
                data, source = beside.recvfrom(65_536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                self.error_received(exc)
                return
            self._put(data, unmapped(source))


class DatagramDoor:
    """One unconnected UDP socket. ``open`` first, then ``read`` in a task of its own, ``send`` at any time."""

    def __init__(self, admission: Admission, receive: Callable[[bytes, Address], None]) -> None:
        """``receive(data, source)`` is called on the loop for each packet, in the order of arrival."""
        self.counters = DatagramCounters()
        self._admission = admission
        self._receive = receive
        self._inbox: Inbox | None = None
        self._server: DatagramServer | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._both_families = False

    @property
    def waiting(self) -> int:
        """Packets read from the socket that ``receive`` has not seen yet."""
        return self._inbox.packets.qsize() if self._inbox is not None else 0

    async def open(self, bound: socket.socket) -> None:
        """Read and write ``bound`` from now on; it is closed by ``close``."""
        loop = asyncio.get_running_loop()
        stock = isinstance(loop, asyncio.SelectorEventLoop)
        inbox = Inbox(self._admission, self.counters, bound if stock else None)
        transport, _ = await loop.create_datagram_endpoint(lambda: inbox, sock=bound)
        self._both_families = bound.family == socket.AF_INET6
        self._inbox = inbox
        self._transport = transport
        handed: Any = transport  # the library's stubs ask for a protocol here, its code for a transport
        self._server = DatagramServer(handed, inbox.packets, inbox.errors, inbox.drained)

    async def read(self) -> None:
        """Hand over packets until the door is closed."""
        server, receive = self._server, self._receive
        assert server is not None, "open comes first"
        while True:
            try:
                packet: Any = await server.recv()
            except TransportClosed:
                return
            except OSError:  # of a packet sent earlier; counted when it came
                continue
            receive(*packet)

    def send(self, to: Address, data: bytes) -> None:
        """Send one packet now; what can't be sent is dropped and counted."""
        transport, inbox = self._transport, self._inbox
        if transport is None or inbox is None or transport.is_closing():
            return
        self._take_errors(inbox)
        if not inbox.drained.is_set():
            self.counters.dropped_unsent += 1
            return
        try:
            transport.sendto(data, mapped(to) if self._both_families else to)
        except (ValueError, OSError):  # an address of another family, or none at all
            self.counters.errors += 1
            return
        self.counters.sent += 1

    def close(self) -> None:
        """Close the socket after what was sent has left; ``read`` returns."""
        if self._server is not None:
            self._server.close()

    def _take_errors(self, inbox: Inbox) -> None:
        while not inbox.errors.empty():
            inbox.errors.get_nowait()

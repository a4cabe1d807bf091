"""The streams of a host, by the numbers that its machine has for them: dialled, come in, or led within the process.

Decides which come in (by their source) and what becomes of a dial that was called off meanwhile, or reached this very
socket. What the bytes mean is the machine's; how they are read and written is ``streams``' and ``pipe``'s.
"""

from __future__ import annotations

import asyncio

from meshq.config import LinkConfig
from meshq.errors import Unreachable
from meshq.machine.effects import Address, Close, Dial, Write
from meshq.runtime.addresses import Admission
from meshq.runtime.contract import Machine, Stream
from meshq.runtime.counters import HostCounters
from meshq.runtime.errands import DIAL, Errands
from meshq.runtime.pipe import PipeStream
from meshq.runtime.streams import TcpStream, connect, reason_of
from meshq.runtime.turns import Turns


class _Line:
    """The owner of a stream that belongs to the machine: knows its number there."""

    __slots__ = ("board", "number")

    def __init__(self, board: Switchboard, number: int) -> None:
        self.board = board
        self.number = number

    def stream_received(self, data: bytes) -> None:
        board = self.board
        if self.number in board._streams:
            board._turns.received(self.number, data)

    def stream_closed(self, reason: str) -> None:
        self.board._closed(self.number, reason)

    def stream_drained(self) -> None:
        self.board._buffered(self.number, 0)


class Switchboard:
    """``changed`` is set whenever a socket is gone. ``errands`` is given before the machine starts: dials want it."""

    def __init__(
        self,
        config: LinkConfig,
        machine: Machine,
        turns: Turns,
        admission: Admission,
        counters: HostCounters,
        changed: asyncio.Event,
    ) -> None:
        self._config = config
        self._machine = machine
        self._turns = turns
        self._admission = admission
        self._counters = counters
        self._changed = changed
        self.errands: Errands
        self._streams: dict[int, Stream] = {}
        self._sockets: dict[TcpStream, None] = {}

    # what comes in

    def incoming(self) -> TcpStream:
        """The protocol of a connection that a server accepts."""
        return TcpStream(mark=self._config.write_buffer_bytes, opened=self._opened, gone=self._gone)

    def adopt(self, far: PipeStream) -> None:
        """A client in this process is at the other end of it."""
        if self._turns.over:
            far.close(abort=True)
        else:
            self._accept(far, ("", 0))

    def _opened(self, stream: TcpStream) -> None:
        source = stream.peer
        self._sockets[stream] = None
        if self._turns.over:
            stream.close(abort=True)
        elif not self._admission.admits(source[0]):
            self._counters.strangers_refused += 1
            stream.close(abort=True)
        else:
            self._accept(stream, source)

    def _accept(self, stream: Stream, source: Address) -> None:
        def take(now: float) -> None:
            number = self._machine.accepted(now, source)
            self._streams[number] = stream
            stream.owner = _Line(self, number)

        stream.owner = _Line(self, -1)  # whom a failing machine leaves behind
        self._turns.feed(take)

    def _closed(self, number: int, reason: str) -> None:
        if self._streams.pop(number, None) is not None:
            self._turns.feed(lambda now: self._machine.closed(now, number, reason))

    def _buffered(self, number: int, size_bytes: int) -> None:
        if number in self._streams:
            self._turns.feed(lambda now: self._machine.buffered(now, number, size_bytes))

    def _gone(self, stream: TcpStream) -> None:
        self._sockets.pop(stream, None)
        self._changed.set()

    # what the machine wants

    def write(self, effect: Write) -> None:
        """Send; the machine is told when more waits than is good."""
        stream = self._streams.get(effect.stream)
        if stream is not None:
            stream.write(effect.chunks)
            if stream.full:
                self._buffered(effect.stream, stream.buffered_bytes)

    def close(self, effect: Close) -> None:
        """End the stream, or call its dial off."""
        stream = self._streams.pop(effect.stream, None)
        if stream is not None:
            stream.close(effect.abort)
        else:
            self.errands.cancel((DIAL, effect.stream))

    def dial(self, effect: Dial) -> None:
        """Connect, in an errand; the machine is told ``connected`` or ``closed``."""
        self.errands.start((DIAL, effect.stream), self._dialling(effect.stream, effect.to))

    async def _dialling(self, number: int, to: Address) -> None:
        try:
            await connect(
                to,
                _Line(self, number),
                mark=self._config.write_buffer_bytes,
                timeout_s=self._config.hello_timeout_s,
                opened=lambda stream: self._dialled(number, stream),
                gone=self._gone,
            )
        except Unreachable as exc:
            self._refuse(number, reason_of(exc.__cause__))

    def _dialled(self, number: int, stream: TcpStream) -> None:
        self._sockets[stream] = None
        if (DIAL, number) not in self.errands:
            stream.close(abort=True)
        elif stream.local == stream.peer:  # the system has joined the socket to itself: nobody listens there
            stream.close(abort=True)
            self._refuse(number, "refused")
        else:
            self._streams[number] = stream
            self._turns.feed(lambda now: self._machine.connected(now, number, stream.local, stream.peer))

    def _refuse(self, number: int, reason: str) -> None:
        self._turns.feed(lambda now: self._machine.closed(now, number, reason))

    # the end

    def end(self, abort: bool) -> None:
        """End every stream: after its last words, or at once."""
        for stream in [*self._streams.values(), *self._sockets]:
            stream.close(abort)
        self._streams.clear()

    def abort(self) -> None:
        """Away with the sockets that have not gone yet."""
        for stream in list(self._sockets):
            stream.close(abort=True)

    async def all_gone(self) -> None:
        """Until no socket is left."""
        while self._sockets:
            self._changed.clear()
            await self._changed.wait()

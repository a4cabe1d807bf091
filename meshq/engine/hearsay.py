"""Gossip over streams: repair, probe fallback and deltas that do not fit a datagram.

Decides which stream carries such a packet: the link to that node when it is up, else a short stream with
the role ``gossip``, closed when nothing came over it for a while. What packets say is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from meshq.engine.counters import Counters
from meshq.engine.greeting import Greeting
from meshq.engine.streams import Stream, Streams
from meshq.errors import RemoteProtocolError
from meshq.link.framing import NO_MESH_PORT
from meshq.machine.effects import Address
from meshq.machine.timers import Timers
from meshq.wire.frames import Frame, Goodbye, Gossip, Hello

SHORT_STREAMS_MAX = 64
QUEUED_MAX = 64
IDLE_CLOSE_S = 3.0
PEACEFUL: Final = ("", "IDLE", "LEAVING")
FAILURES: Final = {
    "refused": "connection refused: does a node listen there?",
    "unreachable": "no route to it",
    "timeout": "it does not answer",
    "bad_magic": NO_MESH_PORT,
}
"""What is told of a dial that failed, by the driver's reason or the code of what came instead of a hello."""


class Hearsay:
    """The short gossip streams of a node. A packet over the limits is dropped and counted: gossip repeats."""

    def __init__(self, streams: Streams, greeting: Greeting, counters: Counters) -> None:
        self._streams = streams
        self._greeting = greeting
        self._counters = counters
        self.on_packet: Callable[[float, bytes, Address, int], None]
        self.on_trouble: Callable[[float, Address, str, str], None]
        """Told of a dial that failed: when, where, the code of a refusal (or nothing), and why."""
        self._dialled: dict[Address, Stream] = {}
        self._queued: dict[int, list[bytes]] = {}
        self._refusals: dict[int, tuple[str, str]] = {}
        """By stream: with which code and words its peer said goodbye, unless in peace."""
        self._idle: Timers[int] = Timers()

    def send(self, now: float, to: Address, packet: bytes) -> None:
        """Send over a short stream to ``to``, dialling it when there is none."""
        stream = self._dialled.get(to)
        if stream is None:
            if len(self._dialled) >= SHORT_STREAMS_MAX:
                self._counters.packets_dropped += 1
                return
            stream = self._dial(now, to, [])
        self._idle.arm(stream.number, now + IDLE_CLOSE_S)
        queued = self._queued.get(stream.number)
        if queued is None:
            self._streams.send(stream, Gossip(packet))
        elif len(queued) < QUEUED_MAX:
            queued.append(packet)
        else:
            self._counters.packets_dropped += 1

    def unsaid(self, to: Address) -> bool:
        """Whether something for that address still waits for its stream."""
        stream = self._dialled.get(to)
        return stream is not None and bool(self._queued.get(stream.number))

    def connected(self, now: float, stream: Stream) -> None:
        self._streams.open(now, stream, self._greeting.hello("gossip", stream.address))

    def greeted(self, now: float, stream: Stream, hello: Hello) -> None:
        stream.name = hello.name
        self._idle.arm(stream.number, now + IDLE_CLOSE_S)
        for packet in self._queued.pop(stream.number, ()):
            self._streams.send(stream, Gossip(packet))

    def frame(self, now: float, stream: Stream, frame: Frame) -> None:
        if type(frame) is Gossip:
            self._idle.arm(stream.number, now + IDLE_CLOSE_S)
            self.on_packet(now, frame.packet, stream.address, stream.number)
        elif type(frame) is Goodbye:
            if frame.code not in PEACEFUL:
                self._refusals[stream.number] = (frame.code, frame.text)
            self._streams.end(now, stream, "", "")
        else:
            raise RemoteProtocolError(f"{type(frame).__name__} on a gossip stream", code="BAD_FRAME")

    def closed(self, now: float, stream: Stream, reason: str) -> None:
        self._idle.cancel(stream.number)
        queued = self._queued.pop(stream.number, [])
        code, why = self._refusals.pop(stream.number, ("", FAILURES.get(reason, "")))
        if self._dialled.get(stream.address) is not stream:
            return
        del self._dialled[stream.address]
        if queued and self._streams.has_another_key(stream):
            self._dial(now, stream.address, queued)
        elif why:
            self.on_trouble(now, stream.address, code, why)

    def tick(self, now: float) -> None:
        """Close the streams over which nothing came for a while."""
        for number in self._idle.due(now):
            stream = self._streams.get(number)
            if stream is not None:
                self._streams.end(now, stream, "IDLE", "nothing more to say")

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return self._idle.deadline()

    def _dial(self, now: float, to: Address, queued: list[bytes]) -> Stream:
        stream = self._dialled[to] = self._streams.dial(now, to, self)
        self._queued[stream.number] = queued
        self._idle.arm(stream.number, now + IDLE_CLOSE_S)
        return stream

"""Every stream of a node: links to nodes, clients, short gossip streams, all told apart by the hello.

Decides the life of a stream (dialled or accepted, greeted, ended) and gathers what goes out at the
end of a turn. What a frame means is for the role that the stream has: ``links``, ``doors``, ``hearsay``.
"""

from __future__ import annotations

from typing import Final, Protocol

from meshq.config import LinkConfig
from meshq.engine.counters import Counters
from meshq.engine.keys import Keys
from meshq.link.session import Session
from meshq.machine.effects import Address, Close, Dial, Effect, Write
from meshq.machine.timers import Timers
from meshq.wire.frames import Frame, Hello

REPLIES_BYTES_MAX: Final = 4 * 1024 * 1024
"""What may wait for a peer of answers that it does not read: a few tables of the largest mesh."""


class Role(Protocol):
    """What a stream is for. Methods may raise RemoteProtocolError: it costs the peer the stream."""

    def connected(self, now: float, stream: Stream) -> None:
        """A stream dialled for this role is open: give it a hello to say."""

    def greeted(self, now: float, stream: Stream, hello: Hello) -> None:
        """The peer said hello; both sides have."""

    def frame(self, now: float, stream: Stream, frame: Frame) -> None:
        """One frame, Hello and heartbeat left out."""

    def closed(self, now: float, stream: Stream, reason: str) -> None:
        """The stream is gone, whoever ended it; said once."""


class Stream:
    """One stream. ``session`` is None while a dial is under way, ``role`` until an accepted one is greeted."""

    __slots__ = ("address", "blocked", "dialled", "name", "number", "over", "owed_bytes", "role", "session")

    def __init__(self, number: int, address: Address, role: Role | None, session: Session | None) -> None:
        self.number = number
        self.address = address
        self.role = role
        self.session = session
        self.dialled = session is None
        self.name = ""
        self.blocked = False
        self.owed_bytes = 0
        """Of answers (``Streams.reply``) since the peer was last seen to read what it gets."""
        self.over = False


class Streams:
    """The table of streams, their heartbeats, and the writes of a turn."""

    def __init__(self, config: LinkConfig, keys: Keys, counters: Counters) -> None:
        self._config = config
        self._keys = keys
        self._counters = counters
        self._table: dict[int, Stream] = {}
        self._count = 0
        self._dirty: dict[int, Stream] = {}
        self._timers: Timers[int] = Timers()
        self._dials: list[Effect] = []

    def __len__(self) -> int:
        return len(self._table)

    def get(self, number: int) -> Stream | None:
        """The stream of that number, unless it is gone."""
        return self._table.get(number)

    def dial(self, now: float, to: Address, role: Role) -> Stream:
        """Begin a stream; ``role.connected`` or ``role.closed`` follows."""
        stream = self._add(Stream(self._next(), to, role, None))
        self._dials.append(Dial(stream.number, to))
        self._timers.arm(stream.number, now + self._config.hello_timeout_s)
        return stream

    def accept(self, now: float, source: Address) -> Stream:
        """A stream came in; it has ``hello_timeout_s`` to say what it is."""
        session = Session(self._config, now, guard=self._keys.accepting(source[0]))
        stream = self._add(Stream(self._next(), source, None, session))
        if len(self._table) > self._config.links_max + self._config.clients_max:
            self._counters.streams_refused += 1
            self.end(now, stream, "FULL", "this node has as many connections as it may (links_max, clients_max)")
        else:
            self._timers.arm(stream.number, now + self._config.hello_timeout_s)
        return stream

    def open(self, now: float, stream: Stream, hello: Hello) -> None:
        """Say ``hello`` on a stream whose dial succeeded."""
        stream.session = Session(self._config, now, hello, self._keys.dialling(stream.address))
        self.touch(stream)

    def send(self, stream: Stream, frame: Frame) -> None:
        """Queue a frame; it leaves at the end of the turn."""
        if stream.session is not None and not stream.over:
            stream.session.send(frame)
            self._dirty[stream.number] = stream

    def reply(self, stream: Stream, frame: Frame) -> bool:
        """Queue what the peer has asked for; False, and nothing is queued, where too much of that is unread.

        A request may be a thousand times shorter than its answer: who asks and does not read must not fill this node.
        """
        if stream.owed_bytes > REPLIES_BYTES_MAX:
            return False
        if stream.session is not None and not stream.over:
            stream.owed_bytes += stream.session.reply(frame)
            self._dirty[stream.number] = stream
        return True

    def has_another_key(self, stream: Stream) -> bool:
        """Whether a dialled stream was turned away for its key, and the next dial there is made with one not tried."""
        session = stream.session
        return session is not None and session.turned_away and self._keys.has_another(stream.address)

    def touch(self, stream: Stream) -> None:
        """The stream's session may have something to write."""
        self._dirty[stream.number] = stream

    def end(self, now: float, stream: Stream, code: str, text: str) -> None:
        """Say why, and close once that is written. The role hears of it."""
        if stream.over:
            return
        if stream.session is not None and code:
            stream.session.goodbye(code, text)
        self._dirty[stream.number] = stream
        self._retire(now, stream, code.lower() or "ended")

    def lost(self, now: float, number: int, reason: str) -> None:
        """The driver says that the stream is gone, or that its dial failed."""
        stream = self._table.pop(number, None)
        if stream is not None:
            self._dirty.pop(number, None)
            self._retire(now, stream, reason)

    def tick(self, now: float) -> None:
        """Heartbeats that are due, streams that are dead."""
        for number in self._timers.due(now):
            stream = self._table.get(number)
            if stream is None or stream.over:
                continue
            session = stream.session
            if session is None:
                self.end(now, stream, "", "")
            elif (why := session.dead(now)) is not None and not self._within(stream, session):
                self.end(now, stream, "SILENT", why)
            else:
                session.tick(now)
                self._dirty[number] = stream
                within = self._within(stream, session)
                due = session.said_at + self._config.heartbeat_s if within else session.deadline()
                self._timers.arm(number, due)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return self._timers.deadline()

    def output(self, now: float) -> list[Effect]:
        """The dials, writes and closes of the turn, taken out."""
        effects, self._dials = self._dials, []
        if not self._dirty:
            return effects
        dirty, self._dirty = self._dirty, {}
        for stream in dirty.values():
            chunks = stream.session.output(now) if stream.session is not None else []
            if chunks:
                effects.append(Write(stream.number, chunks))
            if not stream.blocked:
                stream.owed_bytes = 0
            if stream.over and self._table.pop(stream.number, None) is not None:
                effects.append(Close(stream.number))
        return effects

    def all(self) -> list[Stream]:
        """Every stream that is not over."""
        return [stream for stream in self._table.values() if not stream.over]

    def _within(self, stream: Stream, session: Session) -> bool:
        """Whether the peer lives in this process: its loop may stand still for long, but it can't die alone."""
        return not stream.address[0] and session.peer is not None

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _add(self, stream: Stream) -> Stream:
        self._table[stream.number] = stream
        return stream

    def _retire(self, now: float, stream: Stream, reason: str) -> None:
        self._timers.cancel(stream.number)
        if not stream.over:
            stream.over = True
            if stream.dialled and stream.session is not None and stream.session.turned_away:
                self._keys.turned_away(stream.address)
            if stream.role is not None:
                stream.role.closed(now, stream, reason)

"""Where streams come in: their bytes become frames, and their first frame says whose they are.

Decides who is greeted (by label, name and key) and what bad bytes cost: their sender its stream. The life of a stream
is ``streams``', what its frames mean is for its role: ``links``, ``doors``, ``hearsay``.
"""

from __future__ import annotations

from meshq.config import LinkConfig
from meshq.engine.counters import Counters
from meshq.engine.doors import Doors
from meshq.engine.greeting import Greeting
from meshq.engine.keys import Keys
from meshq.engine.post import UNSEALED
from meshq.engine.strangers import Strangers
from meshq.engine.streams import Role, Stream, Streams
from meshq.errors import RemoteProtocolError
from meshq.wire.frames import Hello
from meshq.wire.keyring import REMOVED, WANTED


class Reception:
    """``roles``: whose the streams are that say so in their hello."""

    def __init__(
        self,
        config: LinkConfig,
        keys: Keys,
        strangers: Strangers,
        streams: Streams,
        greeting: Greeting,
        doors: Doors,
        roles: dict[str, Role],
        counters: Counters,
    ) -> None:
        self._config = config
        self._keys = keys
        self._strangers = strangers
        self._streams = streams
        self._greeting = greeting
        self._doors = doors
        self._roles = roles
        self._counters = counters

    def connected(self, now: float, number: int) -> None:
        """A dial succeeded."""
        stream = self._streams.get(number)
        if stream is not None and stream.role is not None and not stream.over:
            stream.role.connected(now, stream)

    def received(self, now: float, number: int, data: bytes) -> None:
        """Bytes of a stream; bad ones cost their sender the stream."""
        stream = self._streams.get(number)
        if stream is None or stream.over or stream.session is None:
            return
        try:
            for frame in stream.session.receive(now, data):
                if stream.over:
                    return
                if type(frame) is Hello:
                    self._greet(now, stream, frame)
                elif stream.role is not None:
                    stream.role.frame(now, stream, frame)
        except RemoteProtocolError as exc:
            self._counters.streams_bad += 1
            if exc.code in UNSEALED:
                self._strangers.refused(now, stream.address, str(exc))
            self._streams.end(now, stream, exc.code, str(exc))
        self._streams.touch(stream)

    def buffered(self, now: float, number: int, size_bytes: int) -> None:
        """So much waits in the stream's transport: above one limit messages stay in the broker, above another the
        peer, which does not read, loses the stream."""
        stream = self._streams.get(number)
        if stream is None or stream.over:
            return
        stream.blocked = size_bytes >= self._config.write_buffer_bytes
        if not stream.blocked:
            stream.owed_bytes = 0
            self._doors.watchers.room(number)
        elif size_bytes > self._config.unread_bytes_max:
            self._counters.streams_bad += 1
            why = f"{size_bytes:,} bytes wait to be read here: read what comes, or raise link.unread_bytes_max"
            self._streams.end(now, stream, "SLOW", why)

    def cut(self, now: float) -> None:
        """A key was removed: end what it had sealed."""
        for stream in self._streams.all():
            session = stream.session
            peer = session.peer if session is not None else None
            if session is None or peer is None or self._keys.lingers(session.key):
                continue
            if self._keys.bars(peer.role, session.key, stream.address[0]):
                self._streams.end(now, stream, "KEY", "the key of this stream was removed")

    def _greet(self, now: float, stream: Stream, hello: Hello) -> None:
        assert stream.session is not None
        self._greeting.check(hello)
        if self._keys.bars(hello.role, stream.session.key, stream.address[0]):
            raise RemoteProtocolError(WANTED, code="KEY")
        if stream.role is None:
            stream.session.welcome(self._greeting.welcome(hello, stream.address))
            stream.role = self._roles[hello.role]
        if REMOVED in hello.options and hello.role != "client":
            self._keys.heard_removed(now, hello.options[REMOVED], stream.session.key)
        stream.role.greeted(now, stream, hello)

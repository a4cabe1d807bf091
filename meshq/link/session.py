"""One session: the life of one stream, seen from one end.

The dialler speaks first: magic, Hello. The other side looks at it (label, versions, role) and answers
with its own Hello (``welcome``) or says why not (``goodbye``). From then on a Ping leaves when nothing
else did for a heartbeat, and a stream that was silent for too long is dead.

Decides nothing about what frames mean, beyond Hello, Ping and Pong. Each side alone notices the end.
"""

from __future__ import annotations

from typing import Final

from meshq.config import LinkConfig
from meshq.errors import RemoteProtocolError
from meshq.link.framing import Framing
from meshq.link.guard import Guard
from meshq.wire.codec import decode, encode_parts
from meshq.wire.frames import MAGIC, VERSION, Frame, Goodbye, Hello, Ping, Pong

HELLO_BYTES_MAX = 16 * 1024
"""Until the hello is read, a stranger may not make us keep more than this."""
REFUSALS: Final = ("KEY", "LABEL", "VERSION", "FULL")


class Session:
    """Frames out of bytes, bytes out of frames. ``peer`` is the other side's Hello once it came."""

    __slots__ = (
        "_config", "_framing", "_greeted", "_guard", "_out", "_pings", "ended", "heard_at", "opened_at", "peer",
        "said_at", "turned_away",
    )  # fmt: skip

    def __init__(self, config: LinkConfig, now: float, hello: Hello | None = None, guard: Guard | None = None) -> None:
        """``hello``: what the dialler says first. ``guard``: None for a stream that is not sealed."""
        self._config = config
        self._guard = guard
        self._framing = Framing(HELLO_BYTES_MAX, dialled=hello is not None)
        self._out: list[bytes] = []
        self._pings = 0
        self._greeted = False
        self.peer: Hello | None = None
        self.ended = False
        self.turned_away = False
        """Whether the peer wants another key, or one at all."""
        self.opened_at = self.heard_at = self.said_at = now
        if hello is not None:
            self._greet(hello)

    @property
    def up(self) -> bool:
        """Whether both sides have said hello and neither goodbye."""
        return self.peer is not None and not self.ended

    @property
    def key(self) -> str:
        """The name of the key that seals the stream; empty when nothing does."""
        return self._guard.key if self._guard is not None else ""

    def welcome(self, hello: Hello) -> None:
        """The accepting side's answer to the peer's Hello."""
        self._greet(hello)

    def send(self, frame: Frame) -> None:
        """Queue one frame; ignored after goodbye."""
        if not self.ended:
            self._out += encode_parts(frame)

    def reply(self, frame: Frame) -> int:
        """As ``send``, for what was asked for; how many bytes wait because of it."""
        if self.ended:
            return 0
        chunks = encode_parts(frame)
        self._out += chunks
        return sum(map(len, chunks))

    def goodbye(self, code: str, text: str) -> None:
        """Queue the last frame; whatever comes later is ignored. Without a hello before it, it opens the stream."""
        if not self._greeted and not self.ended:
            self._out.append(MAGIC)
        self.send(Goodbye(code, text))
        self.ended = True

    def receive(self, now: float, data: bytes) -> list[Frame]:
        """The frames completed by ``data``, Hello first, Ping and Pong left out.

        Raises RemoteProtocolError; frames of the same read before the bad one are then lost, as the
        stream is: the owner says goodbye and closes.
        """
        self.heard_at = now
        if self.ended:
            return []
        if self._guard is not None:
            data = self._guard.open(data)
        frames: list[Frame] = []
        payloads = self._framing.feed(data)
        while payloads:
            alone = self._framing.one  # one at a time until the Hello, whose limit holds for what follows
            self._read(payloads, frames)
            payloads = self._framing.feed(b"") if alone else []
        return frames

    def _read(self, payloads: list[bytes], frames: list[Frame]) -> None:
        for payload in payloads:
            frame = decode(payload)
            if self._guard is not None and self._guard.refused:
                frame = _refusal(frame)
            kind = type(frame)
            if kind is Ping:
                self.send(Pong(frame.number))  # type: ignore[union-attr]
            elif frame is not None and kind is not Pong:
                if self.peer is None or kind is Hello:
                    self._check_order(frame)
                frames.append(frame)

    def output(self, now: float) -> list[bytes]:
        """What to write now, taken out."""
        out = self._out
        if out:
            self._out = []
        if self._guard is not None:
            out = self._guard.seal(out)
        if out:
            self.said_at = now
        return out

    def tick(self, now: float) -> None:
        """Queue a Ping when a heartbeat is due."""
        if self.up and now >= self.said_at + self._config.heartbeat_s:
            self._pings += 1
            self.said_at = now
            self.send(Ping(self._pings))

    def deadline(self) -> float:
        """When ``tick`` or ``dead`` has something to say next."""
        config = self._config
        if self.peer is None:
            return self.opened_at + config.hello_timeout_s
        return min(self.said_at + config.heartbeat_s, self.heard_at + config.silent_s)

    def dead(self, now: float) -> str | None:
        """Why the stream must be given up, or None."""
        if self.peer is None:
            return "no hello" if now >= self.opened_at + self._config.hello_timeout_s else None
        return "silent" if now >= self.heard_at + self._config.silent_s else None

    def _greet(self, hello: Hello) -> None:
        self._greeted = True
        self._out.append(MAGIC)
        self.send(hello)

    def _check_order(self, frame: Frame) -> None:
        self.turned_away = type(frame) is Goodbye and frame.code == "KEY"
        if type(frame) is Hello:
            if self.peer is not None:
                raise RemoteProtocolError("a second Hello", code="BAD_FRAME")
            if not frame.least <= VERSION <= max(frame.version, VERSION) or frame.version < VERSION:
                raise RemoteProtocolError(
                    f"the peer speaks versions {frame.least} to {frame.version}; this node speaks {VERSION}",
                    code="VERSION",
                )
            self.peer = frame
            self._framing.limit_bytes = self._config.frame_bytes_max
            self._framing.one = False
        elif self.peer is None and type(frame) is not Goodbye:
            raise RemoteProtocolError(f"{type(frame).__name__} before Hello", code="BAD_FRAME")


def _refusal(frame: Frame | None) -> Goodbye:
    """What a peer may say in plain to one that seals: why not. Nobody has vouched for it: few codes are believed."""
    if type(frame) is Goodbye:
        return Goodbye(frame.code if frame.code in REFUSALS else "REFUSED", frame.text)
    raise RemoteProtocolError("the peer speaks in plain to one that has a key", code="KEY")

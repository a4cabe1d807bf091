"""Somebody at the other end of one stream of an engine, by hand: what it says, and what the engine wrote to it."""

from __future__ import annotations

from random import Random

from meshq.config import Config, LinkConfig
from meshq.engine import Engine
from meshq.link.session import Session
from meshq.machine.effects import Close, Write
from meshq.names import Epoch
from meshq.wire.frames import VERSION, Frame, Hello

EPOCH = Epoch(5, 5)


class Peer:
    """A stream in a role, to an engine of its own or to one that is given."""

    def __init__(self, role: str, *, name: str = "peer", engine: Engine | None = None) -> None:
        self.engine = engine or _engine()
        self.name = name
        self.number = self.engine.accepted(1.0, ("10.9.9.9", 5000))
        self.session = Session(LinkConfig(), 1.0, Hello(VERSION, VERSION, [], "meshq", role, name, EPOCH, "", {}, {}))
        self.over = False
        self.said: list[Frame] = []
        self.say()

    def say(self, *frames: Frame) -> int:
        """The frames reach the node in one read; how many bytes it wrote in that turn."""
        for frame in frames:
            self.session.send(frame)
        self.engine.received(1.0, self.number, b"".join(self.session.output(1.0)))
        return self.written()

    def written(self) -> int:
        """Bytes that the node wrote to this stream since it was last asked for them."""
        written = b""
        for effect in self.engine.effects():
            self.over |= type(effect) is Close and effect.stream == self.number
            if type(effect) is Write and effect.stream == self.number:
                written += b"".join(effect.chunks)
        self.said += self.session.receive(1.0, written)
        return len(written)

    def unread(self, size_bytes: int) -> None:
        """The node's driver says that so much waits."""
        self.engine.buffered(1.0, self.number, size_bytes)

    def lost(self) -> None:
        """The node's driver says that the stream is gone."""
        self.engine.closed(1.0, self.number, "reset")
        self.engine.effects()


def _engine() -> Engine:
    engine = Engine(Config(name="n1").check(), Epoch(1000, 1), Random(1), bound=("10.0.0.1", 4155))
    engine.start(0.0, 10**18)
    engine.effects()
    return engine

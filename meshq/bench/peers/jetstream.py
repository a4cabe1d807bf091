"""NATS JetStream, one replica in a file: every message confirmed, and finished by an acknowledgement of its own."""

from __future__ import annotations

import json
import re
import time
from typing import Final

from meshq.bench.peers.nats import HELLO, message
from meshq.bench.peers.wire import Counter, Wire, complain, connect, publish_windowed
from meshq.bench.roles.telling import end_of_input, tell

STREAM: Final = {"name": "bench", "subjects": ["bench"], "storage": "file", "num_replicas": 1}
CONSUMER: Final = {
    "stream_name": "bench",
    "config": {"durable_name": "c", "ack_policy": "explicit", "max_ack_pending": 50_000, "ack_wait": 60_000_000_000},
}
_ACK: Final = b" 4\r\n+ACK\r\n"


async def publish(port: int, messages: int, size_bytes: int, batch: int, calls: int) -> None:
    """Publish so many, each with an answer of its own; tells when it began."""
    confirmed = Counter(b"MSG confirmed 1 ")
    wire = await connect(port, confirmed)
    wire.write(HELLO + b"SUB confirmed 1\r\n")
    request = message(b"bench", b"x" * size_bytes, b"confirmed") * batch
    tell(began_s=await publish_windowed(wire, confirmed, request, messages // batch, calls, batch))


async def consume(port: int, messages: int, size_bytes: int) -> None:
    """Take and acknowledge so many; tells when the server has answered the last acknowledgement."""
    stop = end_of_input()
    wire = await _subscribed(port)
    taking = _Taking(wire, messages, size_bytes)
    wire.read_with(taking)
    wire.write(_request(b"$JS.API.CONSUMER.MSG.NEXT.bench.c", {"batch": messages}, b"taken"))
    tell(ready=True)
    await wire.until(lambda: taking.acknowledged)
    tell(finished_s=time.monotonic(), messages=taking.count)
    await stop.wait()


async def _subscribed(port: int) -> Wire:
    """A connection for which the stream and its consumer exist."""
    made = Counter(b"MSG made 1 ")
    wire = await connect(port, made)
    wire.write(HELLO + b"SUB made 1\r\nSUB taken 2\r\nSUB done 3\r\n")
    for subject, what in (
        (b"$JS.API.STREAM.CREATE.bench", STREAM),
        (b"$JS.API.CONSUMER.DURABLE.CREATE.bench.c", CONSUMER),
    ):
        before = made.count
        wire.write(_request(subject, what, b"made"))
        await wire.until(lambda before=before: made.count > before)  # type: ignore[misc]
    return wire


def _request(subject: bytes, what: object, reply: bytes) -> bytes:
    return message(subject, json.dumps(what).encode(), reply)


class _Taking:
    """Acknowledges what came at once; the last acknowledgement asks for an answer."""

    def __init__(self, wire: Wire, messages: int, size_bytes: int) -> None:
        self.count = 0
        self.acknowledged = False
        self._wire = wire
        self._messages = messages
        self._message = re.compile(rb"MSG bench 2 (\S+) %d\r\n" % size_bytes)

    def __call__(self, data: bytes) -> int:
        """Acknowledge what is whole; keep what is not."""
        complain(data)
        if data.find(b"MSG done 3 ") >= 0:
            self.acknowledged = True
        replies = self._message.findall(data)
        if not replies:
            return max(0, len(data) - 512)
        self.count += len(replies)
        last = [replies.pop()] if self.count == self._messages else []
        acks = b"PUB " + (_ACK + b"PUB ").join(replies) + _ACK if replies else b""
        self._wire.write(acks + b"".join(message(reply, b"+ACK", b"done") for reply in last))
        at = data.rfind(b"MSG bench 2 ")
        head = data.find(b"\r\n", at)
        return head + 2 if head >= 0 else at

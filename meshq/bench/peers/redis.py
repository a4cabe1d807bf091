"""Redis Streams with a consumer group and the append-only file synced each second."""

from __future__ import annotations

import re
import time
from typing import Final

from meshq.bench.crew import Crew, free_port
from meshq.bench.peers.wire import Counter, Wire, complain, connect, publish_windowed
from meshq.bench.roles.telling import end_of_input, tell

TAKE: Final = 1000
"""What one XREADGROUP asks for."""


def serve(crew: Crew, program: str) -> int:
    """A server of its own; its port."""
    port = free_port()
    settings = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--dir", crew.folder()]
    crew.serve([program, "--bind", "127.0.0.1", "--port", str(port), *settings], port)
    return port


def command(*words: bytes) -> bytes:
    """A command as an array of bulk strings."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


async def publish(port: int, messages: int, size_bytes: int, batch: int, calls: int) -> None:
    """XADD so many, each with an answer of its own; tells when it began."""
    confirmed = Counter(b"$")  # an answer is "$15", then the id
    wire = await connect(port, confirmed)
    request = command(b"XADD", b"bench", b"*", b"b", b"x" * size_bytes) * batch
    tell(began_s=await publish_windowed(wire, confirmed, request, messages // batch, calls, batch))


async def consume(port: int, messages: int, size_bytes: int) -> None:
    """Take and acknowledge so many; tells when the server has answered the last acknowledgement."""
    stop = end_of_input()
    made = Counter(b"+OK\r\n")
    wire = await connect(port, made)
    wire.write(command(b"XGROUP", b"CREATE", b"bench", b"g", b"$", b"MKSTREAM"))
    await wire.until(lambda: made.count > 0)
    taking = _Taking(wire, messages, size_bytes)
    wire.read_with(taking)
    wire.write(taking.more)
    tell(ready=True)
    await wire.until(lambda: taking.acknowledged >= messages)
    tell(finished_s=time.monotonic(), messages=taking.count)
    await stop.wait()


class _Taking:
    """Answers of XREADGROUP: their messages are acknowledged together, and more are asked for in the same write."""

    more: Final = command(
        b"XREADGROUP", b"GROUP", b"g", b"c", b"COUNT", b"%d" % TAKE, b"BLOCK", b"0", b"STREAMS", b"bench", b">"
    )

    def __init__(self, wire: Wire, messages: int, size_bytes: int) -> None:
        self.count = 0
        self.acknowledged = 0
        self._wire = wire
        self._messages = messages
        entry = rb"\*2\r\n\$\d+\r\n(\d+-\d+)\r\n\*2\r\n\$1\r\nb\r\n\$%d\r\n.{%d}\r\n" % (size_bytes, size_bytes)
        self._entry = re.compile(entry, re.DOTALL)

    def __call__(self, data: bytes) -> int:
        """Take whole answers; keep the rest."""
        complain(data)
        done = 0
        while done < len(data) and (after := self._answer(data, done)):
            done = after
        return done

    def _answer(self, data: bytes, at: int) -> int:
        """Handle the answer that begins there; where the next one begins, 0 when it is not whole yet."""
        if number := _ACKED.match(data, at):
            self.acknowledged += int(number[1])
            return number.end()
        head = _TAKEN.match(data, at)
        if head is None:
            return 0
        count, at, ids = int(head[1]), head.end(), []
        for _ in range(count):
            entry = self._entry.match(data, at)
            if entry is None:
                return 0
            ids.append(entry[1])
            at = entry.end()
        self.count += count
        more = self.more if self.count < self._messages else b""
        self._wire.write(command(b"XACK", b"bench", b"g", *ids) + more)
        return at


_ACKED: Final = re.compile(rb":(\d+)\r\n")
_TAKEN: Final = re.compile(rb"\*1\r\n\*2\r\n\$5\r\nbench\r\n\*(\d+)\r\n")

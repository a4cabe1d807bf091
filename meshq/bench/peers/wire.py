"""A connection to a broker that speaks in lines: bytes out at once, bytes in to a function."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from meshq.bench.crew import BenchError

STILL_S: Final = 20.0
"""So long without progress is no slow host any more."""

COMPLAINTS: Final = (b"-ERR", b"-NOGROUP", b"-WRONGTYPE", b'"error"')

Read = Callable[[bytes], int]
"""Takes all bytes that are there; returns how many of them it is done with, the rest comes again."""


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._rest = b""
        self._moved = asyncio.Event()
        self._ended: BenchError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(64 * 1024 * 1024)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        try:
            done = self._read(data)
        except BenchError as exc:
            self._ended = exc
            self._transport.abort()
        else:
            self._rest = data[done:]
        self._moved.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = self._ended or BenchError(f"the broker closed the connection: {exc or 'without a word'}")
        self._moved.set()

    def read_with(self, read: Read) -> None:
        """Give what comes from now on to another function; what the last one kept is dropped."""
        self._read, self._rest = read, b""

    def write(self, data: bytes) -> None:
        """Send it."""
        self._transport.write(data)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until it holds; looked at whenever bytes came. BenchError when the connection ends or stands still."""
        while not condition():
            if self._ended is not None:
                raise self._ended
            self._moved.clear()
            try:
                async with asyncio.timeout(STILL_S):
                    await self._moved.wait()
            except TimeoutError as exc:
                raise BenchError(f"the broker said nothing for {STILL_S:g} s") from exc


async def connect(port: int, read: Read) -> Wire:
    """A connection to the broker on loopback."""
    _, wire = await asyncio.get_running_loop().create_connection(lambda: Wire(read), "127.0.0.1", port)
    return wire


class Counter:
    """A ``Read`` that counts how often a word occurs. Raises BenchError when the broker complains."""

    def __init__(self, word: bytes) -> None:
        self.count = 0
        self._word = word

    def __call__(self, data: bytes) -> int:
        """Count, and keep what is too short for the word but could be its beginning."""
        complain(data)
        self.count += data.count(self._word)
        return max(0, len(data) - len(self._word) + 1)


def complain(data: bytes) -> None:
    """Raise BenchError when there is an error in what the broker said; bodies of a bench hold no such words."""
    for word in COMPLAINTS:
        if (at := data.find(word)) >= 0:
            raise BenchError(f"the broker said: {data[at : at + 200].decode(errors='replace')}")


async def publish_windowed(
    wire: Wire, answers: Counter, request: bytes, requests: int, outstanding: int, answers_each: int
) -> float:
    """Write ``request`` so many times, so many at a time without their answers; returns when the first was written."""
    began_s = time.monotonic()
    sent = answered = 0
    while answered < requests:
        room = min(outstanding - (sent - answered), requests - sent)
        if room > 0:
            wire.write(request * room)
            sent += room
        before = answered
        await wire.until(lambda before=before: answers.count // answers_each > before)  # type: ignore[misc]
        answered = answers.count // answers_each
    return began_s

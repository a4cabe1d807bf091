"""Waiting for conditions on a running loop, with a limit instead of a guess."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from meshq.runtime.loop import new_loop

T = TypeVar("T")
WITHIN_S = 10.0


async def until(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; TimeoutError when it does not in WITHIN_S."""
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - any condition of a test
            await asyncio.sleep(0.001)


def play(main: Coroutine[Any, Any, T]) -> T:
    """Runs a test's coroutine on a loop as nodes have it."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


class Ear:
    """A stream's owner that remembers."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.calls = 0
        self.reasons: list[str] = []
        self.drains = 0

    def stream_received(self, data: bytes) -> None:
        self.calls += 1
        self.data += data

    def stream_closed(self, reason: str) -> None:
        self.reasons.append(reason)

    def stream_drained(self) -> None:
        self.drains += 1

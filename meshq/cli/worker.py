"""A thread for calls that block: reading standard input, writing to a pipe that nobody reads.

A loop that stood still for them would miss its heartbeats, and the node would take the client for
dead. The thread is a daemon, so a call that never returns does not keep the command from ending.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """One thread that carries out calls in order; at most one is waited for at a time by each caller."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]]] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def call(self, function: Callable[[], T]) -> T:
        """The result of ``function`` run in the thread; a cancelled wait does not stop the call."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((future, function))
        return await future

    def _work(self) -> None:
        while True:
            future, function = self._jobs.get()
            result: Any = None
            error: BaseException | None = None
            try:
                result = function()
            except OSError as exc:
                error = exc
            try:
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            except RuntimeError:
                return  # the loop is closed: the command has ended


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, however many calls it takes. Raises BrokenPipeError when the reader is gone."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)

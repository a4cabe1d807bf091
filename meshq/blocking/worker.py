"""The thread that a blocking mesh works on, and the ways into it.

Decides how calls cross between the threads: one that wants an answer waits for it, and is cancelled when it is
interrupted; one that wants none is posted, in order, and many of them wake the loop once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from meshq.errors import Closed
from meshq.runtime.loop import LoopThread

T = TypeVar("T")


class Worker:
    """The loop's thread, and what is on its way to it: many small calls, few wake-ups."""

    def __init__(self, name: str) -> None:
        self._thread = LoopThread(name)
        self._posted: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._waking = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; interrupted (Ctrl-C), it is cancelled, and had time to clean up."""
        future = self._thread.submit(work)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                self._wait(future)
            raise

    def post(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have the loop call ``function`` soon, in order; dropped when it has ended."""
        self._posted.append((function, arguments))
        if not self._waking:
            self._waking = True
            if not self._thread.call(self._drain):
                self._waking = False
                self._posted.clear()

    def stop(self) -> None:
        """End the thread, and with it whatever still runs on its loop."""
        self._thread.stop()

    def _drain(self) -> None:
        self._waking = False  # before looking: what is posted later calls again
        posted = self._posted
        while posted:
            function, arguments = posted.popleft()
            function(*arguments)

    def _wait(self, future: Future[Any]) -> None:
        """Let the loop see the cancellation before the caller goes on."""
        try:
            self._thread.submit(_turn()).result(1.0)
        except (Closed, TimeoutError):
            return


async def _turn() -> None:
    """Nothing: it has run when everything before it has."""


async def awaited(thing: Any) -> None:
    """For what can be awaited and is no coroutine."""
    await thing

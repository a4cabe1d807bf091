"""Event loops: uvloop where there is one, and a loop in a thread of its own.

Decides how a loop is made, run and ended; what runs on it is its owner's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from meshq.errors import Closed

T = TypeVar("T")


def new_loop() -> asyncio.AbstractEventLoop:
    """A uvloop, or the platform's own loop where uvloop does not exist."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on a ``new_loop``."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


class LoopThread:
    """An event loop that runs in a daemon thread until ``stop``; usable from any other thread.

    ``stop`` cancels what still runs on the loop, waits for it, closes the loop and joins the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; Closed before ``start`` and after ``stop``."""
        if self._loop is None:
            raise Closed(f"the loop {self._name} does not run")
        return self._loop

    @property
    def running(self) -> bool:
        return self._loop is not None

    def start(self) -> LoopThread:
        """Start the thread; returns when its loop runs."""
        self._thread.start()
        self._up.wait()
        return self

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run ``work`` on the loop; its result as a future for any thread. Closed when the loop has ended."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop)
        except (Closed, RuntimeError) as exc:
            work.close()
            raise Closed(f"the loop {self._name} does not run") from exc

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop and await it from another one; cancellation crosses over."""
        return await asyncio.wrap_future(self.submit(work))

    def call(self, function: Callable[..., object], *arguments: Any) -> bool:
        """Have the loop call ``function`` soon; False when the loop has ended."""
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except (Closed, RuntimeError):
            return False
        return True

    def stop(self, timeout_s: float | None = 10.0) -> bool:
        """End the loop and join the thread; False when it did not end in time. Idempotent."""
        ending = self._ending
        if ending is not None:
            self.call(ending.set)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._ending = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._up.set()
        try:
            await self._ending.wait()
        finally:
            self._loop = None

"""A process on a simulated host, as far as it is asyncio code: what of it runs, stands still or is gone.

Everything that code of a process asks the loop to do later is asked in the process's context, so the loop knows whose
it is. A paused process does it when it goes on. A process that died never does: no ``finally`` runs, as after kill -9.
Decides nothing about the code, nor about when a process starts and dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Protocol

from meshq.sim.host import Host

PROCESS: Final[ContextVar[Process | None]] = ContextVar("meshq.sim.process", default=None)
"""The process whose code runs; None for what watches from outside."""


class Stream(Protocol):
    """A stream that code of the process opened."""

    def process_died(self) -> None: ...


class Process:
    """One start of a process on ``host``."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.alive = True
        self.streams: dict[Stream, None] = {}
        """Its open streams."""
        self._held: list[tuple[Context, Callable[..., Any], tuple[Any, ...]]] = []
        self._context = copy_context()
        self._context.run(PROCESS.set, self)

    def spawn(self, loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``main`` as code of this process."""
        return loop.create_task(main, name=name, context=self._context.copy())

    def do(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Called by the loop for each thing that the process had asked for, in the context in which it asked."""
        if not self.alive:
            return
        if self.host.paused:
            self._held.append((copy_context(), call, arguments))
        else:
            call(*arguments)

    def go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """After a pause: do what was due meanwhile, in order."""
        held, self._held = self._held, []
        for context, call, arguments in held:
            loop.call_soon(call, *arguments, context=context)

    def die(self) -> None:
        """Nothing of it happens any more; its tasks stay as they stand."""
        self.alive = False
        self._held.clear()
        for stream in list(self.streams):
            stream.process_died()

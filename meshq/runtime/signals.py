"""SIGINT, SIGTERM and SIGHUP as an event of the loop.

All are installed explicitly: a process that a script started in the background ignores SIGINT
otherwise, and the others would end Python without running ``finally``. SIGHUP, which a terminal sends that
is closed, stays ignored where ``nohup`` had it ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from types import FrameType, TracebackType
from typing import Any, Final, Self

HANGUP: Final = getattr(signal, "SIGHUP", None)
STOPPING: Final = (signal.SIGINT, signal.SIGTERM, *((HANGUP,) if HANGUP is not None else ()))


class StopSignals:
    """A context: within it each signal sets ``event`` on the running loop; the old handlers come back after.

    ``count`` tells an impatient second signal from the first; ``last`` is the latest signal, or None.
    Only the main thread may enter.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.again = asyncio.Event()
        """Set by the second signal: whoever waits for a drain may cut it short."""
        self.count = 0
        self.last: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            before = signal.getsignal(number)
            if number == HANGUP and before is signal.SIG_IGN:
                continue
            self._before[number] = before
            try:
                loop.add_signal_handler(number, self._arrived, number)
            except NotImplementedError:  # Windows: the handler runs between two bytecodes of the main thread
                signal.signal(number, self._between(loop))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number, before in self._before.items():
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, before if before is not None else signal.SIG_DFL)
        self._before.clear()

    async def wait(self) -> signal.Signals:
        """The first signal, once it has come."""
        await self.event.wait()
        assert self.last is not None
        return self.last

    def _arrived(self, number: signal.Signals) -> None:
        self.last = number
        self.count += 1
        if self.count > 1 and number != HANGUP:  # the shell and the system both tell of a closed terminal
            self.again.set()
        self.event.set()

    def _between(self, loop: asyncio.AbstractEventLoop) -> Any:
        def handler(number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._arrived, signal.Signals(number))

        return handler

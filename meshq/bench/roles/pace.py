"""A steady pace, kept by ``time.sleep`` in a thread of its own: a loop's own timers are whole milliseconds, and late
when the loop is busy."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable


def start_pace(count: int, per_s: float, do: Callable[[int], object], *, tick_s: float = 0.0) -> None:
    """Have the running loop call ``do`` with how many are due, ``count`` in all, at least ``tick_s`` apart."""
    loop = asyncio.get_running_loop()
    pace = threading.Thread(target=_pace, args=(loop, count, per_s, do, tick_s), name="pace", daemon=True)
    pace.start()


def _pace(
    loop: asyncio.AbstractEventLoop, count: int, per_s: float, do: Callable[[int], object], tick_s: float
) -> None:
    began_s = time.monotonic()
    done = 0
    while done < count:
        next_s = began_s + max((done + 1) / per_s, done / per_s + tick_s)
        time.sleep(max(0.0, next_s - time.monotonic()))
        due = min(count, int((time.monotonic() - began_s) * per_s)) if tick_s else done + 1
        if due > done:
            loop.call_soon_threadsafe(do, due - done)
            done = due

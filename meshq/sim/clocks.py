"""The clocks of ``time`` while a simulated mesh runs: virtual, and as the host of the code that reads them has them.

Decides which clocks follow: ``time``, ``monotonic`` and ``perf_counter``, in seconds and in nanoseconds. A wall clock
that a fault set wrong is wrong for the services of its host too. ``datetime.now()`` asks the system and can't follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from meshq.sim.hostclock import BORN_NS
from meshq.sim.process import PROCESS
from meshq.sim.world import World


@contextmanager
def virtual_clocks(world: World) -> Iterator[None]:
    """Within it, the module ``time`` tells the time of ``world``. What was imported from it before stays real."""

    def wall_ns() -> int:
        process = PROCESS.get()
        return BORN_NS + int(world.now * 1e9) if process is None else process.host.clock.wall_ns(world.now)

    def monotonic_ns() -> int:
        process = PROCESS.get()
        return int((world.now + (0.0 if process is None else process.host.clock.base_s)) * 1e9)

    clocks = {"time": wall_ns, "monotonic": monotonic_ns, "perf_counter": monotonic_ns}
    with ExitStack() as stack:
        for name, clock_ns in clocks.items():
            stack.enter_context(patch.object(time, f"{name}_ns", clock_ns))
            stack.enter_context(patch.object(time, name, _seconds(clock_ns)))
        yield


def _seconds(clock_ns: Callable[[], int]) -> Callable[[], float]:
    return lambda: clock_ns() / 1e9

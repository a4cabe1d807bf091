"""The one timer of a host, and what a late one does first.

A process that was stopped, or starved, finds its timers due and its sockets full, and event loops
run timers first. Served in that order the pause would look like the silence of everybody else: so
after a pause the sockets are read dry before the deadline is served.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from meshq.runtime.clock import monotonic

LATE_S: Final = 0.1
"""A deadline served later than this is a pause."""
QUIET_PASSES: Final = 3
"""Turns of the loop without input until the sockets count as dry; the first may come before it polls."""
PASSES_MAX: Final = 64
"""Turns after which deadlines are served anyway: under steady load the sockets never are dry."""


class Alarm:
    """Calls ``serve`` once ``deadline()`` has come. ``arm`` it again whenever the deadline may be another."""

    __slots__ = ("_armed_at", "_deadline", "_inputs", "_left", "_loop", "_quiet", "_seen", "_serve", "_timer", "pauses")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadline: Callable[[], float | None],
        inputs: Callable[[], int],
        serve: Callable[[], None],
    ) -> None:
        """``inputs`` tells a number that is another one after anything came in."""
        self.pauses = 0
        self._loop = loop
        self._deadline = deadline
        self._inputs = inputs
        self._serve = serve
        self._timer: asyncio.Handle | None = None
        self._armed_at = math.inf
        self._left = 0
        self._quiet = 0
        self._seen = 0

    def arm(self, due: float | None) -> None:
        """Look again no later than ``due``; an earlier timer stays, since it looks at the deadline when it fires."""
        if due is None or due >= self._armed_at:
            return
        self.cancel()
        self._armed_at = due
        wait_s = due - monotonic()
        if wait_s <= 0:
            self._timer = self._loop.call_soon(self._fire)
        else:  # whole milliseconds, rounded up: uvloop knows no others, and would fire early
            self._timer = self._loop.call_later(math.ceil(wait_s * 1000) / 1000, self._fire)

    def cancel(self) -> None:
        """Serve nothing until armed again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._armed_at = None, math.inf

    def _fire(self) -> None:
        self._timer, self._armed_at = None, math.inf
        due, now = self._deadline(), monotonic()
        if due is None or due > now:
            self.arm(due)
        elif now - due > LATE_S:
            self._catch_up()
        else:
            self._serve()

    def _catch_up(self) -> None:
        self.pauses += 1
        self._seen, self._quiet, self._left = self._inputs(), 0, PASSES_MAX
        self._armed_at = -math.inf  # nothing is earlier than what is under way
        self._timer = self._loop.call_soon(self._pass)

    def _pass(self) -> None:
        seen = self._inputs()
        self._quiet = self._quiet + 1 if seen == self._seen else 0
        self._seen = seen
        self._left -= 1
        if self._quiet < QUIET_PASSES and self._left > 0:
            self._timer = self._loop.call_soon(self._pass)
        else:
            self.cancel()
            self._serve()

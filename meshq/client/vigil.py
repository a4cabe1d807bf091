"""Messages that wait to be taken are kept alive: their message timeout is not to run out before anybody has them.

Decides when what waits is stale (its time starts anew once it is taken) and when it is touched while it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from meshq.client.extent import Extent
from meshq.client.inbox import Inbox

MOMENT_S: Final = 1.0
"""Messages that waited longer than this start their message timeout when they are taken."""


class Vigil:
    """Over one inbox. ``timeout_s`` tells the message timeout as it is now, ``freshen`` touches an extent."""

    __slots__ = ("_freshen", "_inbox", "_loop", "_timeout_s", "_touch_at", "timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        inbox: Inbox,
        timeout_s: Callable[[], float],
        freshen: Callable[[Extent], None],
    ) -> None:
        self._loop = loop
        self._inbox = inbox
        self._timeout_s = timeout_s
        self._freshen = freshen
        self._touch_at = 0.0
        self.timer: asyncio.TimerHandle | None = None
        """None: nothing waits, as far as it knows. ``begin`` it when something comes."""

    def begin(self) -> None:
        """Something came, and waits."""
        self._touch_at = self._loop.time() + self._timeout_s() / 3
        self._look_soon()

    def end(self) -> None:
        """Nothing will be taken any more."""
        if self.timer is not None:
            self.timer.cancel()

    def _look_soon(self) -> None:
        self.timer = self._loop.call_later(min(MOMENT_S, self._timeout_s() / 10), self._look)

    def _look(self) -> None:
        """A moment has passed: what waits is stale, and each third of the message timeout it is touched."""
        self.timer = None
        untaken = self._inbox.untaken()
        if not untaken:
            return
        now = self._loop.time()
        touching = now >= self._touch_at
        for extent in untaken:
            if touching:
                self._freshen(extent)
            else:
                extent.stale = True
        if touching:
            self._touch_at = now + self._timeout_s() / 3
        self._look_soon()

"""Which log of a channel is served next: priority classes, starvation-free.

Decides by stride scheduling (Waldspurger and Weihl, 1995): each lane has a pass that grows with every message taken,
the slower the higher the lane, and the lowest pass is served. A lane that had nothing waiting starts at the pass of
the one served last, so that it saves nothing up. Within a lane the oldest log comes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meshq.broker.cursor import Cursor
from meshq.names import LANES

STRIDE: Final = tuple(8 ** (LANES - 1 - lane) for lane in range(LANES))
"""Of messages that all wait, a lane gets eight times as many as the one below it."""


class Lanes:
    """The turns of one channel's lanes."""

    __slots__ = ("_passes", "_served", "many")

    def __init__(self) -> None:
        self.many = False
        """There is more than one lane."""
        self._passes = [0] * LANES
        self._served = 0

    def first(self, cursors: Iterable[Cursor]) -> Cursor | None:
        """The cursor to lend from; None when nothing waits."""
        if not self.many:
            for cursor in cursors:
                if cursor.waits():
                    return cursor
            return None
        waiting: dict[int, Cursor] = {}
        for cursor in cursors:
            if cursor.log.id.lane not in waiting and cursor.waits():
                waiting[cursor.log.id.lane] = cursor
        for lane in waiting:
            self._passes[lane] = max(self._passes[lane], self._served)
        best = min(waiting, key=self._rank, default=None)
        return None if best is None else waiting[best]

    def took(self, cursor: Cursor, messages: int) -> None:
        """So many messages of the cursor were lent."""
        if self.many:
            lane = cursor.log.id.lane
            self._served = self._passes[lane]
            self._passes[lane] += STRIDE[lane] * messages

    def _rank(self, lane: int) -> tuple[int, int]:
        return self._passes[lane], -lane

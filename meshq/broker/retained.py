"""What every channel of a log has finished, and a channel to come may still want: kept in the store only.

Decides nothing about for how long: ``until`` is the log's. Neighbours that go at about the same time are one entry.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from meshq.machine.ranges import Ranges

STEP_S: Final = 1.0


class Retained:
    """Numbers of one log, with the time until which each is kept; times only go up."""

    __slots__ = ("_entries", "numbers")

    def __init__(self) -> None:
        self._entries: deque[tuple[float, int, int]] = deque()
        self.numbers = Ranges()

    def keep(self, start: int, stop: int, until: float) -> None:
        """Keep these for so long."""
        self.numbers.add(start, stop)
        entries = self._entries
        if entries:
            last_until, low, high = entries[-1]
            if high == start and until - last_until < STEP_S:
                entries[-1] = (max(until, last_until), low, stop)
                return
        entries.append((until, start, stop))

    def take(self, start: int, stop: int) -> list[tuple[int, int]]:
        """A channel wants them after all: what of ``start`` to ``stop`` was kept."""
        parts = self.numbers.within(start, stop)
        for low, high in parts:
            self.numbers.discard(low, high)
        return parts

    def expired(self, now: float) -> list[tuple[int, int]]:
        """What has been kept long enough, and is forgotten here."""
        over: list[tuple[int, int]] = []
        while self._entries and self._entries[0][0] <= now:
            _, start, stop = self._entries.popleft()
            over += self.take(start, stop)
        return over

    def next(self) -> float | None:
        """When ``expired`` has something to say."""
        return self._entries[0][0] if self._entries else None

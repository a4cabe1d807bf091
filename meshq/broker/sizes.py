"""What the messages of one log take, by number: exact at the edges of batches, on average in between.

Kept only where somebody limits bytes, and bounded: older neighbours grow into one step. Decides nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

STEPS_MAX: Final = 1024


class Sizes:
    """A staircase: how many bytes the messages before a number take."""

    __slots__ = ("_numbers", "_totals")

    def __init__(self, first: int) -> None:
        self._numbers = [first]
        self._totals = [0.0]

    def add(self, stop: int, size_bytes: float) -> None:
        """The messages up to ``stop`` take ``size_bytes`` more than those up to the last one that was added."""
        self._numbers.append(stop)
        self._totals.append(self._totals[-1] + size_bytes)
        if len(self._numbers) > STEPS_MAX:
            self._join()

    def between(self, start: int, stop: int) -> float:
        """About how many bytes the messages ``start`` to ``stop`` take."""
        return self._before(stop) - self._before(start)

    def of(self, ranges: Iterable[tuple[int, int]]) -> float:
        """The same for several ranges."""
        return sum(self.between(start, stop) for start, stop in ranges)

    def _before(self, number: int) -> float:
        numbers, totals = self._numbers, self._totals
        at = bisect_right(numbers, number)
        if at == 0 or at == len(numbers):
            return totals[max(0, at - 1)]
        low, high = numbers[at - 1], numbers[at]
        return totals[at - 1] + (totals[at] - totals[at - 1]) * (number - low) / (high - low)

    def _join(self) -> None:
        """Of the older half of the steps, every other one goes."""
        half = len(self._numbers) // 2
        del self._numbers[1:half:2]
        del self._totals[1:half:2]

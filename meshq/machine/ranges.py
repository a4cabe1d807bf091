"""Sets of numbers as sorted, disjoint, half-open ranges.

Finished messages are kept this way per log and channel: such sets only grow, so they merge
without agreement, and the usual one is a single range. What waits to be acknowledged shrinks again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """A set of whole numbers. ``add`` is cheap at the end, where it usually happens."""

    __slots__ = ("_starts", "_stops")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in ranges:
            self.add(start, stop)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._stops, strict=True))

    def __len__(self) -> int:
        """The number of ranges (not of numbers): what the set costs to keep."""
        return len(self._starts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._stops[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Ranges:
        """Another set of the same numbers."""
        other = Ranges()
        other._starts, other._stops = self._starts[:], self._stops[:]
        return other

    def count(self) -> int:
        """How many numbers are in the set."""
        return sum(self._stops) - sum(self._starts)

    def covers(self, start: int, stop: int) -> bool:
        """Whether every number of ``[start, stop)`` is in the set; an empty range is covered."""
        if start >= stop:
            return True
        at = bisect_right(self._starts, start) - 1
        return at >= 0 and stop <= self._stops[at]

    def add(self, start: int, stop: int) -> int:
        """Put ``[start, stop)`` in; returns how many numbers were not in before."""
        if start >= stop:
            return 0
        if self._stops and start == self._stops[-1]:
            self._stops[-1] = stop
            return stop - start
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first == last:
            self._starts.insert(first, start)
            self._stops.insert(first, stop)
            return stop - start
        had = sum(self._stops[first:last]) - sum(self._starts[first:last])
        low = min(start, self._starts[first])
        high = max(stop, self._stops[last - 1])
        self._starts[first:last] = [low]
        self._stops[first:last] = [high]
        return high - low - had

    def discard(self, start: int, stop: int) -> int:
        """Take ``[start, stop)`` out, as far as it is in; returns how many numbers were."""
        if start >= stop:
            return 0
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, stop)
        if first >= last:
            return 0
        had = sum(self._stops[first:last]) - sum(self._starts[first:last])
        low, high = self._starts[first], self._stops[last - 1]
        had -= max(0, start - low) + max(0, high - stop)
        left = ([(low, start)] if low < start else []) + ([(stop, high)] if stop < high else [])
        self._starts[first:last] = [one for one, _ in left]
        self._stops[first:last] = [one for _, one in left]
        return had

    def around(self, number: int) -> tuple[int, int]:
        """The range that holds ``number``, which is in the set."""
        at = bisect_right(self._starts, number) - 1
        return self._starts[at], self._stops[at]

    def within(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The parts of ``[start, stop)`` that are in the set, in order."""
        parts: list[tuple[int, int]] = []
        at = bisect_right(self._stops, start)
        while at < len(self._starts) and self._starts[at] < stop:
            parts.append((max(start, self._starts[at]), min(stop, self._stops[at])))
            at += 1
        return parts

    def first_from(self, number: int) -> int | None:
        """The lowest number of the set that is not below ``number``."""
        at = bisect_right(self._stops, number)
        return max(number, self._starts[at]) if at < len(self._starts) else None

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The parts of ``[start, stop)`` that are not in the set, in order."""
        gaps: list[tuple[int, int]] = []
        at = bisect_right(self._stops, start)
        while start < stop and at < len(self._starts) and self._starts[at] < stop:
            if start < self._starts[at]:
                gaps.append((start, self._starts[at]))
            start = max(start, self._stops[at])
            at += 1
        if start < stop:
            gaps.append((start, stop))
        return gaps

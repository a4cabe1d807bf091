"""How often messages were tried before, as runs of numbers: nearly all of them never were."""

from __future__ import annotations

from bisect import bisect_right


class Attempts:
    """A count per message, kept only where it is above zero, as sorted runs [start, stop, n]."""

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: list[list[int]] = []

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __len__(self) -> int:
        """The number of runs: what the counts cost to keep."""
        return len(self._runs)

    def add(self, start: int, stop: int, attempts: int = 1) -> None:
        """So many more attempts for each of ``start`` to ``stop``."""
        at, had = self._take(start, stop)
        runs: list[list[int]] = []
        for low, high, count in had:
            if start < low:
                runs.append([start, low, attempts])
            runs.append([low, high, count + attempts])
            start = high
        if start < stop:
            runs.append([start, stop, attempts])
        self._runs[at:at] = runs

    def drop(self, start: int, stop: int) -> None:
        """Forget the counts of ``start`` to ``stop``."""
        self._take(start, stop)

    def within(self, start: int, stop: int) -> list[list[int]]:
        """The runs in ``start`` to ``stop``, cut at its edges; a list of the caller's own."""
        first, last = self._span(start, stop)
        return [[max(low, start), min(high, stop), count] for low, high, count in self._runs[first:last]]

    def _span(self, start: int, stop: int) -> tuple[int, int]:
        first = bisect_right(self._runs, start, key=_stop)
        last = first
        while last < len(self._runs) and self._runs[last][0] < stop:
            last += 1
        return first, last

    def _take(self, start: int, stop: int) -> tuple[int, list[list[int]]]:
        """Cut ``start`` to ``stop`` out: where it was, and the runs that were there."""
        first, last = self._span(start, stop)
        had = self.within(start, stop)
        left: list[list[int]] = []
        for low, high, count in self._runs[first:last]:
            if low < start:
                left.append([low, start, count])
            if high > stop:
                left.append([stop, high, count])
        at = first + (1 if left and left[0][1] <= start else 0)
        self._runs[first:last] = left
        return at, had


def _stop(run: list[int]) -> int:
    return run[1]

"""What consumers said went wrong with messages: the first error and the last, kept beside the attempts.

Decides nothing but what is forgotten: above the limit, what was said of the lowest numbers goes.
"""

from __future__ import annotations

from meshq.broker.extents import Extents


class Failure:
    """Of messages ``start`` to ``stop`` the same was said."""

    __slots__ = ("first", "last", "start", "stop")

    def __init__(self, start: int, stop: int, first: str, last: str) -> None:
        self.start = start
        self.stop = stop
        self.first = first
        self.last = last

    def cut(self, at: int) -> Failure:
        """Keep ``start`` to ``at``; return the rest."""
        rest = Failure(at, self.stop, self.first, self.last)
        self.stop = at
        return rest


class Failures:
    """Errors of one channel in one log, at most ``runs_max`` runs of them."""

    __slots__ = ("_runs", "_runs_max")

    def __init__(self, runs_max: int) -> None:
        self._runs: Extents[Failure] = Extents()
        self._runs_max = runs_max

    def __bool__(self) -> bool:
        return len(self._runs) > 0

    def __len__(self) -> int:
        """The number of runs: what the errors cost to keep."""
        return len(self._runs)

    def add(self, start: int, stop: int, first: str, last: str) -> None:
        """``last`` was said of ``start`` to ``stop``; ``first`` too, where nothing was said before."""
        for failure in self._runs.take(start, stop):
            if start < failure.start:
                self._runs.add(Failure(start, failure.start, first, last))
            failure.last = last
            self._runs.add(failure)
            start = failure.stop
        if start < stop:
            self._runs.add(Failure(start, stop, first, last))
        while len(self._runs) > self._runs_max:
            self._runs.remove(self._runs.first())

    def drop(self, start: int, stop: int) -> None:
        """Forget what was said of ``start`` to ``stop``."""
        self._runs.take(start, stop)

    def of(self, number: int) -> tuple[str, str]:
        """The first error of a message and the last; empty when nothing was said."""
        for failure in self._runs.overlapping(number, number + 1):
            return failure.first, failure.last
        return "", ""

    def within(self, start: int, stop: int) -> list[tuple[int, int, str, str]]:
        """``start`` to ``stop`` in pieces of which the same was said, which may be nothing."""
        pieces: list[tuple[int, int, str, str]] = []
        for failure in self._runs.overlapping(start, stop):
            low, high = max(start, failure.start), min(stop, failure.stop)
            if start < low:
                pieces.append((start, low, "", ""))
            pieces.append((low, high, failure.first, failure.last))
            start = high
        if start < stop:
            pieces.append((start, stop, "", ""))
        return pieces

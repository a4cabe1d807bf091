"""When the messages of one log were accepted and what they take, by number: a staircase, whatever their count.

Bounded: what was accepted within ``STEP_NS`` is one step, and older neighbours grow into one. A step is as old as its
newest message, so that nothing is taken for older than it is. Bytes are exact at the edges of steps, and an average
within. Decides nothing else; the store makes one of its rows at a start, the broker one of what it accepts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

STEPS_MAX: Final = 1024
STEP_NS: Final = 250_000_000


class Step(NamedTuple):
    """Messages ``start`` to ``stop``, the newest of them accepted at ``accepted_ns`` (since 1970)."""

    start: int
    stop: int
    accepted_ns: int


class Ages:
    """Numbers from ``first`` on; each addition begins where the last one stopped, or leaves numbers that are gone."""

    __slots__ = ("_began_ns", "_stops", "_times", "_totals")

    def __init__(self, first: int) -> None:
        self._stops = [first]
        self._times = [0]
        self._totals = [0.0]
        self._began_ns = -STEP_NS

    def __iter__(self) -> Iterator[Step]:
        """The steps, by number."""
        starts = iter(self._stops)
        for start, stop, accepted_ns in zip(starts, self._stops[1:], self._times[1:], strict=False):
            yield Step(start, stop, accepted_ns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ages) and (list(self), self._totals) == (list(other), other._totals)

    __hash__ = None  # type: ignore[assignment]

    def add(self, stop: int, accepted_ns: int, size_bytes: float) -> None:
        """The messages up to ``stop`` were accepted then and take ``size_bytes`` together."""
        if 0 <= accepted_ns - self._began_ns < STEP_NS:
            self._stops[-1] = stop
            self._times[-1] = max(self._times[-1], accepted_ns)
            self._totals[-1] += size_bytes
            return
        self._began_ns = accepted_ns
        self._stops.append(stop)
        self._times.append(accepted_ns)
        self._totals.append(self._totals[-1] + size_bytes)
        if len(self._stops) > STEPS_MAX:
            self._join()

    def step(self, number: int) -> tuple[int, int]:
        """When the message was accepted, or a little later; and up to which number that is so."""
        at = min(max(1, bisect_right(self._stops, number)), len(self._stops) - 1)
        return self._times[at], self._stops[at]

    def before(self, wall_ns: int) -> int:
        """All messages below this number were accepted before that time, and some above perhaps as well."""
        number = self._stops[0]
        for step in self:
            if step.accepted_ns >= wall_ns:
                break
            number = step.stop
        return number

    def of(self, ranges: Iterable[tuple[int, int]]) -> float:
        """About how many bytes the messages of these ranges take."""
        return sum(self._total(stop) - self._total(start) for start, stop in ranges)

    def correct(self, now_ns: int) -> None:
        """Nothing was accepted later than now: what a clock that was ahead says otherwise counts as accepted now."""
        if max(self._times) > now_ns:
            self._times = [min(accepted_ns, now_ns) for accepted_ns in self._times]
            self._began_ns = min(self._began_ns, now_ns)

    def forget(self, number: int) -> None:
        """What lies below ``number`` is gone."""
        at = min(bisect_right(self._stops, number) - 1, len(self._stops) - 2)
        if at > 0:
            del self._stops[:at], self._times[:at], self._totals[:at]

    def _total(self, number: int) -> float:
        stops, totals = self._stops, self._totals
        at = bisect_right(stops, number)
        if at == 0 or at == len(stops):
            return totals[max(0, at - 1)]
        low, high = stops[at - 1], stops[at]
        return totals[at - 1] + (totals[at] - totals[at - 1]) * (number - low) / (high - low)

    def _join(self) -> None:
        """Of the older half of the steps, two become one each; the newer time holds."""
        half = len(self._stops) // 2
        self._times[2:half:2] = [max(pair) for pair in zip(self._times[1:half:2], self._times[2:half:2], strict=False)]
        del self._stops[1 : half - 1 : 2], self._times[1 : half - 1 : 2], self._totals[1 : half - 1 : 2]

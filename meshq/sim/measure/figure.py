"""A number of many runs, and the bound that it should keep.

A bound is a number, or a share of what the reference comes to on the same seeds. A figure of the reference itself has
what others published in place of a goal, and how far off it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Final, TypeAlias

from meshq.sim.measure.cell import Outcome

NEVER: Final = inf
"""In place of a time: it did not happen in some run."""
Reading: TypeAlias = Callable[[Sequence[Outcome]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is read from the runs of a row."""

    name: str
    of: Reading
    unit: str = "s"
    digits: int = 2
    most: float | None = None
    share: float | None = None
    """At most so much of the reference's."""
    published: float | None = None
    within: float = NEVER
    """By what factor it may differ from what was published."""

    @property
    def judged(self) -> bool:
        """Whether there is anything to keep."""
        return self.most is not None or self.share is not None or self.within < NEVER

    def holds(self, value: float, reference: float | None) -> bool | None:
        """Whether the value keeps every bound; None when that can't be said without the reference."""
        if self.within < NEVER:
            return self._near(value)
        if self.most is not None and value > self.most:
            return False
        if self.share is None:
            return True
        return None if reference is None else value <= self.share * reference

    def shown(self, value: float | None) -> str:
        """For people."""
        if value is None:
            return ""
        return "never" if value == NEVER else f"{value:,.{self.digits}f}"

    @property
    def goal(self) -> str:
        """The bounds, for people."""
        bounds = [] if self.most is None else [f"<= {self.most:,.10g}"]
        if self.share is not None:
            bounds.append("<= reference" if self.share == 1 else f"<= 1/{1 / self.share:g} of it")
        if self.published is not None:
            bounds.append(f"{self.published:,.10g}" + (f" x/ {self.within:g}" if self.within < NEVER else ""))
        return ", ".join(bounds)

    def _near(self, value: float) -> bool:
        assert self.published is not None
        least = max(self.published, 10.0**-self.digits)
        return least / self.within <= max(value, 10.0**-self.digits) <= least * self.within


def quantile(name: str, part: float) -> Reading:
    """The smallest value that so large a part of the runs does not exceed; what did not happen took for ever."""

    def read(outcomes: Sequence[Outcome]) -> float:
        values = sorted(each.get(name, NEVER) for each in outcomes)
        return values[max(0, ceil(part * len(values)) - 1)]

    return read


def mean(name: str) -> Reading:
    """For each run."""
    return lambda outcomes: sum(each[name] for each in outcomes) / len(outcomes)


def rate(name: str, per: str) -> Reading:
    """The sum of one for the sum of another."""
    return lambda outcomes: sum(each[name] for each in outcomes) / sum(each[per] for each in outcomes)


def share(name: str) -> Reading:
    """The part of the runs, in percent, in which there was any."""
    return lambda outcomes: 100 * sum(each[name] > 0 for each in outcomes) / len(outcomes)


def total(name: str) -> Reading:
    """Of all runs."""
    return lambda outcomes: sum(each[name] for each in outcomes)


p50, p99, worst = 0.5, 0.99, 1.0

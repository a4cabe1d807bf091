"""A figure and its spread over several runs: what is measured, in which unit, and how a faster host would move it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a figure follows the speed of its host."""

    RATE = "rate"
    TIME = "time"
    PLAIN = "plain"
    """It does, but nobody knows how: a pause, a count of what went wrong."""
    SIZE = "size"
    """It does not."""

    def adjusted(self, value: float, index: float) -> float:
        """The figure on the reference host, of one taken on a host of that ``index``."""
        match self:
            case Kind.RATE:
                return value / index
            case Kind.TIME:
                return value * index
        return value


@dataclass(frozen=True, slots=True)
class Figure:
    """What a bench measures."""

    name: str
    unit: str
    kind: Kind = Kind.PLAIN
    digits: int = 0
    repeats: bool = False
    """Whether two runs are expected to agree: the host is judged by these."""

    def shown(self, value: float) -> str:
        """For people."""
        return f"{value:,.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Spread:
    """Minimum, median and maximum."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(min(values), statistics.median(values), max(values))

    @property
    def width(self) -> float:
        """By what part the largest exceeds the smallest; 0 when all agree."""
        if self.max == self.min:
            return 0.0
        return self.max / self.min - 1 if self.min > 0 else float("inf")

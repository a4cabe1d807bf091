"""What a space-time diagram shows, as plain data: lanes, and on them spans, marks, arrows and bars.

All times are seconds of virtual time since the beginning of the run. Counts are messages for bars and for marks of
messages, nodes for verdicts. Decides nothing: ``recorder`` fills it, ``svg`` draws it, and anybody may do either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

SpanKind: TypeAlias = Literal["fault", "down", "paused", "slow", "side"]
"""A fault is of the whole mesh and gets a row of its own; the others hold on a lane."""
MarkKind: TypeAlias = Literal["moment", "started", "died", "left", "recovered", "back", "returned", "gone", "lost"]
"""A moment is of the whole mesh; ``recovered`` and ``back``: others hold the lane's node alive again."""
ArrowKind: TypeAlias = Literal["deliveries", "suspects", "suspects wrongly", "fails", "fails wrongly", "cut", "one-way"]
BarKind: TypeAlias = Literal["published", "handed", "again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that holds for a while, on a lane or (an empty ``lane``) in the whole mesh."""

    kind: SpanKind
    from_s: float
    until_s: float
    lane: str = ""
    text: str = ""
    side: int = 0
    """Which side of a partition the lane is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened at one time, on a lane or (an empty ``lane``) in the whole mesh."""

    kind: MarkKind
    at_s: float
    lane: str = ""
    text: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """From one lane to another; slanted when ``until_s`` is later than ``from_s``."""

    kind: ArrowKind
    source: str
    target: str
    from_s: float
    until_s: float
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """So many messages on a lane within a while."""

    kind: BarKind
    lane: str
    from_s: float
    until_s: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """All of it. ``violations`` are told with the time of each, and make the drawing a failure's."""

    title: str
    lanes: tuple[str, ...]
    until_s: float
    spans: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    bars: tuple[Bar, ...] = ()
    violations: tuple[tuple[float, str], ...] = ()
    judged: bool = True
    """Whether checkers looked on."""

    @property
    def verdict(self) -> str:
        """In words; empty when nobody judged."""
        if not self.judged:
            return ""
        count = len(self.violations)
        return f"{count} violation{'' if count == 1 else 's'}" if count else "nothing was violated"

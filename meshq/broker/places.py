"""Where a channel is in a log, in words that another node understands.

Decides how much of it goes together: a channel that has finished many separate ranges is told in several pieces.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from meshq.broker.cursor import Cursor

RANGES_MAX: Final = 1_000
TRIED_MAX: Final = 200


class TriedSpan(NamedTuple):
    """Messages that came back alike: how often, until when they wait (0.0: not), and with which errors."""

    start: int
    stop: int
    attempts: int
    due: float
    first_error: str
    last_error: str


class Standing(NamedTuple):
    """A piece of it."""

    cursor: Cursor
    finished: list[tuple[int, int]]
    tried: list[TriedSpan]


def places(cursor: Cursor) -> Iterator[Standing]:
    """The cursor's place, in pieces; at least one."""
    finished, tried = list(cursor.finished), list(_tried(cursor))
    first = True
    while first or finished or tried:
        first = False
        yield Standing(cursor, finished[:RANGES_MAX], tried[:TRIED_MAX])
        finished, tried = finished[RANGES_MAX:], tried[TRIED_MAX:]


def _tried(cursor: Cursor) -> Iterator[TriedSpan]:
    """What came back and is not finished."""
    born, stop = cursor.born, cursor.log.next
    waiting = sorted(_waiting(cursor))
    starts = [start for start, _, _ in waiting]
    attempts = cursor.attempts.within(born, stop)
    failures = [(low, high) for low, high, first, last in cursor.failures.within(born, stop) if first or last]
    spans = [(low, high) for low, high, _ in waiting] + [(low, high) for low, high, _ in attempts] + failures
    edges = dict.fromkeys(edge for span in spans for edge in span)
    for low, high in pairwise(sorted(edges)):
        if low in cursor.finished:
            continue
        had = cursor.attempts.within(low, low + 1)
        first, last = cursor.failures.of(low)
        at = bisect_right(starts, low) - 1
        due = waiting[at][2] if at >= 0 and low < waiting[at][1] else 0.0
        if had or due or first or last:
            yield TriedSpan(low, high, had[0][2] if had else 0, due, first, last)


def _waiting(cursor: Cursor) -> Iterator[tuple[int, int, float]]:
    """What came back with a delay; what was deferred by its publisher says so itself."""
    for due, _, extent in cursor.deferred:
        if due != extent.batch.due:
            yield extent.start, extent.stop, due
    yield from cursor.postponed

"""What a round cost, from what publishers and consumers wrote down. Pure.

A message is lost when it was confirmed and some channel's consumers have not finished it. A redelivery is a message
that a channel's consumers finish once more; it is put down to the accident before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

SHIFT: Final = 40
"""A message's number is its publisher's, shifted by so much, and a count from 0."""

Span: TypeAlias = tuple[float, int, int]
"""Seconds, first number, count."""


@dataclass(frozen=True, slots=True)
class Toll:
    """Counts of one round; ``redelivered`` for each accident in turn."""

    confirmed: int
    lost: int
    unconfirmed: int
    redelivered: list[int]
    left: int
    """What the nodes still had unfinished when nothing moved any more."""

    @property
    def kept(self) -> bool:
        """Whether every confirmed message was finished on every channel."""
        return not self.lost and not self.left


class Seen:
    """Which numbers were seen: a byte for each message."""

    def __init__(self) -> None:
        self._by_publisher: dict[int, bytearray] = {}

    def add(self, first: int, count: int) -> int:
        """See these; how many of them had been seen before."""
        seen, start, stop = self._where(first, count)
        again = seen.count(1, start, stop)
        seen[start:stop] = b"\1" * count
        return again

    def missing(self, first: int, count: int) -> int:
        """How many of these were not seen."""
        seen, start, stop = self._where(first, count)
        return count - seen.count(1, start, stop)

    def _where(self, first: int, count: int) -> tuple[bytearray, int, int]:
        start = first & ((1 << SHIFT) - 1)
        seen = self._by_publisher.setdefault(first >> SHIFT, bytearray())
        if len(seen) < start + count:
            seen.extend(bytes(start + count - len(seen)))
        return seen, start, start + count


def toll(
    confirmed: Iterable[Span],
    unconfirmed: int,
    finished: Mapping[str, Sequence[Span]],
    accidents_s: Sequence[float],
    left: int,
) -> Toll:
    """Count; ``finished`` by channel, ``accidents_s`` when each began, in order."""
    redelivered = [0] * len(accidents_s)
    seen = {channel: Seen() for channel in finished}
    for channel, spans in finished.items():
        for at_s, first, count in sorted(spans):
            again = seen[channel].add(first, count)
            if again and accidents_s:
                redelivered[max(0, bisect_right(accidents_s, at_s) - 1)] += again
    spans = list(confirmed)
    lost = sum(each.missing(first, count) for each in seen.values() for _, first, count in spans)
    return Toll(sum(count for _, _, count in spans), lost, unconfirmed, redelivered, left)

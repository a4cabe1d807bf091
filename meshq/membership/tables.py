"""Tables on a stream: rows out in packets of bounded size, rows in with what this view knows better.

Source: memberlist state.go mergeState, remoteState. Shared by ``repair``, ``joining`` and ``admission``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from meshq.machine.effects import ReplyPacket
from meshq.membership.member import Member
from meshq.membership.view import View
from meshq.wire import gossip
from meshq.wire.gossip import Record

PART_BYTES_MAX: Final = 128 * 1024
"""Rows of one packet."""
SPREAD_MAX: Final = 32
"""A table with more news than this isn't passed on as rumours: repairs carry it further, the queue can't."""


def parts(members: Iterable[Member]) -> Iterator[tuple[list[bytes], bool]]:
    """The members' rows in parts, each with whether it is the last; at least one part, empty if need be."""
    part: list[bytes] = []
    size_bytes = 0
    for member in members:
        row = member.row
        if size_bytes + len(row) > PART_BYTES_MAX:
            yield part, False
            part, size_bytes = [], 0
        part.append(row)
        size_bytes += len(row)
    yield part, True


class Reading:
    """A table that comes in in parts: what was seen in it, and where this view is ahead of it."""

    __slots__ = ("_ahead", "_seen", "peer")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._seen: dict[str, None] = {}
        self._ahead: dict[str, None] = {}

    def take(self, now: float, view: View, records: list[Record], by: str) -> None:
        """Merge one part."""
        for record in records:
            self._seen[record.name] = None
        for name in merge(now, view, records, by):
            self._ahead[name] = None

    def answer(self, view: View, buckets: int) -> list[Member]:
        """What the other should hear: where this view is ahead, and the live it does not know, in these buckets."""
        return [
            member
            for member in view.members.values()
            if member.name in self._ahead
            or (member.live and member.name not in self._seen and buckets >> member.bucket & 1)
        ]


def merge(now: float, view: View, records: list[Record], by: str) -> list[str]:
    """Take in rows of ``by``'s table; returns the names of which this view holds a later account."""
    spread = len(records) <= SPREAD_MAX
    ahead = [r.name for r in records if view.hear_record(now, r, by, spread=spread, table=True)]
    view.digest.settle(now)
    return ahead


def hand_over(view: View, via: int, members: list[Member]) -> None:
    """Send rows back on the stream they are an answer to; nothing when there are none that may be told."""
    for rows, _ in parts(filter(view.tellable, members)):
        if rows:
            view.out.append(ReplyPacket(via, gossip.rows(view.me.name, rows)))

"""What this node passes on: rumours that wait, and which of them a packet takes along.

Decides order, number of copies and bound. A newer rumour about the same subject replaces the older one, packets are
filled in the order refutations, deaths and leaves, suspicions, joins, heads; among equals the one sent least often
goes first, then the one that waits longest. Source: SWIM, section 4.1; memberlist queue.go, util.go
retransmitLimit. Departures: the order by kind, so that a storm can't delay what prevents or reports a death; the
older before the longer.
"""

from __future__ import annotations

from enum import IntEnum
from math import ceil, log10
from typing import Final

from meshq.config import MembershipConfig

_MISFITS_MAX: Final = 8
"""How many rumours that don't fit are passed over before a packet is called full."""
_LEAST_BYTES: Final = 16
"""No rumour is shorter: with less room than this a packet is full."""


class Kind(IntEnum):
    """What a rumour is about, most urgent first."""

    REFUTATION = 0
    DEATH = 1
    SUSPICION = 2
    JOIN = 3
    HEAD = 4


def copies(config: MembershipConfig, members: int) -> int:
    """How often one node sends a rumour: retransmit_mult * ceil(log10(N + 1)), and retransmit_min at least.

    Source: memberlist util.go; the least is ours.
    """
    return max(config.retransmit_min, config.retransmit_mult * ceil(log10(members + 1)))


class Rumours:
    """The queue: at most ``limit`` rumours, one for each subject and for each subject's head."""

    __slots__ = ("_levels", "_limit", "_refutation_share", "_where", "dropped")

    def __init__(self, limit: int, refutation_share: float = 1.0) -> None:
        """``refutation_share``: so many times as many copies of a refutation as of others."""
        self._limit = limit
        self._refutation_share = refutation_share
        self._levels: list[dict[int, dict[str, bytes]]] = [{} for _ in Kind]
        """By kind and by how often they were sent; those levels only on which there are any."""
        self._where: dict[str, tuple[int, int]] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._where)

    def put(self, subject: str, kind: Kind, rumour: bytes) -> None:
        """Queue a rumour in place of an earlier one about ``subject`` (and its head apart)."""
        key = f"{subject} head" if kind is Kind.HEAD else subject
        self._drop(key)
        if len(self._where) >= self._limit:
            self._make_room()
        self._place(key, kind, 0, rumour)

    def clear(self) -> None:
        """Nobody is there to be told."""
        self._where.clear()
        self._levels = [{} for _ in Kind]

    def take(self, room_bytes: int, limit: int) -> list[bytes]:
        """Rumours for one packet with this much room; each leaves the queue after ``limit`` copies."""
        if not self._where:
            return []
        taken: list[tuple[str, int, int, bytes]] = []
        misfits = 0
        for kind, levels in enumerate(self._levels):
            for sent in sorted(levels):
                for key, rumour in levels[sent].items():
                    if len(rumour) > room_bytes:
                        misfits += 1
                    else:
                        room_bytes -= len(rumour)
                        taken.append((key, kind, sent, rumour))
                    if room_bytes < _LEAST_BYTES or misfits > _MISFITS_MAX:
                        return self._sent(taken, limit)
        return self._sent(taken, limit)

    def _sent(self, taken: list[tuple[str, int, int, bytes]], limit: int) -> list[bytes]:
        for key, kind, sent, rumour in taken:
            self._drop(key)
            most = limit * self._refutation_share if kind == Kind.REFUTATION else limit
            if sent + 1 < most:
                self._place(key, kind, sent + 1, rumour)
        return [rumour for _, _, _, rumour in taken]

    def _place(self, key: str, kind: int, sent: int, rumour: bytes) -> None:
        self._levels[kind].setdefault(sent, {})[key] = rumour
        self._where[key] = (kind, sent)

    def _drop(self, key: str) -> None:
        place = self._where.pop(key, None)
        if place is not None:
            kind, sent = place
            level = self._levels[kind][sent]
            del level[key]
            if not level:
                del self._levels[kind][sent]

    def _make_room(self) -> None:
        """Give up the least urgent rumour that was sent most often."""
        for levels in reversed(self._levels):
            if levels:
                self._drop(next(iter(levels[max(levels)])))
                self.dropped += 1
                return

"""Which sealed packets came before: a window of counters for each start of a sender.

A nonce is the sender's start (8 bytes of chance) and a counter (4 bytes) that never comes twice. A packet is taken
once, and not at all when it is older than the window. Only what a key opened gets here: strangers can't fill the table.

A start that is not in the table (this node is new, or the table was full) begins with whatever comes first: an old
packet then passes. What that can do is bounded by what packets are, not by the window: see ADR 0034.
"""

from __future__ import annotations

from typing import Final

START_BYTES: Final = 8
COUNTER_BYTES: Final = 4
WINDOW: Final = 2048
"""Packets of one sender that may overtake each other; a burst of announcements is a few hundred."""
_MASK: Final = (1 << WINDOW) - 1


class Windows:
    """The windows of all senders; of more than ``senders_max`` the one heard least recently goes."""

    __slots__ = ("_seen", "_senders_max")

    def __init__(self, senders_max: int) -> None:
        self._senders_max = senders_max
        self._seen: dict[bytes, tuple[int, int]] = {}
        """By start: the highest counter, and a bit for each one up to WINDOW below it, itself the lowest bit."""

    def __len__(self) -> int:
        return len(self._seen)

    def take(self, nonce: bytes) -> bool:
        """Whether the packet of that nonce is new; it is known from now on."""
        start, counter = nonce[:START_BYTES], int.from_bytes(nonce[START_BYTES:], "big")
        seen = self._seen
        highest, bits = seen.pop(start, (counter, 0))
        ahead = counter - highest
        fresh = True
        if ahead > 0:
            highest, bits = counter, (bits << ahead | 1) & _MASK if ahead < WINDOW else 1
        else:
            bit = 1 << -ahead if -ahead < WINDOW else 0
            fresh = bool(bit & ~bits)
            bits |= bit
        seen[start] = (highest, bits)
        if len(seen) > self._senders_max:
            del seen[next(iter(seen))]
        return fresh

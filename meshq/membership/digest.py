"""A view in 64 bits, so that two members notice in passing that they differ.

Decides what a digest covers and when two of them differ; what follows is ``repair``'s. A digest is the XOR of the
marks of all live members, so it doesn't depend on their order and a change costs the same at any size. What
changed lately is on its way everywhere and would differ for no reason: the digest that is told shows a change only
after a settle time, and a digest heard is compared with what this view is, was, and is about to be.

Own design (measured first in a prototype); compare the checksum of ringpop and the Merkle exchange of Dynamo.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import reduce
from math import log10
from operator import xor
from typing import Final

from meshq.config import MembershipConfig
from meshq.membership.member import Member
from meshq.wire.gossip import BUCKETS

HISTORY_MAX: Final = 64
"""Earlier digests that still count as ours; beyond it the oldest go, which at worst starts a repair."""
_PROTOTYPE_GOSSIP_S: Final = 0.2


def spread_s(config: MembershipConfig, members: int) -> float:
    """Seconds in which gossip reaches everybody: D(N) = 0.9 + 0.32 log10 N at 200 ms of gossip, and in proportion.

    Source: the prototype's fit, close to Serf's formula for the spread of a rumour.
    """
    return (0.9 + 0.32 * log10(max(1, members))) * max(0.25, config.gossip_interval_s / _PROTOTYPE_GOSSIP_S)


def settle_s(config: MembershipConfig, members: int) -> float:
    """Seconds after which a change is known everywhere: twice the time of its spread."""
    return 2 * spread_s(config, members)


class Digest:
    """The digests of one view: of all of it now (``raw``), and of what has settled, and by bucket for repair."""

    __slots__ = ("_history", "_pending", "_settled", "buckets", "raw")

    def __init__(self) -> None:
        self.raw = 0
        self.buckets = [0] * BUCKETS
        self._settled = 0
        self._pending: deque[tuple[float, int]] = deque()
        self._history: deque[tuple[float, int]] = deque(maxlen=HISTORY_MAX)

    def load(self, members: Iterable[Member]) -> None:
        """Start with these, as settled, in place of what was held."""
        self.buckets = [0] * BUCKETS
        for member in members:
            self.buckets[member.bucket] ^= member.mark
        self.raw = self._settled = reduce(xor, self.buckets)
        self._pending.clear()

    def change(self, now: float, before: Member | None, after: Member | None, settle: float) -> None:
        """A member changed (or came, or went); it shows ``settle`` seconds from now."""
        delta = (before.mark if before else 0) ^ (after.mark if after else 0)
        member = after or before
        if not delta or member is None:
            return
        self.raw ^= delta
        self.buckets[member.bucket] ^= delta
        self._pending.append((now + settle, delta))

    def settle(self, now: float) -> None:
        """Show everything at once: what came by repair is old news elsewhere."""
        if self._pending:
            self._pending.clear()
            self._show(now, self.raw)

    def value(self, now: float) -> int:
        """The digest to tell."""
        pending = self._pending
        while pending and pending[0][0] <= now:
            due, delta = pending.popleft()
            self._show(due, self._settled ^ delta)
        return self._settled

    def agrees(self, now: float, heard: int, settle: float) -> bool:
        """Whether a digest heard is ours: told, complete, or told until at most ``settle`` seconds ago."""
        if heard in (self.value(now), self.raw):
            return True
        return any(value == heard and until > now - settle for until, value in self._history)

    def differing(self, theirs: tuple[int, ...]) -> int:
        """One bit for each bucket in which another view differs from this one."""
        bits = 0
        for bucket, (one, other) in enumerate(zip(self.buckets, theirs, strict=True)):
            if one != other:
                bits |= 1 << bucket
        return bits

    def _show(self, now: float, value: int) -> None:
        self._history.append((now, self._settled))
        self._settled = value

"""Repair: when another member's head differs for longer than news take, its part is asked for.

Heads ride in gossip and lag behind pushes, so a difference alone means nothing. One that has not changed for
``repair_quiet_s`` (or has lasted ten times that, in a mesh that never rests) starts a repair with that
member: its interest is pulled from where ours ends, catalogs are compared by bucket. At most one repair
each ``repair_quiet_s``; one that changed nothing doubles its wait, for what a limit keeps out differs for ever.

Decides when and with whom; how is ``digest`` and ``announce``.
"""

from __future__ import annotations

from typing import Final

from meshq.config import RoutingConfig
from meshq.machine.rng import Rng
from meshq.routing.catalog import Catalog
from meshq.routing.interest import Interest
from meshq.routing.peers import Peer, Peers
from meshq.wire.gossip import Head

DOUBLINGS_MAX: Final = 6
RESTLESS: Final = 10
"""Quiet times after which a difference that keeps changing is repaired all the same."""


class Difference:
    """Between one member's head and what we have."""

    __slots__ = ("doublings", "seen", "since", "still_since")

    def __init__(self, now: float, seen: tuple[Head, int]) -> None:
        self.seen = seen
        self.since = now
        self.still_since = now
        self.doublings = 0

    def look(self, now: float, seen: tuple[Head, int]) -> None:
        """It is ``seen`` now: their head and our catalog's hash."""
        if seen != self.seen:
            self.seen = seen
            self.still_since = now
            self.doublings = 0

    def due(self, quiet_s: float) -> float:
        """When to repair it."""
        return min(self.still_since + quiet_s * 2.0**self.doublings, self._restless_at(quiet_s))

    def repaired(self, now: float) -> None:
        """A repair was begun."""
        self.since = self.still_since = now
        self.doublings = min(self.doublings + 1, DOUBLINGS_MAX)

    def _restless_at(self, quiet_s: float) -> float:
        return self.since + quiet_s * max(RESTLESS, 2.0**self.doublings)


class Repairs:
    """The differences that are watched."""

    def __init__(self, config: RoutingConfig, rng: Rng, peers: Peers, catalog: Catalog, interest: Interest) -> None:
        self._quiet_s = config.repair_quiet_s
        self._rng = rng
        self._peers = peers
        self._catalog = catalog
        self._interest = interest
        self._differences: dict[str, Difference] = {}
        self._compared = 0
        self._check_at: float | None = None
        self._last_at = float("-inf")

    def __len__(self) -> int:
        return len(self._differences)

    def differs(self, peer: Peer) -> bool:
        """Whether the member says that it has something else than we have.

        One that said nothing yet is not asked: if it lacks something, it is the one to notice.
        """
        if not peer.head.version:
            return False
        return self.interest_differs(peer) or self.catalog_differs(peer)

    def catalog_differs(self, peer: Peer) -> bool:
        """Whether its catalog is another than ours."""
        return peer.head.catalog_hash != self._catalog.hash

    def interest_differs(self, peer: Peer) -> bool:
        """Whether its own interest is not what we know of it."""
        version = self._interest.version(peer.name, peer.epoch)
        head = peer.head
        if head.interest_version != version:
            return head.interest_version > version
        holding = self._interest.holding(peer.name, peer.epoch)
        return holding is not None and version > 0 and holding.hash != head.interest_hash

    def look(self, now: float, peer: Peer, *, at_once: bool = False) -> None:
        """The member's head was heard. ``at_once``: it comes from across a partition, do not wait."""
        if not peer.up or not self.differs(peer):
            self._differences.pop(peer.name, None)
            return
        seen = (peer.head, self._catalog.hash)
        difference = self._differences.setdefault(peer.name, Difference(now, seen))
        difference.look(now, seen)
        if at_once:
            difference.still_since = now - self._quiet_s
        self._arm(difference.due(self._quiet_s))

    def moved(self, now: float) -> None:
        """Our own catalog may have changed: every head must be looked at again, once news had time to travel."""
        if self._catalog.hash != self._compared:
            self._compared = self._catalog.hash
            self._arm(now + self._quiet_s)

    def left(self, name: str) -> None:
        """The member does not live any more."""
        self._differences.pop(name, None)

    def due(self, now: float) -> Peer | None:
        """Look at all heads if it is time; the member to repair with, or None."""
        if self._check_at is None or now < self._check_at:
            return None
        self._check_at = None
        for peer in self._peers.live():
            self.look(now, peer)
        ready = [name for name, difference in self._differences.items() if difference.due(self._quiet_s) <= now]
        if not ready:
            return None
        name = self._rng.choice(ready)
        self._differences[name].repaired(now)
        self._last_at = now
        self._rearm()
        return self._peers.get(name)

    def deadline(self) -> float | None:
        """When to look again."""
        return self._check_at

    def _arm(self, due: float) -> None:
        due = max(due, self._last_at + self._quiet_s)
        if self._check_at is None or due < self._check_at:
            self._check_at = due

    def _rearm(self) -> None:
        self._check_at = None
        for difference in self._differences.values():
            self._arm(difference.due(self._quiet_s))

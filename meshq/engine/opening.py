"""When a node is open for publishes: from the moment it knows the mesh's catalog until it begins to leave.

Decides whom a newcomer asks for the catalog, and with which code publishes are refused meanwhile. Whether the catalog
is complete is known to ``routing``, whether there is anybody else to ``membership``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from meshq.config import Config
from meshq.membership.membership import Membership
from meshq.routing.routing import Routing

CATALOG_RETRY_S: Final = 1.0


class Opening:
    """``on_open`` is told once, when the catalog is there."""

    def __init__(self, config: Config, membership: Membership, routing: Routing) -> None:
        self._seeds = config.seeds
        self._membership = membership
        self._routing = routing
        self.on_open: Callable[[float], None]
        self.open = False
        """``on_open`` was told."""
        self.closed = False
        """The node is leaving, or has left."""
        self._ready = False
        self._catalog_at = 0.0

    @property
    def ready(self) -> bool:
        """The catalog of another member is here, or there is none. Once so, it stays so."""
        if not self._ready:
            self._ready = self._membership.alone or self._routing.ready or not self._seeds
        return self._ready

    def refusing(self) -> str:
        """The code with which publishes are refused, or nothing."""
        if self.closed:
            return "DRAINING"
        return "" if self._ready or self.ready else "STARTING"

    def check(self, now: float) -> None:
        """Open if the catalog is here; else ask a member for it, another one each time."""
        if self.open:
            return
        if self.ready:
            self.open = True
            self.on_open(now)
            return
        if now < self._catalog_at:
            return
        members = self._membership.alive()
        self._catalog_at = now + CATALOG_RETRY_S if members else 0.0  # without members the next one asks
        if members:
            self._routing.want_catalog(now, members[round(now) % len(members)].address)

    def deadline(self) -> float | None:
        """When to ask again."""
        return None if self.ready else self._catalog_at or None

"""When a node is open for publishes: from the moment it knows the mesh's catalog until it begins to leave.

Decides whom a newcomer asks for the catalog, and with which code publishes are refused meanwhile. Whether the catalog
is complete is known to ``routing``, whether there is anybody else to ``membership``. A node whose members are all gone
again before one has given its catalog goes on alone when nobody has come for ``alone_after_s``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from meshq.config import Config
from meshq.machine import events
from meshq.membership.member import Member
from meshq.membership.membership import Membership
from meshq.routing.routing import Routing

CATALOG_RETRY_S: Final = 1.0


class Opening:
    """``on_open`` is told once, when the catalog is there."""

    def __init__(
        self, config: Config, membership: Membership, routing: Routing, emit: Callable[[events.Event], None]
    ) -> None:
        self._seeds = config.seeds
        self._alone_after_s = config.membership.alone_after_s
        self._emit = emit
        self._membership = membership
        self._routing = routing
        self.on_open: Callable[[float], None]
        self.open = False
        """``on_open`` was told."""
        self.closed = False
        """The node is leaving, or has left."""
        self._ready = False
        self._ask_at = inf
        """When the next member is asked; inf: as soon as there is one."""
        self._deserted_at = inf
        """When it has been without members for so long that it goes on alone; inf: there are some."""

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
        if not self.ready:
            self._look(now)
        if self.ready:
            self.open = True
            self.on_open(now)

    def deadline(self) -> float | None:
        """When to ask again, or to go on alone."""
        first = min(self._ask_at, self._deserted_at)
        return None if self.ready or first == inf else first

    def _look(self, now: float) -> None:
        if members := self._membership.alive():
            self._deserted_at = inf
            self._ask(now, members)
        elif self._membership.joined:
            self._ask_at = inf
            self._wait(now)

    def _ask(self, now: float, members: list[Member]) -> None:
        """One of them, and a second later another one."""
        if self._ask_at <= now or self._ask_at == inf:
            self._ask_at = now + CATALOG_RETRY_S
            self._routing.want_catalog(now, members[round(now) % len(members)].address)

    def _wait(self, now: float) -> None:
        """Nobody is left: bear it for a while."""
        if self._deserted_at == inf:
            self._deserted_at = now + self._alone_after_s
        elif self._deserted_at <= now:
            self._ready = True
            self._emit(events.Alone(self._alone_after_s, joined=True))

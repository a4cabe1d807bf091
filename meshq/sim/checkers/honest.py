"""Nobody breaks a rule of the protocol: no node finds that a peer lent, granted or gave back what it could not have,
that an audit differs (unless the scenario made the peer forget something), or that a packet or frame cannot be read.

All nodes run the same code, so whatever one accuses another of is a bug of one of them.
"""

from __future__ import annotations

from typing import Any

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host

ACCUSES = "session with "
"""How the trouble begins that tells of a peer that broke a rule."""


class Honest(Checker):
    """Listens for accusations, and reads what nodes counted of bad packets."""

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.Trouble) and event.text.startswith(ACCUSES) and not self._was_made_to(host, event):
            self.find(f"{host.name} tells: {event.text}")

    def at_end(self, settled: bool) -> None:
        for name, engine in self.stage.engines():
            if engine.counters.packets_bad:
                self.find(f"{name} got {engine.counters.packets_bad} packets that it could not read")

    def _was_made_to(self, host: Host, event: events.Trouble) -> bool:
        """Whether the scenario had that peer forget what this node lent it."""
        peer = event.text.removeprefix(ACCUSES).split(" ", 1)[0]
        return any(holder == peer and origin == host.name for _, holder, origin in self.stage.forgotten)

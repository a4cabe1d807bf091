"""Where nothing is wrong, nobody is suspected, nobody fails, and no link ends but for idleness or a duplicate."""

from __future__ import annotations

from typing import Any

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host


class NobodyAccused(Checker):
    """Listens for accusations."""

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.MemberSuspected | events.MemberFailed | events.Trouble):
            self.find(f"{host.name} tells {event} where nothing is wrong")

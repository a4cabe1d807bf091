"""Nobody who runs is held dead: whatever befalls paths and links, no node tells that the running start of another
failed.
"""

from __future__ import annotations

from typing import Any

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host


class NobodyBuried(Checker):
    """Listens for verdicts, and looks who runs."""

    def event(self, host: Host, event: Any) -> None:
        if not isinstance(event, events.MemberFailed):
            return
        observer, accused = self.stage.engine(host.name), self.stage.engine(event.name)
        member = observer.membership.members.get(event.name) if observer is not None else None
        if accused is not None and member is not None and member.epoch == accused.epoch:
            self.find(f"{host.name} tells {event}, which runs")

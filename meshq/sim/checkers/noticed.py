"""A holder that forgot an extent is found out by the next audit: the origin ends the session within a second or two."""

from __future__ import annotations

from typing import Any, Final

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage

WITHIN_S: Final = 2.0


class Noticed(Checker):
    """Waits for the end of each link over which something was forgotten."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._ended: list[tuple[float, str, str]] = []

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.LinkDown):
            self._ended.append((self.stage.world.now, event.name, host.name))

    def at_end(self, settled: bool) -> None:
        for at_s, holder, origin in self.stage.forgotten:
            if not any(
                one == holder and other == origin and at_s <= end_s <= at_s + WITHIN_S
                for end_s, one, other in self._ended
            ):
                self.find(f"{origin} did not notice that {holder} forgot an extent at {at_s:.3f} s")
        if not self.stage.forgotten:
            self.find("nothing was forgotten: the scenario did not happen")

"""What a checker is: one statement that must hold, in words as its module's docstring, and the code that looks.

Leaves to ``stage`` what becomes of a finding, and to scenarios which statements they add or do without.
"""

from __future__ import annotations

from typing import Any

from meshq.sim.host import Host
from meshq.sim.stage import Stage


class Checker:
    """Watches a stage. A subclass overrides what it needs, and says what it finds with ``find``."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def watch(self, every: int) -> None:
        """Begin; ``look`` is called each ``every`` turns of any host."""
        kind = type(self)
        if kind.look is not Checker.look:
            self.stage.fleet.every(every, self.look)
        if kind.event is not Checker.event:
            self.stage.fleet.on_event.append(self.event)

    def find(self, text: str, aspect: str = "") -> None:
        """Something that must hold does not; the checker's name, and the aspect if it has several, say what kind."""
        self.stage.find(text, kind=f"{type(self).__name__}:{aspect}" if aspect else type(self).__name__)

    def look(self, host: Host) -> None:
        """A host had a turn."""

    def event(self, host: Host, event: Any) -> None:
        """A machine emitted an event."""

    def at_end(self, settled: bool) -> None:
        """Faults are long over; ``settled``: nothing is under way any more."""

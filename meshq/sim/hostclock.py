"""What the clocks of a simulated host say: a monotonic one that starts anywhere, and a wall clock that may be wrong.

Decides nothing about when they are read or set; ``clocks`` lends them to code that asks the ``time`` module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BORN_NS: Final = 1_750_000_000_000_000_000
"""Unix time at the beginning of every run."""


@dataclass(slots=True)
class Clock:
    """What the host's clocks say: monotonic from ``base_s``, wall off by ``offset_s`` and drifting."""

    base_s: float
    offset_s: float = 0.0
    drift: float = 0.0
    """Seconds gained per second."""
    drift_from_s: float = 0.0
    moved: bool = False
    """Whether the wall clock was ever wrong."""

    def wall_ns(self, world_s: float) -> int:
        """Unix time as this host sees it."""
        return BORN_NS + int((world_s + self.offset_s + self.drift * (world_s - self.drift_from_s)) * 1e9)

    def error_s(self, world_s: float) -> float:
        """How far the wall clock is off."""
        return self.offset_s + self.drift * (world_s - self.drift_from_s)

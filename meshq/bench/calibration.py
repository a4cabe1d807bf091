"""What this host can do at this moment: taken before and after each run, so that runs can be compared.

Two things, a second each. The loop is plain Python, in as many processes as there are cores (four at most), so that it
is slower when somebody else uses one. The relay passes blocks of bytes from one socket to another, which a broker has
to do as well. ``index`` is what the host reaches of the reference host: that of ``docs/performance.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from meshq.bench.crew import Crew
from meshq.bench.host import cores

SECONDS: Final = 1.0
LOOPS_MAX: Final = 4
LOOP_REFERENCE: Final = 24_000.0
RELAY_REFERENCE: Final = 1_800.0
"""Both from the processor time that they need on the reference host: what it does when nobody else is there."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thousands of steps of the loop a second, of all processes together; MB a second through the relay."""

    loop_per_s: float
    relay_mb_per_s: float

    @property
    def index(self) -> float:
        """How fast this host is; 1 is the reference."""
        return math.sqrt(self.loop_per_s / LOOP_REFERENCE * self.relay_mb_per_s / RELAY_REFERENCE)


def calibrate(seconds: float = SECONDS) -> Calibration:
    """Measure this host."""
    with Crew() as crew:
        loops = [crew.role("spin", seconds=seconds) for _ in range(min(cores(), LOOPS_MAX))]
        loop_per_s: float = sum(loop.hear()["per_s"] for loop in loops)
        port = crew.role("relay").hear()["port"]
        relayed: float = crew.role("relay-load", port=port, seconds=seconds).hear()["bytes_per_s"]
    return Calibration(round(loop_per_s), round(relayed / 1e6, 1))

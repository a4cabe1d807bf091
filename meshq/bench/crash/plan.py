"""Who is killed in a round, and when. Pure: a seed and a round's number say all of it.

The processes don't keep time to the microsecond, so a round played again is the same plan, not the same race.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

ORIGIN, CONSUMER, BOTH = "origin", "consumer", "both"
KINDS: Final = (ORIGIN, CONSUMER, BOTH)
LOAD_S: Final = (0.2, 1.2)
"""How long the load goes on before a kill."""
GAP_S: Final = 0.1
"""At most between the kills of two nodes."""
DOWN_S: Final = 0.4
"""How long the killed ones stay away at most, before their processes are started."""
AGAIN_PART: Final = 0.4
"""The part of the accidents in which they are killed once more while they start."""
AGAIN_S: Final = (0.2, 1.0)
"""How long after their start: an interpreter needs the first part of it to load."""


@dataclass(frozen=True, slots=True)
class Accident:
    """One kill -9: of ``kind``, ``after_s`` of load."""

    kind: str
    after_s: float
    gap_s: float
    consumer_first: bool
    down_s: float
    again_s: float | None
    """When they are killed once more, from their start; None: not."""

    @property
    def victims(self) -> tuple[str, ...]:
        """Who is killed, in order."""
        if self.kind != BOTH:
            return (self.kind,)
        return (CONSUMER, ORIGIN) if self.consumer_first else (ORIGIN, CONSUMER)


def plan(seed: int, number: int) -> list[Accident]:
    """The accidents of that round: one of each kind, in any order."""
    rng = random.Random(f"{seed}:{number}")
    return [_accident(rng, kind) for kind in rng.sample(KINDS, len(KINDS))]


def _accident(rng: random.Random, kind: str) -> Accident:
    return Accident(
        kind,
        after_s=rng.uniform(*LOAD_S),
        gap_s=rng.uniform(0, GAP_S),
        consumer_first=rng.random() < 0.5,
        down_s=rng.uniform(0, DOWN_S),
        again_s=rng.uniform(*AGAIN_S) if rng.random() < AGAIN_PART else None,
    )

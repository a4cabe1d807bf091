"""How long to wait before the next try: of a message that failed, of an address that did not answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

from meshq.machine.rng import Rng

Wait: TypeAlias = Callable[[int], float]
"""From the number of attempts made so far (1 or more) to seconds; what ``subscribe(backoff=...)`` takes."""


class Backoff:
    """``min(first_s * 2^(attempts - 1), most_s)``, give or take the share ``spread``, so that tries part."""

    __slots__ = ("_rng", "first_s", "most_s", "spread")

    def __init__(
        self, first_s: float = 1.0, most_s: float = 900.0, *, spread: float = 0.2, rng: Rng | None = None
    ) -> None:
        self.first_s = first_s
        self.most_s = most_s
        self.spread = spread
        self._rng: Rng = rng or random  # the program's own chance: whoever seeds it repeats the waits

    def __call__(self, attempts: int) -> float:
        """Seconds to wait after that many attempts."""
        # 2^64 first waits are above any most_s; a larger exponent would overflow a float.
        wait_s = min(self.first_s * 2.0 ** min(max(attempts, 1) - 1, 64), self.most_s)
        return wait_s * self._rng.uniform(1 - self.spread, 1 + self.spread)

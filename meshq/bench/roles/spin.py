"""A fixed loop of plain Python: how fast this host is, and how much of it is free."""

from __future__ import annotations

import json
import time
from typing import Final

ROUND: Final = 1000
"""Steps between two looks at the clock."""


def spin(seconds: float) -> None:
    """Do the same small thing for so long; tells how many thousand times a second it was done."""
    began = now = time.perf_counter()
    rounds = 0
    while now - began < seconds:
        counts: dict[int, int] = {}
        for step in range(ROUND):
            counts[step] = step * 7 % 13
        rounds += 1
        now = time.perf_counter()
    print(json.dumps({"per_s": rounds / (now - began)}), flush=True)

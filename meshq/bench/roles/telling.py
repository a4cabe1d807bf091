"""How a role speaks with whoever started it: JSON lines out; the end of its input is the one sign that it gets."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final

LADDER: Final = (0.01, *(step / 20 for step in range(1, 19)), 0.95, 0.975, 0.99, 0.995, 0.998, 0.999, 0.9995, 1.0)
"""The parts of a distribution that are told: enough to draw it."""


def tell(**fields: Any) -> None:
    """One JSON line to the process that started this one."""
    print(json.dumps(fields), flush=True)


def end_of_input() -> asyncio.Event:
    """Set, on the running loop, by whoever started this: to begin or to stop, as the role has it."""
    loop = asyncio.get_running_loop()
    sign = asyncio.Event()

    def listen() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(sign.set)

    threading.Thread(target=listen, name="sign", daemon=True).start()
    return sign


def quantiles_ms(times_s: Sequence[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest, in milliseconds."""
    named = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
    return dict(zip(named, quantiles(times_s, tuple(named.values())), strict=True))


def ladder_ms(times_s: Sequence[float]) -> list[tuple[float, float]]:
    """The distribution as (part, milliseconds)."""
    return list(zip(LADDER, quantiles(times_s, LADDER), strict=True))


def quantiles(times_s: Sequence[float], parts: Sequence[float]) -> list[float]:
    """What so large a part of the times does not exceed, in milliseconds."""
    ordered = sorted(times_s)
    last = len(ordered) - 1
    return [round(ordered[round(last * part)] * 1000, 3) for part in parts]

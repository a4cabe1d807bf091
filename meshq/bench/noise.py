"""Whether this host was quiet enough for its figures to be believed.

A command given twice should agree within BOUND. It can't know of the second time, so it judges by what it saw: how far
its own runs differ once they are set against their calibrations, how far the calibrations differ, and how much of the
processors others used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from meshq.bench.figures import Spread

BOUND: Final = 0.15
"""By what part two figures may differ and still be called the same."""
OTHERS_BOUND: Final = 0.10
"""What part of the processors others may use: of two cores, a fifth of one."""


def reasons(
    adjusted: Mapping[str, Sequence[float]], indexes: Sequence[float], others: Sequence[float | None]
) -> list[str]:
    """Why the figures are not to be believed; empty if they are.

    ``adjusted`` are the runs of each figure that should repeat, ``indexes`` the calibrations, ``others`` the share of
    the processors that others used in each run.
    """
    found = [
        f"the runs differ by {_percent(spread.width)} in {name}"
        for name, values in adjusted.items()
        if (spread := Spread.of(values)).width > BOUND
    ]
    if (width := Spread.of(indexes).width) > BOUND:
        found.append(f"the calibrations differ by {_percent(width)}")
    known = [share for share in others if share is not None]
    if known and max(known) > OTHERS_BOUND:
        found.append(f"others used up to {_percent(max(known))} of its processors")
    return found


def _percent(part: float) -> str:
    return f"{part:.0%}" if part < 100 else "more than anything"

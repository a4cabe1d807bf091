"""Time as the runtime reads it: monotonic for everything that waits, wall for what is stored.

Decides when the wall clock has moved against the monotonic one far enough to be told.
"""

from __future__ import annotations

import time
from typing import Final

WALL_STEP_NS: Final = 50_000_000
"""A wall clock that moved less than this is not worth an input."""

monotonic = time.monotonic


def wall_ns() -> int:
    """Unix time in nanoseconds."""
    return time.time_ns()


class WallWatch:
    """Remembers the distance between the two clocks and says when it has moved."""

    __slots__ = ("_offset_ns",)

    def __init__(self) -> None:
        self._offset_ns = _offset_ns()

    def moved(self) -> bool:
        """Whether the wall clock stepped or drifted more than 50 ms since this last said so."""
        offset_ns = _offset_ns()
        if abs(offset_ns - self._offset_ns) <= WALL_STEP_NS:
            return False
        self._offset_ns = offset_ns
        return True


def _offset_ns() -> int:
    return time.time_ns() - time.monotonic_ns()

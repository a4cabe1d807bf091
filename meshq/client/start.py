"""Where a channel begins, as callers say it, and as the setting ``start`` has it.

Decides which words and times are taken. What a start means for messages is the broker's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final, TypeAlias

from meshq.errors import ConfigError
from meshq.machine.settings import CHANNEL, EARLIEST, LATEST

Start: TypeAlias = str | float | datetime
"""``"earliest"``, ``"latest"``, or a time: a datetime, seconds since 1970, or the text of either (RFC 3339)."""

MS_FROM: Final = 10**11
"""Numbers from here on are milliseconds, as the setting has them: as seconds they would be later than the year 5000."""


def setting(start: Start) -> str | int:
    """What to set: a word, or a time in ms since 1970. Raises ConfigError for what is neither."""
    if isinstance(start, str):
        if start in (EARLIEST, LATEST):
            return start
        return setting(_read(start))
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise ConfigError(f"start {start.isoformat()} has no time zone: give one, as in datetime.now(UTC)")
        return _checked(round((start - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)), start)
    if not isfinite(start):
        raise ConfigError(f"start is a time, not {start}")
    return _checked(int(start) if start >= MS_FROM else round(start * 1000), start)


def _checked(ms: int, start: float | datetime) -> int:
    if not CHANNEL["start"].allows(ms):
        raise ConfigError(f"start {start} is no time between 1970 and 2262")
    return ms


def _read(text: str) -> float | datetime:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"start is {EARLIEST}, {LATEST} or a time (2026-01-31T12:00:00Z, or seconds since 1970), not {text[:64]!r}"
        ) from None

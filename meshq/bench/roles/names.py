"""The words that roles share: what is published to and consumed under."""

from __future__ import annotations

from typing import Final

TOPIC: Final = "bench"
IN_FLIGHT: Final = 50_000
"""What a consumer may hold."""


def channels(count: int) -> list[str]:
    """The names of so many channels."""
    return [f"channel-{number}" for number in range(1, count + 1)]

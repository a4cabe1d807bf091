"""What a caller gives, checked before anything of it leaves: one wrong number would cost everybody on the connection.

Decides only whether a value is a count or a time at all; which are too large is the node's to say.
"""

from __future__ import annotations

from typing import Final, TypeGuard

from meshq.errors import LocalProtocolError

WHOLE_MAX: Final = (1 << 63) - 1
"""Larger whole numbers don't go through the wire."""
SECONDS_MAX: Final = 1e9
"""What a longer time is for the wire: 30 years."""


def whole(name: str, value: object, least: int = 1) -> None:
    """Raises LocalProtocolError unless ``value`` is a whole number of at least ``least``."""
    if type(value) is not int or not least <= value <= WHOLE_MAX:
        raise LocalProtocolError(f"{name} is a whole number, {least} or more, not {str(value)[:64]!r}")


def is_number(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a number that may be compared: not true, not a text."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def seconds(name: str, value: object) -> None:
    """Raises LocalProtocolError unless ``value`` is a time in seconds of 0 or more; it may be infinite."""
    if not is_number(value) or not value >= 0:
        raise LocalProtocolError(f"{name} is a number of seconds, 0 or more, not {str(value)[:64]!r}")


def milliseconds(value: float) -> int:
    """Seconds that were checked, for the wire."""
    return round(min(value, SECONDS_MAX) * 1000)

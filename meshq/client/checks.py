"""What a caller gives, checked before anything of it leaves: one wrong number would cost everybody on the connection.

Decides only whether a value is a count or a time at all; which are too large is the node's to say.
"""

from __future__ import annotations

from typing import Final

from meshq.errors import LocalProtocolError

WHOLE_MAX: Final = (1 << 63) - 1
"""Larger whole numbers don't go through the wire."""


def whole(name: str, value: object, least: int = 1) -> None:
    """Raises LocalProtocolError unless ``value`` is a whole number of at least ``least``."""
    if type(value) is not int or not least <= value <= WHOLE_MAX:
        raise LocalProtocolError(f"{name} is a whole number, {least} or more, not {str(value)[:64]!r}")

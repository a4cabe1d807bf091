"""Those who come without a key of this mesh: each kind of them is told of now and then.

Decides how often: a stranger's packets cost no more lines than one would. Whom to refuse, and the words, are others'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from meshq.machine import events
from meshq.machine.effects import Address

QUIET_S: Final = 60.0
"""After a line about one kind, so long there is none of it."""
KINDS_MAX: Final = 64
"""Kinds told of within that time; of further ones nothing is said."""


class Strangers:
    """What was refused, by the words that say why."""

    def __init__(self, emit: Callable[[events.Event], None]) -> None:
        self._emit = emit
        self._told: dict[str, tuple[float, int]] = {}
        """By kind: when it was last told, and how many came since."""

    def refused(self, now: float, source: Address, why: str) -> None:
        """Something from ``source`` was refused."""
        told_at, more = self._told.get(why, (now - QUIET_S, 0))
        if now < told_at + QUIET_S:
            self._told[why] = (told_at, more + 1)
            return
        if len(self._told) >= KINDS_MAX:
            self._told = {kind: each for kind, each in self._told.items() if now < each[0] + QUIET_S}
            if len(self._told) >= KINDS_MAX:
                return
        self._told[why] = (now, 0)
        since = f" ({more:,} more since the last such line)" if more else ""
        self._emit(events.Trouble(f"refused from {_text(source)}: {why}{since}"))


def _text(source: Address) -> str:
    host, port = source
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

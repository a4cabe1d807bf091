"""What the demo shows while it runs: the nodes, what flows through them, and what happened when.

Plain state, written by the scene and read by the display; decides nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from meshq.demo.ledger import Ledger

HAPPENINGS_MAX: Final = 12
FLOW_WINDOW_S: Final = 1.0


class Flow:
    """A counter and how fast it grew over the last second."""

    __slots__ = ("_marks", "total")

    def __init__(self) -> None:
        self.total = 0
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, count: int) -> None:
        """So many more."""
        self.total += count

    def per_s(self, now: float) -> float:
        """The rate now; call it a few times a second."""
        self._marks.append((now, self.total))
        while now - self._marks[0][0] > FLOW_WINDOW_S:
            self._marks.popleft()
        began, count = self._marks[0]
        return (self.total - count) / (now - began) if now > began else 0.0


class NodeView:
    """One node as the survivors see it, and what went in and out there."""

    __slots__ = ("consumed", "http", "mesh", "name", "note", "published", "state")

    def __init__(self, name: str, channels: Sequence[str]) -> None:
        self.name = name
        self.state = "starting"
        self.mesh = ""
        self.http = ""
        self.note = ""
        self.published = Flow()
        self.consumed = {channel: Flow() for channel in channels}


class Stage:
    """Everything on display."""

    def __init__(self, names: Sequence[str], ledger: Ledger) -> None:
        self.ledger = ledger
        self.nodes = {name: NodeView(name, list(ledger.channels)) for name in names}
        self.began = time.monotonic()
        self.phase = "starting three nodes"
        self.redelivered = 0
        self.lost: int | None = None
        """None until everything has come to rest: before that, what is missing may be on its way."""
        self.happenings: deque[str] = deque(maxlen=HAPPENINGS_MAX)
        self.on_happening = print_nothing

    def elapsed_s(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        """Something happened."""
        line = f"{self.elapsed_s():5.1f} s  {text}"
        self.happenings.append(line)
        self.on_happening(line)


def print_nothing(line: str) -> None:
    """For a display that reads ``happenings`` itself."""

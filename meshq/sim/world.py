"""The world of one run: a clock that jumps, a heap of what happens next, chance by purpose, and a trace.

Decides the order of events (by time, then by the order in which they were asked for) and nothing else:
what an event does is its owner's. Two runs of one seed do the same things in the same order, which the
rolling trace hash shows, whatever PYTHONHASHSEED says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random
from struct import Struct
from typing import Any, Final, NamedTuple

_STAMP = Struct("<dQ").pack
UNTRACED_BYTES_MAX: Final = 64 * 1024


class Note(NamedTuple):
    """One line of the timeline: who did what when."""

    at_s: float
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_s:10.4f}  {self.who:<12} {self.text}"


class World:
    """Virtual time. ``now`` is in seconds since the beginning of the run."""

    def __init__(self, seed: int, *, notes_max: int = 4_000) -> None:
        self.seed = seed
        self.now = 0.0
        self.notes: deque[Note] = deque(maxlen=notes_max)
        self._heap: list[tuple[float, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._asked = 0
        self._trace = blake2b(digest_size=16)
        self._untraced = bytearray()
        """What happened since the trace was last brought up to date: hashed in large pieces, for speed."""

    @property
    def events(self) -> int:
        """How many events there were."""
        return self._asked - len(self._heap)

    def rng(self, *purpose: str | int) -> Random:
        """A stream of chance of its own: draws for one purpose never shift those for another."""
        return Random("/".join(map(str, (self.seed, *purpose))))

    def at(self, time_s: float, call: Callable[..., Any], *arguments: Any) -> None:
        """Do ``call(*arguments)`` at ``time_s``, or next when that has passed."""
        self._asked += 1
        heappush(self._heap, (time_s if time_s > self.now else self.now, self._asked, call, arguments))

    def after(self, delay_s: float, call: Callable[..., Any], *arguments: Any) -> None:
        """Do ``call(*arguments)`` in ``delay_s``."""
        self.at(self.now + delay_s, call, *arguments)

    def step(self, until_s: float) -> bool:
        """Do the next event if it is due by ``until_s``; False when none is."""
        heap = self._heap
        if not heap or heap[0][0] > until_s:
            return False
        self.now, number, call, arguments = heappop(heap)
        self._untraced += _STAMP(self.now, number)
        if len(self._untraced) > UNTRACED_BYTES_MAX:
            self._catch_up()
        call(*arguments)
        return True

    def run_until(self, time_s: float) -> None:
        """Do everything up to ``time_s``; the clock stands there afterwards."""
        heap, stamp = self._heap, _STAMP  # as ``step``, without its call: most of a run is this loop
        while heap and heap[0][0] <= time_s:
            self.now, number, call, arguments = heappop(heap)
            self._untraced += stamp(self.now, number)
            if len(self._untraced) > UNTRACED_BYTES_MAX:
                self._catch_up()
            call(*arguments)
        self.now = max(self.now, time_s)

    def run_while(self, condition: Callable[[], bool], *, within_s: float, check_s: float = 0.05) -> bool:
        """Run as long as ``condition()`` holds, asked every ``check_s``; False if it still holds after ``within_s``."""
        end = self.now + within_s
        while condition():
            if self.now >= end:
                return False
            self.run_until(min(end, self.now + check_s))
        return True

    def trace(self, data: bytes) -> None:
        """Let ``data`` (what an event carried) count in the trace hash."""
        self._untraced += data

    def note(self, who: str, text: str) -> None:
        """A line for the timeline that a failure prints; the newest are kept."""
        self.notes.append(Note(self.now, who, text))

    def hash(self) -> str:
        """The hash of everything that happened so far, in order."""
        self._catch_up()
        return self._trace.hexdigest()

    def _catch_up(self) -> None:
        self._trace.update(self._untraced)
        self._untraced.clear()


class Alarm:
    """One deadline that may be moved at will, for whoever has a ``deadline()``.

    Keeps at most one useful event in the heap: moving a deadline later costs nothing.
    """

    __slots__ = ("_call", "_due", "_queued", "_world")

    def __init__(self, world: World, call: Callable[[], None]) -> None:
        self._world = world
        self._call = call
        self._due: float | None = None
        self._queued: float | None = None

    def arm(self, due_s: float | None) -> None:
        """Ring at ``due_s`` instead of when it was armed for; None: not at all."""
        self._due = due_s
        if due_s is not None and (self._queued is None or due_s < self._queued):
            self._queued = due_s
            self._world.at(due_s, self._ring, due_s)

    def hasten(self, due_s: float) -> None:
        """Ring at ``due_s`` at the latest."""
        if self._due is None or due_s < self._due:
            self.arm(due_s)

    def _ring(self, queued: float) -> None:
        if queued != self._queued:
            return
        self._queued = None
        due = self._due
        if due is None:
            return
        if due > self._world.now:
            self.arm(due)
            return
        self._due = None
        self._call()

"""What consumers finished and an origin has not acknowledged: kept over sessions, repeated, bounded.

Decides when a finished span is forgotten: when its FIN is acknowledged or, beyond
``unacknowledged_fins_max``, the oldest first (the origin then delivers it again).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from meshq.broker.turn import Turn
from meshq.machine.ranges import Ranges
from meshq.names import LogId
from meshq.wire.frames import Span

SPANS_PER_FRAME: Final = 1_000


class Fins:
    """Finished spans of one origin and channel."""

    __slots__ = ("_frames", "_gathered", "_spans", "_turn", "live", "logs", "number")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.logs: dict[LogId, Ranges] = {}
        """Everything unacknowledged."""
        self.live = False
        """Whether there is a session."""
        self.number = 0
        """Of the last FIN frame in it."""
        self._frames: deque[tuple[int, list[Span]]] = deque()
        self._gathered: list[Span] = []
        self._spans = 0

    def __bool__(self) -> bool:
        return bool(self.logs)

    def add(self, log: LogId, start: int, stop: int) -> None:
        """A consumer finished these; what is known already is not said twice."""
        known = self.logs.get(log)
        if known is None:
            known = self.logs[log] = Ranges()
        for low, high in known.missing(start, stop):
            known.add(low, high)
            if self.live:
                self._gather(log, low, high)

    def missing(self, log: LogId, start: int, stop: int) -> list[tuple[int, int]]:
        """What of these is not waiting to be acknowledged as finished."""
        known = self.logs.get(log)
        return [(start, stop)] if known is None else known.missing(start, stop)

    def frames(self) -> list[tuple[int, list[Span]]]:
        """The FIN frames to send now, numbered; they count as sent."""
        gathered, self._gathered = self._gathered, []
        frames: list[tuple[int, list[Span]]] = []
        for at in range(0, len(gathered), SPANS_PER_FRAME):
            self.number += 1
            frames.append((self.number, gathered[at : at + SPANS_PER_FRAME]))
        self._frames.extend(frames)
        return frames

    def begin(self) -> None:
        """A session began: everything is said again, from number 1."""
        self.end()
        self.live = True
        for log, known in self.logs.items():
            for start, stop in known:
                self._gather(log, start, stop)

    def end(self) -> None:
        """The session ended: what was said in it may be lost."""
        self.live = False
        self.number = 0
        self._frames.clear()
        self._gathered.clear()
        self._spans = 0

    def acknowledge(self, number: int) -> None:
        """R8: every FIN up to ``number`` is applied."""
        frames = self._frames
        while frames and frames[0][0] <= number:
            self._forget(frames.popleft()[1])

    def bound(self) -> None:
        """Keep within the limit, at the end of a turn without a session or after sending."""
        limit = self._turn.config.broker.unacknowledged_fins_max
        while self._spans > limit and self._frames:
            spans = self._frames.popleft()[1]
            self._turn.counters.fins_forgotten += sum(stop - start for _, start, stop in spans)
            self._forget(spans)
        excess = sum(len(known) for known in self.logs.values()) - limit
        for log, known in list(self.logs.items()) if excess > 0 else ():
            for start, stop in list(known)[: max(0, excess)]:
                self._turn.counters.fins_forgotten += stop - start
                self._discard(log, start, stop)
                excess -= 1

    def _gather(self, log: LogId, start: int, stop: int) -> None:
        gathered = self._gathered
        if gathered:
            last = gathered[-1]
            if last[2] == start and last[0] == log:
                gathered[-1] = (log, last[1], stop)
                return
        gathered.append((log, start, stop))
        self._spans += 1

    def _forget(self, spans: list[Span]) -> None:
        self._spans -= len(spans)
        for log, start, stop in spans:
            self._discard(log, start, stop)

    def _discard(self, log: LogId, start: int, stop: int) -> None:
        known = self.logs.get(log)
        if known is not None:
            known.discard(start, stop)
            if not len(known):
                del self.logs[log]

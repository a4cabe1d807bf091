"""What an ended life of a topic has in the store only: what of it was accepted after the end is read, and carried over.

Decides what that is, in which order it is read (one piece at a time, once the store has kept what was read before), and
when the store may forget a log of that life: together with the last that was carried over. Messages are accepted
in the order of their numbers, so it is asked first for single rows, to find where those begin. What is in memory is
``topic``'s. A crash meanwhile takes what was not carried over yet.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final

from meshq.broker.effects import CarryOver
from meshq.broker.gathering import Publishing
from meshq.errors import RemoteProtocolError
from meshq.machine.effects import Load
from meshq.machine.ranges import Ranges
from meshq.machine.store import BatchRow, LogOver
from meshq.wire import bodies

if TYPE_CHECKING:
    from meshq.broker.intake import Intake
    from meshq.broker.log import Log
    from meshq.broker.turn import Turn

CHUNK_BYTES: Final = 1 << 20
RETRY_S: Final = 1.0
NEAR: Final = 1_000
"""So few messages are read sooner than it is asked where among them to begin."""


class Legacy:
    """Messages of one log that lie in the store only: those that are deferred, or the others."""

    __slots__ = ("after_ns", "deferred", "high", "log", "low", "stop", "topic", "wanted")

    def __init__(self, log: Log, wanted: Ranges, *, deferred: bool) -> None:
        self.topic, self.log, self.deferred = log.topic, log.id, deferred
        self.wanted = wanted
        spans = list(wanted)
        self.low, self.stop = (spans[0][0], spans[-1][1]) if spans else (0, 0)
        """What is below has been read, or is not wanted; and the end."""
        self.high = self.stop
        """From here on all is wanted."""
        self.after_ns = min((cursor.since_ns for cursor in log.cursors), default=log.abandoned_ns) - 1
        """What was accepted later, by the wall clock, is wanted."""

    def load(self, token: int) -> Load:
        """The next question."""
        start, size_bytes = ((self.low + self.high) // 2, 1) if self._seeks() else (self.low, CHUNK_BYTES)
        return Load(token, self.topic, self.log, start, self.stop, size_bytes, self.deferred)

    def _seeks(self) -> bool:
        return self.high - self.low > NEAR

    def loaded(self, rows: list[BatchRow]) -> list[tuple[BatchRow, list[tuple[int, int]]]]:
        """Its answer; returns what is to be carried over: which messages of which row."""
        if not self._seeks():
            found = [
                (row, self.wanted.within(row.first, _stop(row))) for row in rows if row.accepted_ns > self.after_ns
            ]
            self._pass(_stop(rows[-1]) if rows else self.stop)
            return found
        if rows and rows[0].accepted_ns <= self.after_ns:
            self._pass(_stop(rows[0]))
        else:
            self.high = (self.low + self.high) // 2
        return []

    def end(self) -> None:
        """Nothing of it is wanted."""
        self._pass(self.stop)

    @property
    def over(self) -> bool:
        """Whether all that is wanted has been read."""
        return self.low >= self.stop

    def _pass(self, number: int) -> None:
        """What is below is done with."""
        if number > self.low:
            self.wanted.discard(self.low, number)
            self.low = number


class Legacies:
    """Those of a node, read one after the other."""

    __slots__ = ("_again_at", "_found", "_intake", "_legacies", "_token", "_turn")

    def __init__(self, turn: Turn, intake: Intake) -> None:
        self._turn = turn
        self._intake = intake
        self._legacies: deque[Legacy] = deque()
        self._found: list[Publishing] = []
        """Read, and not carried over."""
        self._token = 0
        """Of the Load under way; 0: none."""
        self._again_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._legacies)

    @property
    def messages(self) -> int:
        """Messages that may have to be carried over."""
        return sum(legacy.wanted.count() for legacy in self._legacies)

    def add(self, legacies: list[Legacy], at: float) -> None:
        """What was accepted after ``at`` is to be carried over."""
        for legacy in legacies:
            if at == inf:
                legacy.end()
            elif at > -inf:
                legacy.after_ns = max(legacy.after_ns, self._turn.wall_ns(at))
        self._legacies += legacies

    def topic_ended(self, topic: str, generation: int) -> None:
        """A later life of the topic ended as well: with it goes what would have been carried over into it."""
        for legacy in self._legacies:
            if legacy.topic == topic and legacy.log.generation < generation:
                legacy.end()

    def run(self) -> None:
        """End the turn: what was read goes over, and with the next turn's rows the store forgets where it was."""
        turn, legacies = self._turn, self._legacies
        if self._token:
            return
        if self._found:
            turn.out.append(CarryOver(legacies[0].topic, self._found))
            self._found = []
            return
        while legacies and legacies[0].over:
            over = legacies.popleft()
            if not any((one.topic, one.log) == (over.topic, over.log) for one in legacies):
                turn.journal.rows.append(LogOver(over.topic, over.log))
        crowded = self._intake.storing_bytes > turn.config.broker.store_queue_bytes_max // 2
        if legacies and turn.now >= self._again_at and not crowded:
            self._token = turn.next_serial()
            turn.out.append(legacies[0].load(self._token))

    def loaded(self, token: int, rows: list[BatchRow] | None) -> bool:
        """The store's answer; None: it could not read, and is asked again. False when it was for somebody else."""
        if token != self._token:
            return False
        self._token = 0
        if rows is None:
            self._again_at = self._turn.now + RETRY_S
            self._turn.timers.arm(self, self._again_at)
            return True
        for row, wanted in self._legacies[0].loaded(rows):
            self._found += self._publishings(row, wanted)
        return True

    def rang(self) -> None:
        """Time passed: the store is asked again, at the end of the turn."""

    def _publishings(self, row: BatchRow, wanted: list[tuple[int, int]]) -> list[Publishing]:
        """What of the row is wanted, to be published again: not what nobody can read, which would spoil the rest."""
        turn = self._turn
        try:
            starts = bodies.offsets(row.body, row.messages)
        except RemoteProtocolError:
            turn.counters.broken_bodies += sum(stop - start for start, stop in wanted)
            return []
        traits = turn.loader.traits(row)
        return [
            Publishing(0, stop - start, bodies.cut(row.body, starts, start - row.first, stop - row.first),
                       row.accepted_ns, traits)
            for start, stop in wanted
        ]  # fmt: skip


def _stop(row: BatchRow) -> int:
    return row.first + row.messages


def legacies_of(log: Log) -> list[Legacy]:
    """What the log has in the store only."""
    sleeping = log.sleeping.copy()
    for batch in log.falling.values():
        sleeping.discard(batch.first, batch.stop)  # it is in memory still
    parts = [Legacy(log, log.away.copy(), deferred=False), Legacy(log, sleeping, deferred=True)]
    return [part for part in parts if part.wanted]

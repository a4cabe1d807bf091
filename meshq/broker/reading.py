"""What of a log another node is to get, read piece by piece in the order of numbers.

Decides what that is: every message that some channel has not finished, or that waits for a first channel, with its
neighbours where a batch has few of them. What is in memory is taken from there; what lies in the store only is asked
for, some at a time, and never enters the log's memory. Nothing of the log is lent meanwhile, so the places of messages
change in one way only: they are finished.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from meshq.broker import spilled
from meshq.broker.batch import Batch, Payload, Traits
from meshq.errors import RemoteProtocolError
from meshq.machine.effects import Load
from meshq.machine.ranges import Ranges
from meshq.machine.store import BatchRow

if TYPE_CHECKING:
    from meshq.broker.log import Log

CHUNK_BYTES: Final = 1 << 20
RETRY_S: Final = 1.0


class Piece(NamedTuple):
    """Messages that lie together and are alike."""

    first: int
    messages: int
    body: bytes
    accepted_ns: int
    traits: Traits


class Reading:
    """One walk through a log."""

    __slots__ = ("_again_at", "_asked", "_at", "_log", "_pieces", "token")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._at = log.first
        """What is below has been read, or is not wanted."""
        self._pieces: deque[Piece] = deque()
        self._asked = (0, 0, False)
        """What was asked of the store: from, to, deferred."""
        self._again_at = 0.0
        self.token = 0
        """Of the Load under way; 0: none."""

    @property
    def over(self) -> bool:
        """Whether everything has been read."""
        return self._at >= self._log.next and not self._pieces and not self.token

    def next(self) -> Piece | None:
        """The next piece; None when the store must be waited for, or nothing is left."""
        while not self._pieces and not self.token and self._at < self._log.next:
            if self._log.turn.now < self._again_at:
                return None
            self._go_on()
        return self._pieces.popleft() if self._pieces else None

    def loaded(self, rows: list[BatchRow] | None) -> None:
        """The store's answer; None: it could not read, and is asked again."""
        log, (start, stop, deferred) = self._log, self._asked
        self.token = 0
        if rows is None:
            self._again_at = log.turn.now + RETRY_S
            return
        for row in rows:
            if not deferred:
                log.turn.counters.absent += spilled.absent(log, self._at, min(row.first, stop))
            self._cut(row, stop)
            self._at = max(self._at, min(stop, row.first + row.messages))
        if not rows:
            if not deferred:
                log.turn.counters.absent += spilled.absent(log, start, stop)
            self._at = max(self._at, stop)

    def _go_on(self) -> None:
        """To the next batch in memory, or to what lies in the store before it."""
        log = self._log
        batch = log.from_number(self._at)
        here = log.next if batch is None else max(self._at, batch.first)
        stored = [
            (number, kept is log.sleeping)
            for kept in (log.away, log.sleeping)
            if (number := kept.first_from(self._at)) is not None and number < here
        ]
        if stored:
            start, deferred = min(stored)
            kept = log.sleeping if deferred else log.away
            self._ask(start, kept.around(start)[1], deferred=deferred)
        elif batch is None:
            self._at = log.next
        else:
            self._take(batch)
            self._at = batch.stop

    def _ask(self, start: int, stop: int, *, deferred: bool) -> None:
        log = self._log
        self._at = start
        self._asked = (start, stop, deferred)
        self.token = log.turn.next_serial()
        log.turn.out.append(Load(self.token, log.topic, log.id, start, stop, CHUNK_BYTES, deferred))

    def _take(self, batch: Batch) -> None:
        if batch.open:
            self._add(batch, batch.stop, batch.accepted_ns, batch.traits)

    def _cut(self, row: BatchRow, stop: int) -> None:
        """What was asked for of the row: the store joins batches, and the next of them may be in memory."""
        if not row.body:
            self._log.turn.counters.absent += spilled.unreadable(self._log, row.first, row.first + row.messages)
            return
        payload = Payload(row.first, row.messages, row.body)
        self._add(payload, min(stop, payload.stop), row.accepted_ns, self._log.turn.loader.traits(row))

    def _add(self, payload: Payload, high: int, accepted_ns: int, traits: Traits) -> None:
        low = max(self._at, payload.first)
        wanted = list(self._wanted(low, high))
        if not wanted or (not self._log.cursors and accepted_ns < self._log.abandoned_ns):
            return
        low, high = wanted[0][0], wanted[-1][1]
        try:
            body = payload.part(low, high)
        except RemoteProtocolError:  # nobody can take it apart: the consumers' node will say so
            body = payload.body
        self._pieces.append(Piece(low, high - low, body, accepted_ns, traits))

    def _wanted(self, low: int, high: int) -> Ranges:
        log = self._log
        if not log.cursors:
            return Ranges(log.gone.missing(max(low, log.abandoned_to, log.backlog_from), high))
        return Ranges(span for cursor in log.cursors for span in cursor.finished.missing(max(low, cursor.born), high))

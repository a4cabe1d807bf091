"""What the broker tells the store: rows of this turn, and those written behind.

Decides when a row leaves. Batches, births and ends go with their turn, since confirmations wait for them. What was
finished, and what nobody needs any more, is written behind: with the next commit after ``BEHIND_S``. A crash takes
that long of it, which repeats deliveries and loses nothing. What rows mean is ``meshq.machine.store``'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from meshq.broker.batch import Batch
from meshq.machine.effects import Store
from meshq.machine.ranges import Ranges
from meshq.machine.store import Backlog, BatchRow, Born, Finished, Gone, LogOver, Over, Row, Tried

if TYPE_CHECKING:
    from meshq.broker.cursor import Cursor
    from meshq.broker.log import Log
    from meshq.broker.turn import Turn

BEHIND_S: Final = 0.05


class Waiting(Protocol):
    """Whoever wants to know what became of the rows of a turn."""

    def kept(self) -> None:
        """They are kept."""

    def unkept(self, why: str) -> None:
        """The batches among them are not; the other rows will be."""


class Journal:
    """Rows on their way to the store; without a store (``on`` is False) nothing is written down."""

    __slots__ = ("_cursors", "_logs", "_tied", "_turn", "batches", "on", "rows", "sync", "tied", "waiting")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.on = False
        self.rows: list[Row] = []
        self.batches: list[tuple[Log, Batch]] = []
        """Those among the rows."""
        self.sync = False
        """Some of the rows must survive a power loss."""
        self.waiting: list[Waiting] = []
        """Told once the rows of this turn are kept."""
        self.tied: list[Row] = []
        """Rows that mean nothing without the batches of this turn: the store is to keep both or neither."""
        self._tied: dict[Cursor, Ranges] = {}
        """What is finished once the batches of this turn are kept."""
        self._cursors: dict[Cursor, None] = {}
        self._logs: dict[Log, None] = {}

    # with the turn

    def batch(self, log: Log, batch: Batch) -> None:
        """A batch to be kept; the first of a log brings the channels that began before it."""
        turn, traits = self._turn, batch.traits
        if not log.written:
            log.written = True
            for cursor in log.cursors:
                self.born(cursor)
        due_ns = turn.wall_ns(traits.due) if traits.due else 0
        expires_ns = turn.wall_ns(traits.expires) if traits.expires else 0
        options: dict[str, Any] = {"key": traits.key} if traits.key else {}
        if traits.channels:
            options["channels"] = list(traits.channels)
        self.rows.append(
            BatchRow(log.topic, log.id, batch.first, batch.stop - batch.first, batch.body, batch.accepted_ns, due_ns,
                     expires_ns, options)
        )  # fmt: skip
        self.batches.append((log, batch))

    def born(self, cursor: Cursor) -> None:
        """A channel begins in a log."""
        if cursor.log.written:
            key = cursor.channel.key
            log = cursor.log
            self.rows.append(Born(log.topic, log.id, key.channel, key.generation, cursor.born, cursor.since_ns))
            if cursor.finished:
                cursor.unsaved = cursor.finished.copy()
                self.finished(cursor)

    def backlog(self, log: Log) -> None:
        """The log has no channel: what is kept for the next first one begins here."""
        if log.written:
            self.rows.append(Backlog(log.topic, log.id, max(log.backlog_from, log.abandoned_to)))

    def over(self, cursor: Cursor) -> None:
        """A channel ends in a log."""
        self._cursors.pop(cursor, None)
        self._tied.pop(cursor, None)
        if cursor.log.written:
            key = cursor.channel.key
            self.rows.append(Over(cursor.log.topic, cursor.log.id, key.channel, key.generation))

    def ended(self, log: Log, channel: str, generation: int) -> None:
        """The same for a channel that ended while this node was down."""
        self.rows.append(Over(log.topic, log.id, channel, generation))

    def tried(self, cursor: Cursor, start: int, stop: int, due: float) -> None:
        """Messages came back: their attempts, and until when they wait (0.0: they don't)."""
        log, key = cursor.log, cursor.channel.key
        if not log.written:
            return
        due_ns = self._turn.wall_ns(due) if due else 0
        for low, high, first, last in cursor.failures.within(start, stop):
            for begin, end, attempts in _pieces(cursor.attempts.within(low, high), low, high):
                self.rows.append(
                    Tried(log.topic, log.id, key.channel, key.generation, begin, end, attempts, due_ns, first, last)
                )

    def log_over(self, log: Log) -> None:
        """Nothing of the log is wanted any more."""
        self._logs.pop(log, None)
        for cursor in log.cursors:
            self._cursors.pop(cursor, None)
            self._tied.pop(cursor, None)
        if log.written:
            self.rows.append(LogOver(log.topic, log.id))

    def finished_with(self, cursor: Cursor, start: int, stop: int) -> None:
        """Batches of this turn say where these went: the store is to keep both or neither."""
        if cursor.log.written:
            self._tied.setdefault(cursor, Ranges()).add(start, stop)

    # behind

    def finished(self, cursor: Cursor) -> None:
        """The cursor has ``unsaved`` finished messages."""
        self._arm()
        self._cursors[cursor] = None

    def gone(self, log: Log) -> None:
        """The log has messages that are ``ungone``."""
        self._arm()
        self._logs[log] = None

    def _arm(self) -> None:
        if not (self._cursors or self._logs):
            self._turn.timers.arm(self, self._turn.now + BEHIND_S)

    def rang(self) -> None:
        """It is time: what was written behind goes with this turn's rows."""
        cursors, self._cursors = self._cursors, {}
        logs, self._logs = self._logs, {}
        for cursor in cursors:
            self._write_finished(cursor)
        for log in logs:
            self._write_gone(log)

    def at_once(self) -> None:
        """What would be written in a moment goes with this turn's rows, and is synced: somebody is told it is done."""
        self.rang()
        self.sync = self.sync or bool(self.rows)

    def finished_now(self, cursor: Cursor) -> None:
        """What the cursor has finished goes with this turn's rows: another row of them says where it went."""
        if cursor in self._cursors:
            del self._cursors[cursor]
            self._write_finished(cursor)

    def _write_finished(self, cursor: Cursor) -> None:
        stop = 0
        unsaved, cursor.unsaved = cursor.unsaved, type(cursor.unsaved)()
        for start, _ in unsaved:
            if start >= stop:
                low, stop = cursor.finished.around(start)
                self.rows.append(_finished(cursor, low, stop))

    def _write_gone(self, log: Log) -> None:
        stop = 0
        ungone, log.ungone = log.ungone, type(log.ungone)()
        for start, _ in ungone:
            if start >= stop:
                low, stop = log.gone.around(start)
                self.rows.append(Gone(log.topic, log.id, low, stop))

    def take(self, token: int) -> tuple[Store, list[tuple[Log, Batch]], list[Waiting]]:
        """This turn's rows, the batches among them, and who waits for them."""
        tied = [_finished(cursor, *span) for cursor, ranges in self._tied.items() for span in ranges] + self.tied
        taken = Store(token, self.rows + tied, self.sync, len(tied)), self.batches, self.waiting
        self.rows, self.batches, self.sync, self.waiting, self.tied, self._tied = [], [], False, [], [], {}
        return taken


def _finished(cursor: Cursor, start: int, stop: int) -> Finished:
    key = cursor.channel.key
    return Finished(cursor.log.topic, cursor.log.id, key.channel, key.generation, start, stop)


def _pieces(runs: list[list[int]], start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """``start`` to ``stop`` in pieces of equal attempts, none among them."""
    for low, high, attempts in runs:
        if start < low:
            yield start, low, 0
        yield low, high, attempts
        start = high
    if start < stop:
        yield start, stop, 0

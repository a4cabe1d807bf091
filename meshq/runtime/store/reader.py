"""The reader's thread: brings back what lies in the file only.

Decides how much one answer holds. A row that can't be read is there without its body, or left out: whoever asked counts
it as lost. When the file can't be read at all the answer is None, and it is asked again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

from meshq.errors import RemoteProtocolError
from meshq.machine.effects import Load, LoadDue
from meshq.machine.store import BATCH_OVERHEAD_BYTES, NOTHING, BatchRow
from meshq.names import LogId
from meshq.runtime.store.damage import Damage
from meshq.wire import strict

NUMBER_MAX = (1 << 63) - 1
"""What SQLite can count to."""

log = logging.getLogger("meshq.store")

_FIELDS = "first, stop, accepted_ns, due_ns, expires_ns, options, body"


class Reader:
    """Takes Loads from any thread; answers each from its own."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        logs: Mapping[tuple[str, LogId], int],
        loaded: Callable[[int, list[BatchRow] | None], object],
        damage: Damage,
    ) -> None:
        """``logs`` gives a log's number in the file; the writer may add to it meanwhile."""
        self._connection = connection
        self._logs = logs
        self._loaded = loaded
        self._damage = damage
        self._queue: SimpleQueue[Load | LoadDue | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="meshq-store-reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def put(self, ask: Load | LoadDue) -> None:
        """One more question."""
        self._queue.put(ask)

    def close(self, timeout_s: float) -> bool:
        """End; what was asked and not answered is not. False when that took too long."""
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def answer(self, ask: Load | LoadDue) -> list[BatchRow]:
        """The rows that are asked for. Raises sqlite3.Error when the file can't be read."""
        if type(ask) is Load:
            return list(self._ready(ask._replace(stop=min(ask.stop, NUMBER_MAX))))
        assert type(ask) is LoadDue
        return list(self._due(ask._replace(until_ns=min(ask.until_ns, NUMBER_MAX))))

    def _run(self) -> None:
        while (ask := self._queue.get()) is not None:
            rows: list[BatchRow] | None = None
            try:
                rows = self.answer(ask)
            except sqlite3.Error as exc:
                log.error("the store can't be read: %s", self._damage.seen(exc) or exc)
            self._loaded(ask.token, rows)
        self._connection.close()

    def _ready(self, ask: Any) -> Iterator[BatchRow]:
        number = self._logs.get((ask.topic, ask.log))
        if number is None:
            return
        kind = "due_ns > 0" if ask.deferred else "due_ns = 0"
        numbers = self._connection.execute(
            f"SELECT id, size FROM batch INDEXED BY batch_span WHERE log = ? AND {kind} AND stop > ? AND first < ? "
            "AND first >= coalesce((SELECT max(first) FROM batch WHERE log = ? AND first <= ?), 0) ORDER BY first",
            (number, ask.start, ask.stop, number, ask.start),
        )
        size_bytes = 0
        for row, body_bytes in numbers:
            row_bytes = body_bytes + BATCH_OVERHEAD_BYTES
            if size_bytes and size_bytes + row_bytes > ask.size_bytes:
                break
            for batch in self._row(row, ask.topic, ask.log):  # one that can't be read leaves room for the next
                size_bytes += row_bytes
                yield batch
        numbers.close()

    def _due(self, ask: Any) -> Iterator[BatchRow]:
        names = {number: name for name, number in list(self._logs.items())}
        rows = self._connection.execute(
            "SELECT id, log, due_ns FROM batch WHERE due_ns > 0 AND due_ns >= ? AND due_ns < ? ORDER BY due_ns, id",
            (ask.after_ns, ask.until_ns),
        )
        size_bytes = last_ns = 0
        for row, number, due_ns in rows:
            if last_ns and size_bytes >= ask.size_bytes and due_ns > last_ns:
                break
            for batch in self._row(row, *names[number]) if number in names else ():
                size_bytes += batch.memory_bytes()  # as whoever asked counts, to see whether that was all
                last_ns = due_ns
                yield batch
        rows.close()

    def _row(self, number: int, topic: str, name: LogId) -> Iterator[BatchRow]:
        """The row, if it is there and can be read."""
        try:
            found = self._connection.execute(f"SELECT {_FIELDS} FROM batch WHERE id = ?", (number,)).fetchone()
            if found is None:
                return
            first, stop, accepted_ns, due_ns, expires_ns, options, body = found
            said = strict.decode(options) if options else NOTHING
        except (sqlite3.DatabaseError, RemoteProtocolError) as exc:
            if isinstance(exc, sqlite3.DatabaseError) and not self._damage.seen(exc):
                raise
            log.error("a batch of %s can't be read and is lost: %s", topic, exc)
            yield from self._lost(number, topic, name)
            return
        yield BatchRow(topic, name, first, stop - first, body, accepted_ns, due_ns, expires_ns, said)

    def _lost(self, number: int, topic: str, name: LogId) -> Iterator[BatchRow]:
        """Which messages the row held, if at least that can be read."""
        try:
            found = self._connection.execute(
                "SELECT first, stop, accepted_ns, due_ns FROM batch WHERE id = ?", (number,)
            ).fetchone()
        except sqlite3.DatabaseError:
            return
        if found is not None:
            first, stop, accepted_ns, due_ns = found
            yield BatchRow(topic, name, first, stop - first, b"", accepted_ns, due_ns, 0)

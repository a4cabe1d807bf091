"""Rows as SQL: one transaction's rows in as few statements as they fit.

Decides in which order kinds of rows are applied (an order in which any turn's rows mean the same), and which neighbours
become one row. Each statement gives up the interpreter's lock and waits to have it back, which costs more than the
statement: so many rows go into one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from meshq.machine.store import Backlog, BatchRow, Born, Finished, Gone, LogOver, Over, Put, Row, Tried
from meshq.names import LogId
from meshq.wire import bodies, strict

ROW_BYTES: Final = 256 * 1024
ROW_MESSAGES: Final = 4096
"""The bytes bound a row of messages of usual size; this one keeps what a marking of single messages costs small."""
NEAR_NS: Final = 100_000_000
"""Neighbours that were accepted within this time may become one row, accepted when its last was: a channel that begins
at a time rather gets some from before it."""
TOGETHER: Final = 64
"""Batches in one statement."""

_BATCH: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT: Final = "INSERT INTO batch (log, first, stop, accepted_ns, due_ns, expires_ns, size, options, body) VALUES "

LogKey = tuple[str, LogId]


class Tables:
    """The file's rows as the writer knows them: numbers of logs and places, by name."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.logs: dict[LogKey, int] = {}
        self._places: dict[tuple[int, str, int], int] = {}
        self._undo: list[tuple[dict[Any, int], Any, int | None]] = []
        """What this transaction changed of the two: the number there was, None if there was none."""
        self._next: int = 1 + max(
            connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0] for table in ("log", "place")
        )
        for number, topic, origin, ms, nonce, generation, lane, _ in connection.execute("SELECT * FROM log"):
            self.logs[topic, LogId(origin, ms, int(nonce), generation, lane)] = number
        for number, log, channel, generation in connection.execute("SELECT id, log, channel, generation FROM place"):
            self._places[log, channel, generation] = number

    def apply(self, rows: Iterable[Row]) -> None:
        """Apply rows in order, within a transaction."""
        kinds: dict[type[Any], list[Any]] = {}
        for row in rows:
            kind = type(row)
            if kind is not Over and kind is not LogOver and (Over in kinds or LogOver in kinds):
                self._apply(kinds)  # what comes after an end belongs to another life
                kinds = {}
            if kind in kinds:
                kinds[kind].append(row)
            else:
                kinds[kind] = [row]
        self._apply(kinds)

    def _apply(self, kinds: dict[type[Any], list[Any]]) -> None:
        for kind, apply in (
            (BatchRow, self._batches), (Born, self._born), (Backlog, self._backlog), (Tried, self._tried),
            (Finished, self._finished), (Gone, self._gone), (Over, self._over), (LogOver, self._log_over),
            (Put, self._put),
        ):  # fmt: skip
            if kind in kinds:
                apply(kinds[kind])

    def committed(self) -> None:
        """The transaction holds."""
        self._undo.clear()

    def rolled_back(self) -> None:
        """The transaction was undone: numbers given out in it are not in the file, and those that ended in it are."""
        for names, name, number in reversed(self._undo):
            if number is None:
                names.pop(name, None)
            else:
                names[name] = number
        self._undo.clear()

    def log(self, topic: str, log: LogId) -> int:
        """The number of a log, which is entered if it is new."""
        number = self.logs.get((topic, log))
        if number is None:
            number = self._number(self.logs, (topic, log))
            entry = (number, topic, log.origin, log.epoch_ms, str(log.epoch_nonce), log.generation, log.lane)
            self._connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, 1)", entry)
        return number

    def _number(self, names: dict[Any, int], name: Any) -> int:
        number = self._next
        names[name] = number
        self._next += 1
        self._undo.append((names, name, None))
        return number

    def _end(self, names: dict[Any, int], name: Any) -> int | None:
        number = names.pop(name, None)
        if number is not None:
            self._undo.append((names, name, number))
        return number

    def _place(self, row: Any) -> int | None:
        log = self.logs.get((row.topic, row.log))
        return None if log is None else self._places.get((log, row.channel, row.generation))

    def _batches(self, rows: list[BatchRow]) -> None:
        entries: list[Any] = []
        for row in joined(rows):
            entries += (
                self.log(row.topic, row.log), row.first, row.first + row.messages, row.accepted_ns, row.due_ns,
                row.expires_ns, len(row.body), strict.encode(row.options) if row.options else None, row.body,
            )  # fmt: skip
        width = _BATCH.count("?")
        for start in range(0, len(entries), TOGETHER * width):
            part = entries[start : start + TOGETHER * width]
            self._connection.execute(_INSERT + ", ".join([_BATCH] * (len(part) // width)), part)

    def _born(self, rows: list[Born]) -> None:
        for row in rows:
            log = self.log(row.topic, row.log)
            key = (log, row.channel, row.generation)
            place = self._places.get(key) or self._number(self._places, key)
            self._connection.execute(
                "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?, ?)", (place, *key, row.number, row.since_ns)
            )

    def _backlog(self, rows: list[Backlog]) -> None:
        self._born([Born(row.topic, row.log, "", 0, row.number) for row in rows])

    def _tried(self, rows: list[Tried]) -> None:
        execute = self._connection.execute
        for row in rows:
            place = self._place(row)
            if place is None:
                continue
            overlap = "FROM tried WHERE place = ? AND start < ? AND stop > ?"
            before = execute(f"SELECT * {overlap}", (place, row.stop, row.start)).fetchall()
            if before:
                execute(f"DELETE {overlap}", (place, row.stop, row.start))
            for _, start, stop, *said in before:
                for low, high in ((start, row.start), (row.stop, stop)):
                    if low < high:
                        execute("INSERT INTO tried VALUES (?, ?, ?, ?, ?, ?, ?)", (place, low, high, *said))
            if row.attempts or row.due_ns:
                execute("INSERT INTO tried VALUES (?, ?, ?, ?, ?, ?, ?)", (place, *row[4:]))

    def _finished(self, rows: list[Finished]) -> None:
        execute = self._connection.execute
        for row in rows:
            place = self._place(row)
            if place is not None:
                within = (place, row.start, row.stop)
                execute("DELETE FROM finished WHERE place = ? AND start >= ? AND start < ?", within)
                execute("INSERT INTO finished VALUES (?, ?, ?)", within)
                execute("DELETE FROM tried WHERE place = ? AND start >= ? AND stop <= ?", within)

    def _gone(self, rows: list[Gone]) -> None:
        for row in rows:
            log = self.logs.get((row.topic, row.log))
            if log is not None:
                within = (log, row.start, row.stop, row.stop)
                self._connection.execute(
                    "DELETE FROM batch WHERE log = ? AND first >= ? AND first < ? AND stop <= ?", within
                )
                self._connection.execute("UPDATE log SET gone = max(gone, ?) WHERE id = ?", (row.stop, log))

    def _over(self, rows: list[Over]) -> None:
        for row in rows:
            log = self.logs.get((row.topic, row.log))
            if log is not None:
                self._forget_place((log, row.channel, row.generation))

    def _log_over(self, rows: list[LogOver]) -> None:
        for row in rows:
            log = self._end(self.logs, (row.topic, row.log))
            if log is not None:
                for key in [key for key in self._places if key[0] == log]:
                    self._forget_place(key)
                self._connection.execute("DELETE FROM batch WHERE log = ?", (log,))
                self._connection.execute("DELETE FROM log WHERE id = ?", (log,))

    def _forget_place(self, key: tuple[int, str, int]) -> None:
        place = self._end(self._places, key)
        if place is not None:
            for table, column in (("finished", "place"), ("tried", "place"), ("place", "id")):
                self._connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (place,))

    def _put(self, rows: list[Put]) -> None:
        latest = {(row.kind, row.key): row for row in rows}
        for row in latest.values():
            if row.value is None:
                self._connection.execute("DELETE FROM put WHERE kind = ? AND key = ?", row[:2])
            else:
                self._connection.execute("INSERT OR REPLACE INTO put VALUES (?, ?, ?)", row)


def joined(rows: list[BatchRow]) -> Iterable[BatchRow]:
    """The rows, with neighbours in one log that are alike in all but body as one."""
    logs: dict[LogKey, list[BatchRow]] = {}
    for row in rows:
        logs.setdefault((row.topic, row.log), []).append(row)
    for of_log in logs.values():
        yield from _joined(of_log)


def _joined(rows: list[BatchRow]) -> Iterable[BatchRow]:
    group: list[BatchRow] = []
    messages = size_bytes = 0
    for row in rows:
        messages += row.messages
        size_bytes += len(row.body)
        if group and (messages > ROW_MESSAGES or size_bytes > ROW_BYTES or not _continues(group, row)):
            yield _one(group)
            group, messages, size_bytes = [], row.messages, len(row.body)
        group.append(row)
    if group:
        yield _one(group)


def _continues(group: list[BatchRow], row: BatchRow) -> bool:
    last, first = group[-1], group[0]
    return (
        row.first == last.first + last.messages
        and row[6:] == last[6:]
        and row.accepted_ns - first.accepted_ns < NEAR_NS
    )


def _one(group: list[BatchRow]) -> BatchRow:
    if len(group) == 1:
        return group[0]
    counts = [row.messages for row in group]
    accepted_ns = max(row.accepted_ns for row in group)
    return group[0]._replace(
        messages=sum(counts), accepted_ns=accepted_ns, body=bodies.merge([row.body for row in group], counts)
    )

"""The writer's thread: the only connection that writes to the file or checkpoints it.

Decides what becomes one transaction (whatever queued during the one before, up to a bound), whether it is synced, and
what happens when it can't be written: batches are given up and their Stores answered so until there is room again,
every other row is kept and tried again until the disk takes it. Only a row that no disk could take is dropped, aloud.
SQLite before 3.51.3 can damage a file when two connections checkpoint.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from meshq.machine.effects import NO_TOKEN, Store
from meshq.machine.store import BatchRow, Row
from meshq.runtime.store.damage import Damage
from meshq.runtime.store.late import Late
from meshq.runtime.store.reserve import Reserve
from meshq.runtime.store.rows import Tables
from meshq.runtime.store.schema import PAGE_BYTES

COMMIT_BYTES: Final = 8 << 20
"""Bodies in one transaction."""
COMMIT_STORES: Final = 256
COMMIT_PAGES: Final = 4
"""What a transaction writes beside its bodies: the last pages of tables and indexes, each of them whole."""
RETRY_S: Final = 0.25
IDLE_S: Final = 1.0
UNKEEPABLE: Final = (
    OverflowError, TypeError, ValueError,
    sqlite3.InterfaceError, sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError,
)  # fmt: skip
"""What a row meets that SQLite has no room for (a number of more than 64 bits), whatever the disk is like."""

NO_ROOM: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""What SQLite says of a full disk; the second when the index of the write-ahead log can't grow."""

log = logging.getLogger("meshq.store")


class Answer(NamedTuple):
    """What became of a Store: kept when ``why`` is empty."""

    token: int
    why: str


class Writer:
    """Takes Stores from any thread; answers in lists, from its own."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        answered: Callable[[list[Answer]], object],
        health: Callable[[str, bool], object],
        damage: Damage,
        reserve: Reserve,
    ) -> None:
        """``health`` is told what is wrong, and whether it is that there is no room; "" when nothing is any longer."""
        self._connection = connection
        self.tables = Tables(connection)
        self._answered = answered
        self._health = health
        self._damage = damage
        self._reserve = reserve
        self._checkpoint_bytes = reserve.size_bytes // 2
        """Written to the write-ahead log before its pages go into the file. The reserve has room for as much."""
        self._queue: SimpleQueue[Store | None] = SimpleQueue()
        self._late = Late()
        self._trouble = ""
        self._full = False
        """The trouble is, or began with, a disk that has no room."""
        self._synchronous = ""
        self._written_bytes = 0
        self._over = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meshq-store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, store: Store) -> None:
        """One more Store, after those before it."""
        self._queue.put(store)

    def close(self, timeout_s: float) -> bool:
        """Write what is queued, checkpoint and end; False when that took too long."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        if not self._there_is_room():
            self._full = True
            self._in_trouble(f"the disk has less than {self._reserve.size_bytes >> 10} KiB left")
        while not self._over:
            stores = self._take()
            if stores or self._late or self._trouble:
                self._write(stores)
            elif self._written_bytes:
                self._checkpoint()
        if self._late:
            self._write([])  # what failed a moment ago may not fail again
        self._checkpoint()
        self._connection.close()

    def _take(self) -> list[Store]:
        """What is queued, once something is; nothing when it is time to look at other things."""
        stores: list[Store] = []
        size_bytes = 0
        try:
            store = self._queue.get(timeout=RETRY_S if self._trouble else IDLE_S)
            while store is not None:
                stores.append(store)
                for row in store.rows:
                    if type(row) is BatchRow:
                        size_bytes += len(row.body)
                if size_bytes > COMMIT_BYTES or len(stores) >= COMMIT_STORES:
                    break
                store = self._queue.get_nowait()
            else:
                self._over = True
        except Empty:
            pass
        if stores:
            self._written_bytes += size_bytes + COMMIT_PAGES * PAGE_BYTES
        return stores

    def _write(self, stores: list[Store]) -> None:
        if self._trouble:
            self._refuse(stores)
            stores = []
        try:
            self._commit(stores)
        except Exception as exc:  # whatever it is: publishers wait for this thread
            self._failed(stores, exc)
            return
        answers = [Answer(token, "") for token in self._late.take()]
        answers += [Answer(store.token, "") for store in stores if store.token != NO_TOKEN]
        if answers:
            self._answered(answers)
        if self._written_bytes >= self._checkpoint_bytes or self._trouble:
            self._checkpoint()
        if self._trouble and self._there_is_room():
            log.warning("the store can be written to again")
            self._trouble, self._full = "", False
            self._health("", False)

    def _refuse(self, stores: list[Store]) -> None:
        """Give up their batches, keep everything else for the next try."""
        answers = [Answer(token, self._trouble) for token in self._late.add(stores)]
        if answers:
            self._answered(answers)

    def _commit(self, stores: list[Store]) -> None:
        execute = self._connection.execute
        sync = self._late.sync or any(store.sync for store in stores)
        self._set_synchronous("FULL" if sync else "NORMAL")
        rows = [*self._late.rows, *(row for store in stores for row in store.rows)]
        try:
            execute("BEGIN IMMEDIATE")
            if self._trouble:  # it is not over before the disk takes something
                execute("INSERT OR REPLACE INTO put VALUES ('node', 'tried', x'')")
            self.tables.apply(rows)
            execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.tables.committed()

    def _set_synchronous(self, to: str) -> None:
        if to != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {to}")
            self._synchronous = to

    def _roll_back(self) -> None:
        self.tables.rolled_back()
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as exc:
            log.error("could not roll back: %s", exc)

    def _failed(self, stores: list[Store], error: Exception) -> None:
        unexpected = not isinstance(error, (sqlite3.Error, OverflowError))
        self._full = self._full or getattr(error, "sqlite_errorcode", None) in NO_ROOM
        why = self._damage.seen(error) or str(error) or type(error).__name__
        self._in_trouble(why, error if unexpected else None)
        self._refuse(stores)
        if isinstance(error, UNKEEPABLE):
            self._sift()
            return
        self._reserve.give_up()
        self._checkpoint()  # what lies in the write-ahead log fits into the file now, which leaves room in the log
        self._closing.wait(RETRY_S)

    def _sift(self) -> None:
        """Drop what no disk could take of the rows that are tried again: one of them would keep all others waiting."""
        kept: list[Row] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for row in self._late.rows:
                try:
                    self.tables.apply([row])
                    kept.append(row)
                except UNKEEPABLE as exc:
                    log.error("dropped, since no disk could take it: %s %s (%s)", type(row).__name__, row[:2], exc)
            self._late.rows = kept
        except Exception as exc:  # the disk again: another time
            log.warning("could not look for the row: %s", exc)
        finally:
            self._roll_back()

    def _there_is_room(self) -> bool:
        try:
            return self._reserve.there_is_room(self._connection)
        except sqlite3.Error as exc:
            log.warning("could not look for room: %s", exc)
            return False

    def _in_trouble(self, why: str, error: Exception | None = None) -> None:
        if why != self._trouble:
            log.error("the store can't be written to: %s", why, exc_info=error)
            self._trouble = why
            self._health(why, self._full)

    def _checkpoint(self) -> None:
        """Move what was written ahead into the file, as far as no reader is in the way."""
        self._written_bytes = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as exc:
            log.warning("checkpoint: %s", exc)

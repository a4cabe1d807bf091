"""SQLite's file without its threads: what the writer and the reader do, one after the other."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from meshq.machine.effects import Load, LoadDue
from meshq.machine.store import BatchRow, Recovered, Row
from meshq.runtime.store.damage import Damage
from meshq.runtime.store.opening import recover
from meshq.runtime.store.reader import Reader
from meshq.runtime.store.rows import Tables
from meshq.runtime.store.schema import open_reader, open_writer


class SqlKeeper:
    """A store in a folder of its own, which goes when the object does."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp())
        self.connection = open_writer(self._folder / "meshq.db")
        self._tables = Tables(self.connection)
        path = self._folder / "meshq.db"
        self._reader = Reader(open_reader(path), self._tables.logs, lambda *_: None, Damage(path))

    def __del__(self) -> None:
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def apply(self, rows: list[Row]) -> None:
        self.connection.execute("BEGIN")
        self._tables.apply(rows)
        self.connection.execute("COMMIT")
        self._tables.committed()

    def fail(self, rows: list[Row]) -> None:
        """The disk does not take them."""
        self.connection.execute("BEGIN")
        self._tables.apply(rows)
        self._tables.rolled_back()
        self.connection.execute("ROLLBACK")

    def load(self, ask: Load) -> list[BatchRow]:
        return self._reader.answer(ask)

    def load_due(self, ask: LoadDue) -> list[BatchRow]:
        return self._reader.answer(ask)

    def recovered(self) -> Recovered:
        return recover(self.connection)

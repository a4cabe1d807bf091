"""One node's store, as its host uses it: Stores and Loads in, answers on the host's loop.

Decides nothing but the order of opening and closing; the epoch of a start is written and synced here before anybody
uses it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from meshq.errors import ConfigError, RemoteProtocolError
from meshq.machine.effects import Load, LoadDue, Store
from meshq.machine.store import BatchRow, Put
from meshq.names import Epoch
from meshq.runtime.epochs import next_epoch
from meshq.runtime.store.damage import Damage
from meshq.runtime.store.folder import Folder
from meshq.runtime.store.opening import open_store
from meshq.runtime.store.reader import Reader
from meshq.runtime.store.reserve import Reserve
from meshq.runtime.store.schema import open_reader
from meshq.runtime.store.writer import Answer, Writer
from meshq.wire import strict

CLOSE_S: Final = 10.0
SWITCH_S: Final = 0.0005
"""How long a thread of this process may hold the interpreter's lock while another waits for it. The writer needs it
several times a commit: at Python's 5 ms a busy loop leaves it 37 commits in half a second, at this 190."""
_EPOCH: Final = ("node", "epoch")
_NAME: Final = ("node", "name")
_RAISED: Final = ("epoch", "raised")


class Owner(Protocol):
    """Who is answered, on the loop given to ``start``."""

    def store_answered(self, answers: list[Answer]) -> None:
        """Stores were committed, or their batches given up."""

    def store_loaded(self, token: int, rows: list[BatchRow] | None) -> None:
        """What a Load asked for."""

    def store_health(self, text: str, full: bool) -> None:
        """What is wrong, or nothing any more; ``full``: there is no room."""


class SqliteStore:
    """An open store. ``recovered`` is what it held."""

    def __init__(self, folder: Path) -> None:
        """Open the directory's file, or make it. Raises ConfigError; nothing stays open then."""
        self._folder = Folder(folder)
        self._reserve = Reserve(self._folder.database)
        self._reserve.give_up()  # a start writes: the writer puts it by again
        try:
            self._connection, self.recovered = open_store(self._folder.database)
        except BaseException:
            self._folder.close()
            raise
        self._writer: Writer | None = None
        self._reader: Reader | None = None

    @property
    def path(self) -> Path:
        """The data directory."""
        return self._folder.path

    @property
    def name(self) -> str:
        """The name under which the node ran last; empty for a new store."""
        return str(self._read(_NAME) or "")

    def begin(self, name: str, epoch: Epoch | None = None) -> Epoch:
        """The epoch of this start of ``name``, later than all before, on disk when this returns. Raises ConfigError."""
        before = [self._read(_EPOCH), self._read(_RAISED)]
        chosen = epoch or next_epoch(max((ms for ms in before if isinstance(ms, int)), default=None))
        try:
            self._connection.execute("PRAGMA synchronous = FULL")
            for (kind, key), value in ((_EPOCH, chosen.ms), (_NAME, name)):
                row = Put(kind, key, strict.encode(value))
                self._connection.execute("INSERT OR REPLACE INTO put VALUES (?, ?, ?)", row)
            self._folder.sync()
        except (sqlite3.Error, OSError) as exc:
            raise ConfigError(
                f"{self._folder.database} can't be written to: {exc}; make room, or give another --data"
            ) from exc
        return chosen

    def start(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        """Begin to write and read; ``owner`` is called on ``loop``."""
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        post, damage = _Post(loop), Damage(self._folder.database)
        answered, health = post.to(owner.store_answered), post.to(owner.store_health)
        self._writer = Writer(self._connection, answered, health, damage, self._reserve)
        logs = self._writer.tables.logs
        self._reader = Reader(open_reader(self._folder.database), logs, post.to(owner.store_loaded), damage)
        self._writer.start()
        self._reader.start()

    def write(self, store: Store) -> None:
        """Keep rows; answered by ``store_answered``."""
        assert self._writer is not None
        self._writer.put(store)

    def read(self, ask: Load | LoadDue) -> None:
        """Bring rows back; answered by ``store_loaded``."""
        assert self._reader is not None
        self._reader.put(ask)

    def close(self) -> None:
        """Write what is queued and give the directory back. Blocks, for ten seconds at most. Idempotent.

        A disk that takes longer keeps the directory until the process ends.
        """
        ended = self._reader is None or self._reader.close(CLOSE_S)
        if self._writer is None:
            self._connection.close()
        else:
            ended = self._writer.close(CLOSE_S) and ended
        if ended:
            self._reader = self._writer = None
            self._folder.close()

    def _read(self, key: tuple[str, str]) -> object:
        for put in self.recovered.puts:
            if put[:2] == key and put.value is not None:
                try:
                    return strict.decode(put.value)
                except RemoteProtocolError:
                    return None
        return None


class _Post:
    """Calls into a loop that may have ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def to(self, function: Callable[..., object]) -> Callable[..., object]:
        """The function, called on the loop soon; not at all once that has ended."""

        def call(*arguments: object) -> None:
            try:
                self._loop.call_soon_threadsafe(function, *arguments)
            except RuntimeError:
                return

        return call

"""How rows lie in the file, and how a connection to it is set.

Decides tables, page size and pragmas. One row per batch, its body last, so that what surrounds it can be read
without; a narrow index over numbers and times, so that neither a start nor a deletion reads bodies. Version 1 had
no times of acceptance in it: its files get them when they are opened.
Sources: SQLite's documentation of WAL, PRAGMA and file format.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from meshq.errors import ConfigError

VERSION: Final = 2
PAGE_BYTES: Final = 32_768
"""Measured best of 4 to 64 KiB for batches of 26 KB: one page each."""
CACHE_KIB: Final = 8_192
WAIT_S: Final = 5.0
WAL_KEPT_BYTES: Final = 64 << 20
"""What the write-ahead log keeps of its size, once all of it lies in the file."""

_TABLES: Final = """
CREATE TABLE log (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, origin TEXT NOT NULL, epoch_ms INTEGER NOT NULL,
    epoch_nonce TEXT NOT NULL, generation INTEGER NOT NULL, lane INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE batch (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, first INTEGER NOT NULL, stop INTEGER NOT NULL,
    accepted_ns INTEGER NOT NULL, due_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL, size INTEGER NOT NULL,
    options BLOB, body BLOB NOT NULL
);
CREATE INDEX batch_due ON batch (due_ns) WHERE due_ns > 0;
CREATE TABLE place (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, channel TEXT NOT NULL, generation INTEGER NOT NULL,
    number INTEGER NOT NULL, since_ns INTEGER NOT NULL
);
CREATE TABLE finished (
    place INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, PRIMARY KEY (place, start)
) WITHOUT ROWID;
CREATE TABLE tried (
    place INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, attempts INTEGER NOT NULL,
    due_ns INTEGER NOT NULL, first_error TEXT NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY (place, start)
) WITHOUT ROWID;
CREATE TABLE put (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
"""

_SPANS: Final = "CREATE INDEX batch_span ON batch (log, first, stop, due_ns, size, accepted_ns);"


def connect(path: Path) -> sqlite3.Connection:
    """A connection for one thread at a time, in autocommit. Raises sqlite3.Error."""
    return sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)


def _bound_cache(connection: sqlite3.Connection) -> None:
    """Bound what a connection holds of the file, whose pages must be known to it by now.

    SQLite makes a number of pages of the bytes at once, and a connection that has not seen the file takes them for
    4 KiB each: at 32 KiB it would hold eight times as much.
    """
    connection.execute("PRAGMA schema_version").fetchone()
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


def look(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing beside or in the file, not even when it is closed. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None, check_same_thread=False)


def open_writer(path: Path) -> sqlite3.Connection:
    """The connection that writes; makes the file when there is none. Raises ConfigError for a newer version's file."""
    connection = connect(path)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ConfigError(
                f"{path} was written by a later version of meshq (its schema is {version}, this version knows "
                f"{VERSION}): run that version, or give another --data"
            )
        if version == 0:
            _create(connection)
        elif version < VERSION:
            connection.executescript(f"BEGIN; DROP INDEX batch_span; {_SPANS} PRAGMA user_version = {VERSION}; COMMIT;")
        for pragma in ("journal_mode = WAL", "secure_delete = OFF", "wal_autocheckpoint = 0"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
        _bound_cache(connection)
        connection.execute("PRAGMA fullfsync = ON")  # macOS: what fsync alone does not promise there
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can't write."""
    connection = connect(path)
    _bound_cache(connection)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = NONE")  # pages that became free are used again
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"BEGIN; {_TABLES} {_SPANS} PRAGMA user_version = {VERSION}; COMMIT;")

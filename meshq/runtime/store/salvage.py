"""A damaged file: what can be read of it goes on being used, the rest is counted.

Decides that nothing is lost by the attempt. What can be read goes into a copy; once that is whole the file is set aside
under another name, never written to again, and the copy takes its place. A start that ends in between, in whatever
way, leaves the file, or the whole copy, to the next.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from meshq.errors import RemoteProtocolError
from meshq.runtime.store.damage import Damage
from meshq.runtime.store.folder import sync_folder
from meshq.runtime.store.schema import look, open_writer
from meshq.wire import strict

_FILES: Final = ("-wal", "-shm", "")

log = logging.getLogger("meshq.store")


def copied(path: Path) -> Path:
    """Where a copy lies that is whole, and has yet to take the file's place."""
    return path.with_name(f"{path.name}.salvaged")


def salvage(path: Path, damage: Damage, why: str) -> int:
    """Set the file aside, with what can be read of it in its place. How many rows of batches could not, at least.

    Raises sqlite3.Error or OSError, with the file where it was.
    """
    log.error("%s is damaged (%s): it is set aside, what can be read of it goes into a new file", path, why)
    copy = _copying(path)
    try:
        lost = _copy_into(copy, path)
    except BaseException:
        _remove(copy)
        raise
    copy.rename(copied(path))
    finish(path, damage)
    log.error("what could be read of it is in %s; rows of batches that could not: %d", path.name, lost)
    return lost


def finish(path: Path, damage: Damage) -> None:
    """What an earlier start left: a whole copy takes the place of its file, one that was only begun goes."""
    _remove(_copying(path))
    copy = copied(path)
    if copy.exists():
        sync_folder(path.parent)
        damage.dealt_with()  # from here on the copy says so
        _set_aside(path)
        copy.rename(path)
        sync_folder(path.parent)
    elif not path.exists():
        damage.dealt_with()  # somebody else took it away


def _copy_into(copy: Path, path: Path) -> int:
    connection = open_writer(copy)
    try:
        source = look(path)
        try:
            connection.execute("BEGIN")
            lost = _copy(source, connection)
            connection.execute("COMMIT")
        finally:
            source.close()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
    return lost


def _copying(path: Path) -> Path:
    return path.with_name(f"{path.name}.salvaging")


def _remove(database: Path) -> None:
    for ending in _FILES:
        database.with_name(database.name + ending).unlink(missing_ok=True)


def _set_aside(path: Path) -> None:
    """The file itself goes last: as long as it is there its other files go where it will."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for ending in _FILES:
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
            log.error("%s was set aside as %s", part, aside.name + ending)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> int:
    """Copy row by row what can be read; returns how many batches could not, at least."""
    for table in ("log", "place", "finished", "tried", "put"):
        _copy_table(source, target, table)
    last = _last(source)
    at = lost = 0
    while last is None or at < last:
        try:
            row = source.execute("SELECT * FROM batch WHERE id >= ? ORDER BY id LIMIT 1", (at + 1,)).fetchone()
        except sqlite3.DatabaseError:
            lost += 1
            at += 1
            if last is None:
                break
            continue
        if row is None:
            break
        at = row[0]
        if _readable(row):
            target.execute(f"INSERT INTO batch VALUES ({', '.join('?' * len(row))})", row)
        else:
            lost += 1
    return lost


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    for row in _rows(source, table):
        target.execute(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _rows(source: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Those up to the first that can't be read."""
    try:
        yield from source.execute(f"SELECT * FROM {table}")
    except sqlite3.DatabaseError as exc:
        log.error("part of table %s could not be read: %s", table, exc)


def _last(source: sqlite3.Connection) -> int | None:
    """The highest number of a batch; None when nobody can tell."""
    for query in ("SELECT max(id) FROM batch", "SELECT max(rowid) FROM batch INDEXED BY batch_span"):
        try:
            return int(source.execute(query).fetchone()[0] or 0)
        except sqlite3.DatabaseError:
            continue
    return None


def _readable(row: tuple[Any, ...]) -> bool:
    if type(row[-1]) is not bytes or len(row[-1]) != row[7]:
        return False
    try:
        return row[8] is None or isinstance(strict.decode(row[8]), dict)
    except RemoteProtocolError:
        return False

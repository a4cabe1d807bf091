"""What a start finds in the file.

Decides when a file counts as damaged, and is salvaged before it is opened. Bodies are not read here: a start costs
what its index costs.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from meshq.errors import ConfigError, RemoteProtocolError
from meshq.machine.ages import Ages
from meshq.machine.ranges import Ranges
from meshq.machine.store import ChannelKept, LogKept, Put, Recovered, Tried
from meshq.names import LogId
from meshq.runtime.store.damage import Damage, is_damage
from meshq.runtime.store.salvage import copied, finish, salvage
from meshq.runtime.store.schema import look, open_writer
from meshq.wire import strict


def open_store(path: Path) -> tuple[sqlite3.Connection, Recovered]:
    """The connection that writes, and what is in the file. Raises ConfigError when neither can be had."""
    damage = Damage(path)
    try:
        finish(path, damage)
        lost = salvage(path, damage, "an earlier run found it so") if damage.noted else 0
        try:
            connection, recovered = _open(path)
        except sqlite3.DatabaseError as exc:
            if not is_damage(exc):
                raise
            lost = salvage(path, damage, str(exc))
            connection, recovered = _open(path)
        return connection, recovered._replace(lost=lost)
    except (sqlite3.Error, OSError) as exc:
        raise ConfigError(f"{path}: {exc}; free the file or its disk, or give another --data") from exc


def _open(path: Path) -> tuple[sqlite3.Connection, Recovered]:
    connection = open_writer(path)
    try:
        return connection, recover(connection)
    except BaseException:
        connection.close()
        raise


def known_name(path: Path) -> str:
    """The name under which a node ran last with that file; empty when nobody knows. Opens nothing for long."""
    path = path if path.exists() else copied(path)
    if not path.exists():
        return ""
    try:
        connection = look(path)
        try:
            row = connection.execute("SELECT value FROM put WHERE kind = 'node' AND key = 'name'").fetchone()
        finally:
            connection.close()
        return str(strict.decode(row[0])) if row is not None else ""
    except (sqlite3.Error, RemoteProtocolError):
        return ""


def recover(connection: sqlite3.Connection) -> Recovered:
    """Logs, places and everything put, from the file's indexes."""
    puts = [Put(*row) for row in connection.execute("SELECT kind, key, value FROM put")]
    names = {
        number: (topic, LogId(origin, ms, int(nonce), generation, lane))
        for number, topic, origin, ms, nonce, generation, lane, _ in connection.execute("SELECT * FROM log")
    }
    logs = {number: _Log(gone) for number, gone in connection.execute("SELECT id, gone FROM log")}
    spans = "SELECT log, first, stop, due_ns, size, accepted_ns FROM batch INDEXED BY batch_span ORDER BY log, first"
    for number, *span in connection.execute(spans):
        if number in logs:
            logs[number].add(*span)
    for number, kept in _channels(connection, names):
        if number not in logs:
            continue
        if kept.channel:
            logs[number].channels.append(kept)
        else:
            logs[number].backlog_from = kept.number
    return Recovered([logs[number].kept(*names[number]) for number in names], puts)


class _Log:
    def __init__(self, gone: int) -> None:
        self.ready = Ranges()
        self.deferred = Ranges()
        self.next = gone
        self.size_bytes = 0
        self.channels: list[ChannelKept] = []
        self.ages: Ages | None = None
        self.backlog_from = 0

    def add(self, first: int, stop: int, due_ns: int, size_bytes: int, accepted_ns: int) -> None:
        (self.deferred if due_ns else self.ready).add(first, stop)
        self.next = max(self.next, stop)
        self.size_bytes += size_bytes
        if self.ages is None:
            self.ages = Ages(first)
        self.ages.add(stop, accepted_ns, size_bytes)

    def kept(self, topic: str, name: LogId) -> LogKept:
        return LogKept(
            topic, name, self.next, list(self.ready), list(self.deferred), self.size_bytes, self.channels, self.ages,
            self.backlog_from,
        )  # fmt: skip


def _channels(connection: sqlite3.Connection, names: dict[int, tuple[str, LogId]]) -> list[tuple[int, ChannelKept]]:
    finished: dict[int, Ranges] = {}
    for place, start, stop in connection.execute("SELECT place, start, stop FROM finished ORDER BY place, start"):
        finished.setdefault(place, Ranges()).add(start, stop)
    tried: dict[int, list[tuple[Any, ...]]] = {}
    for place, *row in connection.execute("SELECT * FROM tried ORDER BY place, start"):
        tried.setdefault(place, []).append(tuple(row))
    found: list[tuple[int, ChannelKept]] = []
    for place, log_number, channel, generation, number, since_ns in connection.execute("SELECT * FROM place"):
        if log_number in names:
            where = (*names[log_number], channel, generation)
            rows = [Tried(*where, *row) for row in tried.get(place, ())]
            done = list(finished.get(place, ()))
            found.append((log_number, ChannelKept(channel, generation, number, since_ns, done, rows)))
    return found

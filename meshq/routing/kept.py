"""The catalog in the store: one row per name, with wall times instead of ages.

Decides only the form. Which of two records holds is the ``catalog``'s, after a restart as at any time.
"""

from __future__ import annotations

from typing import Final

from meshq.errors import RemoteProtocolError
from meshq.machine.store import LogKept, Put
from meshq.wire import interest as wire
from meshq.wire import strict
from meshq.wire.interest import Record

KIND: Final = "catalog"


def to_put(topic: str, channel: str, record: Record | None, wall_ms: int) -> Put:
    """The row that keeps a record; None: the name is forgotten."""
    key = f"{topic}/{channel}" if channel else topic
    if record is None:
        return Put(KIND, key, None)
    value = strict.encode([*record[:4], wall_ms - record.age_ms, record.settings])
    return Put(KIND, key, value)


def from_put(put: Put, wall_ms: int) -> Record | None:
    """The record that a row keeps; None for a row of another kind, or one that can't be read."""
    if put.kind != KIND or put.value is None:
        return None
    try:
        fields = strict.decode(put.value)
        fields[4] = max(0, wall_ms - fields[4])
        return wire.read_record(fields)
    except (RemoteProtocolError, ValueError, TypeError, IndexError):
        return None


def records(puts: list[Put], logs: list[LogKept], wall_ms: int) -> list[Record]:
    """What an earlier start knew: names, and logs, which prove that theirs are in use."""
    found = [record for put in puts if (record := from_put(put, wall_ms)) is not None]
    for log in logs:
        found.append(Record(log.topic, "", log.log.generation, False, 0, {}))
        found += [Record(log.topic, one.channel, one.generation, False, 0, {}) for one in log.channels]
    return found

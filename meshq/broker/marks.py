"""Marks in the store on logs of which not everything has come from their giver yet (see ``taking``).

Decides what a start does with a log that it finds marked: forget it, since its giver has it still.
"""

from __future__ import annotations

from typing import Final

from meshq.errors import RemoteProtocolError
from meshq.machine.store import LogOver, Put, Recovered, Row
from meshq.names import LogId, log_text
from meshq.wire import strict

TAKING: Final = "taking"
"""The kind under which a store keeps them."""


def mark(topic: str, log: LogId) -> Put:
    """The row that marks a log."""
    return Put(TAKING, _key(topic, log), strict.encode([topic, list(log)]))


def unmark(topic: str, log: LogId) -> Put:
    """The row that takes the mark away."""
    return Put(TAKING, _key(topic, log), None)


def whole(recovered: Recovered) -> tuple[Recovered, list[Row]]:
    """What a start finds without the logs of which not everything had come, and the rows that forget those."""
    half: dict[tuple[str, LogId], None] = {}
    rows: list[Row] = []
    for put in recovered.puts:
        if put.kind == TAKING and put.value is not None:
            rows.append(Put(TAKING, put.key, None))
            marked = _marked(put.value)
            if marked is not None:
                half[marked] = None
                rows.append(LogOver(*marked))
    logs = [kept for kept in recovered.logs if (kept.topic, kept.log) not in half]
    return recovered._replace(logs=logs), rows


def _key(topic: str, log: LogId) -> str:
    return f"{topic} {log_text(log)}"


def _marked(value: bytes) -> tuple[str, LogId] | None:
    """The log that a mark names; None when it is damaged: what is kept counts as whole then, as its giver, who has it
    too, can't be asked."""
    try:
        topic, log = strict.decode(value)
        return topic, LogId(*log)
    except (RemoteProtocolError, TypeError, ValueError):
        return None

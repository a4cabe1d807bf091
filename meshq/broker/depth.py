"""How many messages of one log wait for a channel, and for what, where the cursor has not come to them. Counts only."""

from __future__ import annotations

from meshq.broker.cursor import Cursor


def ahead(cursor: Cursor) -> int:
    """Messages that the cursor has not come to, and that wait for nothing else."""
    log = cursor.log
    count = log.next - cursor.at
    if cursor.finished_to > cursor.at:
        count = sum(stop - start for start, stop in cursor.finished.missing(cursor.at, log.next))
    count -= not_due_ahead(cursor)
    if log.sleeping_messages:
        count -= sum(stop - start for start, stop in log.sleeping.within(cursor.at, log.next))
    return count


def not_due_ahead(cursor: Cursor) -> int:
    """Messages in memory that are not due, and that the cursor has not come to."""
    now = cursor.log.turn.now
    return sum(
        stop - start
        for batch in cursor.log.later.values()
        if batch.due > now and batch.stop > cursor.at
        for start, stop in cursor.finished.missing(max(batch.first, cursor.at), batch.stop)
    )


def asleep(cursor: Cursor) -> int:
    """Messages that are not due and in the store only."""
    log = cursor.log
    if not log.sleeping_messages:
        return 0
    return sum(
        high - low
        for start, stop in log.sleeping.within(cursor.born, log.next)
        for low, high in cursor.finished.missing(start, stop)
    )

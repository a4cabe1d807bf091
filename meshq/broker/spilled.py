"""What of a log lies in the store only: ``away`` from memory for want of room, or ``sleeping`` until it is due.

Decides what of it counts as finished without having been loaded: what every channel has finished, and what the store
turns out not to have. What goes there from memory is the ``log``'s to say, when it comes back is ``loading``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshq.broker.batch import Batch
from meshq.machine.ranges import Ranges

if TYPE_CHECKING:
    from meshq.broker.log import Log


def sleep(log: Log, batch: Batch) -> None:
    """The batch is the last now, and due so late that it waits in the store."""
    log.next = batch.stop
    log.sleeping.add(batch.first, batch.stop)
    log.sleeping_messages += batch.stop - batch.first
    log.falling[batch.first] = batch
    log.turn.memory_bytes += batch.memory_bytes()
    if log.sizes is not None:
        log.sizes.add(batch.stop, len(batch.body))
    if log.retained.ages is not None:
        log.retained.ages.add(batch.stop, batch.accepted_ns, len(batch.body))
    if batch.traits.expires:
        log.expire(batch)
    for cursor in log.cursors:
        if cursor.batch is None and not cursor.hungry:
            cursor.at = log.next


def absent(log: Log, start: int, stop: int) -> int:
    """The store turned out not to have these: they count as finished. Returns how many that were."""
    return _absent(log, log.away, start, stop)


def unreadable(log: Log, start: int, stop: int) -> int:
    """The same of what the store can't read, asleep or not."""
    return _absent(log, log.away, start, stop) + _absent(log, log.sleeping, start, stop)


def settle(log: Log, start: int, stop: int, *, retain: bool = True) -> int:
    """What no channel has open any more needs no loading: how many messages. Not ``retain``: nor is it kept."""
    count = 0
    for kept in (log.away, log.sleeping):
        for low, high in kept.within(start, stop):
            wanted = Ranges(
                span for cursor in log.cursors for span in cursor.finished.missing(max(low, cursor.born), high)
            )
            for begin, end in wanted.missing(low, high):
                count += _discard(log, kept, begin, end)
                if retain and kept is log.away:
                    log.retire(begin, end)
                else:
                    log.let_go(begin, end)
    return count


def _absent(log: Log, kept: Ranges, start: int, stop: int) -> int:
    lost = 0
    for low, high in kept.within(start, stop) if start < stop else ():  # rows may begin before what was asked for
        lost += _discard(log, kept, low, high)
        log.let_go(low, high)
        for cursor in log.cursors:
            cursor.finish(low, high)
    return lost


def _discard(log: Log, kept: Ranges, start: int, stop: int) -> int:
    """Take these, all of which are in, out of ``kept``; how many messages."""
    messages = kept.discard(start, stop)
    if kept is log.away:
        log.away_messages -= messages
    else:
        log.sleeping_messages -= messages
    return messages

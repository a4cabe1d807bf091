"""Where a channel begins in a log (promises 2 and 3).

Decides from the age of the channel: the first one takes the whole backlog, and so do those created together with it;
one that was created just now by this node's own caller begins at the next message; one heard of late begins as
far back as it is old, rather too early than too late; where neither memory nor the store reaches, the gap is counted.
One whose ``start`` was set when it was created begins where that says instead, as far back as anything is retained.
"""

from __future__ import annotations

from typing import Final

from meshq.broker.cursor import Cursor
from meshq.broker.log import TIME_STEP_S, TIMES_MAX, Log
from meshq.machine.settings import EARLIEST, LATEST

NS_PER_MS: Final = 1_000_000


def begin(log: Log, cursor: Cursor, age_s: float, *, exact: bool) -> None:
    """A channel created ``age_s`` ago begins here; ``exact``: just now and by this node's own caller."""
    turn = log.turn
    born_at = turn.now - age_s
    config = turn.config.broker
    start = cursor.channel.settings.start
    if not log.cursors:
        since = wanted = _begin_first(log, born_at)
    elif log.grace.born_at is not None and abs(born_at - log.grace.born_at) <= config.first_channels_s:
        since = wanted = _backlog_since(log, born_at)
    elif exact:
        since = wanted = log.next
    else:
        since = max(_backlog_since(log, born_at), _since(log, cursor, born_at - config.late_margin_s))
        wanted = max(log.backlog_from, _number_at(log, born_at))
    if start not in ("", LATEST):
        cursor.since_ns = 0 if start == EARLIEST else int(start) * NS_PER_MS
        since = wanted = min(since, max(log.first, log.retained.before(cursor.since_ns)))
    since, wanted = max(since, log.abandoned_to), max(wanted, log.abandoned_to)
    cursor.since_ns = max(cursor.since_ns, log.abandoned_ns)
    open_at(log, cursor, since)
    log.cursors.append(cursor)
    if cursor.since_ns:
        _pass_over(log, cursor)
    missed = _gap(log, wanted) if start in ("", LATEST) else 0
    turn.counters.gaps += missed
    cursor.channel.counters.missed += missed


def open_at(log: Log, cursor: Cursor, since: int) -> None:
    """Put the cursor at ``since``; what is no longer there counts as finished for it."""
    claimed = not log.cursors  # what waited for a first channel is open already
    cursor.begin(since)
    for low, high in log.retained.take(since, log.next):
        log.away_messages += log.away.add(low, high)
    log.retention.taken()
    here = log.overlapping(since, log.next)
    there = [(max(batch.first, since), batch.stop) for batch in here]
    there += log.away.within(since, log.next)
    there += log.sleeping.within(since, log.next)
    number = since
    for low, high in sorted(there):
        if low > number:
            cursor.finished.add(number, low)
        number = max(number, high)
    if number < log.next:
        cursor.finished.add(number, log.next)
    for batch in here:
        if not (claimed and batch.open):
            log.claim(batch, since)
    cursor.seek(since)


def _begin_first(log: Log, born_at: float) -> int:
    """The first channel begins at the oldest batch, and the backlog waits for those born with it."""
    log.grace.begin(born_at)
    return _backlog_since(log, born_at)


def _backlog_since(log: Log, born_at: float) -> int:
    """Where the backlog begins. What came before belonged to channels that ended, and to any that was there then."""
    since = _memory_since(log, born_at) if log.backlog_from > log.first else log.first
    return min(log.backlog_from, since)


def _since(log: Log, cursor: Cursor, accepted_at: float) -> int:
    """The first number that was accepted then or later, as far as it is still there.

    In memory the time of each batch is known. What lies in the store only is asked for its time when it is loaded.
    """
    since = _memory_since(log, accepted_at)
    first = log.away.first_from(log.first)
    if first is not None and first < since:
        oldest = log.from_number(first)
        if oldest is None or oldest.accepted_at >= accepted_at:
            cursor.since_ns = log.turn.wall_ns(accepted_at)
            return first
    return since


def _memory_since(log: Log, accepted_at: float) -> int:
    since = log.next
    for batch in reversed(log.in_order()):
        if batch.accepted_at < accepted_at:
            break
        since = batch.first
    return since


def _number_at(log: Log, accepted_at: float) -> int:
    """About which number was next at that time; rather too low."""
    times = log.times
    if accepted_at > log.turn.now or not times or accepted_at > times[-1][0] + TIME_STEP_S:
        return log.next
    number = times[0][1] if len(times) == TIMES_MAX else log.first
    for at, first in times:
        if at > accepted_at:
            break
        number = first
    return number


def _gap(log: Log, wanted: int) -> int:
    """How many messages from ``wanted`` on are no longer here."""
    kept = sum(batch.stop - max(batch.first, wanted) for batch in log.overlapping(wanted, log.next))
    kept += sum(
        high - low for low, high in (*log.away.within(wanted, log.next), *log.sleeping.within(wanted, log.next))
    )
    return max(0, log.next - wanted - kept)


def _pass_over(log: Log, cursor: Cursor) -> None:
    """What is in memory says when it was accepted: what came before is not for the channel."""
    for batch in log.overlapping(cursor.born, log.next):
        if batch.accepted_ns < cursor.since_ns:
            cursor.finish(batch.first, batch.stop)

"""Emptying: what had been accepted by a moment is finished, all of it at once, and nothing later.

For a channel that is what it has not finished, wherever it is: a later FIN of what was lent means nothing. For a
topic it is what it keeps for its first channel, and what it retains for channels to come. Decides which messages those
are: each origin goes by the time at which it accepted them, of its own clock; where only the store knows that, it turns
out as they are loaded.
"""

from __future__ import annotations

from meshq.broker.channel import Channel
from meshq.broker.log import Log
from meshq.broker.topic import Topic


def empty_channel(channel: Channel, emptied_ns: int) -> None:
    """Finish what the channel has not, of what was accepted until then."""
    messages = 0
    for cursor in list(channel.cursors.values()):
        number, sure = accepted_by(cursor.log, emptied_ns)
        messages += cursor.finish(cursor.born, number)
        if not sure:
            cursor.since_ns = max(cursor.since_ns, emptied_ns + 1)
        if cursor.hungry:
            cursor.seek(cursor.at)
    channel.counters.emptied += messages
    channel.turn.counters.emptied += messages
    channel.turn.journal.at_once()
    channel.touch()


def empty_topic(topic: Topic, emptied_ns: int) -> None:
    """Forget what the topic keeps for a first channel and what it retains, of what was accepted until then."""
    for log in list(topic.logs.values()):
        number, sure = accepted_by(log, emptied_ns)
        if not sure:
            log.abandoned_ns = max(log.abandoned_ns, emptied_ns + 1)
        log.turn.counters.emptied += log.abandon(number)
        topic.retention.forget(log, max(number, log.retained.before(emptied_ns + 1)))
    topic.log.turn.journal.at_once()


def accepted_by(log: Log, wall_ns: int) -> tuple[int, bool]:
    """Up to which number messages were accepted by then; False: some of the next ones perhaps as well."""
    turn = log.turn
    if wall_ns >= turn.wall_ns(turn.now) or (not log.current and wall_ns >= log.ended_ns):
        return log.next, True
    later, number = log.next, log.first
    for batch in reversed(log.in_order()):
        if batch.accepted_ns <= wall_ns:
            number = batch.stop
            break
        later = batch.first
    for at, first in log.times:
        if turn.wall_ns(at) <= wall_ns:
            number = max(number, first)
    return number, not (log.away.within(number, later) or log.sleeping.within(number, later))

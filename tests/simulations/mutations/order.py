"""Wrong rules of order: ordering keys and priorities."""

from __future__ import annotations

from typing import Any

from meshq.broker.channel import Channel
from meshq.broker.cursor import Cursor
from meshq.broker.journal import Journal
from meshq.broker.keyed import Keyed
from meshq.broker.lanes import Lanes
from meshq.broker.topic import Topic
from meshq.machine.store import BatchRow
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Cursor, "_queue", "keyed")
def a_key_means_nothing(right: Code, strike: Strike) -> Code:
    """Messages of one key are lent like others, several at a time."""

    def queue(cursor: Cursor, extent: Any) -> None:
        if extent.batch.traits.key:
            strike()
        cursor.returned.put(extent)

    return queue


@bug(Cursor, "put_back", "keyed")
def a_message_that_comes_back_frees_its_key(right: Code, strike: Strike) -> Code:
    """What failed, or waits to be tried again, does not hold its key back: the next one of the key is lent."""

    def put_back(cursor: Cursor, extent: Any, **how: Any) -> Any:
        messages = right(cursor, extent, **how)
        keyed: Keyed = cursor.channel.keyed
        for number in range(extent.start, extent.stop):
            batch = keyed._busy.get(cursor, {}).pop(number, None)
            if batch is not None:
                strike()
                keyed._drop(cursor, batch, 1)
                keyed._release(batch.traits.key)
        return messages

    return put_back


@bug(Keyed, "finished", "keyed")
def a_finished_message_keeps_its_key(right: Code, strike: Strike) -> Code:
    """The next message of a key is lent when its batch was finished as a whole, not when the one before was."""

    def finished(keyed: Keyed, cursor: Cursor, start: int, stop: int) -> None:
        busy = keyed._busy.get(cursor, {})
        if all(number in busy and number + 1 < busy[number].stop for number in range(start, stop)):
            strike()
            return
        right(keyed, cursor, start, stop)

    return finished


@bug(Keyed, "_unread", "keyed")
def a_restart_forgets_which_message_of_a_key_is_first(right: Code, strike: Strike) -> Code:
    """What is published after a restart is lined up before what the earlier start accepted under its key is loaded."""

    def unread(keyed: Keyed, cursor: Cursor) -> bool:
        if right(keyed, cursor):
            strike()
        return False

    return unread


@bug(Journal, "batch", "keyed")
def a_key_is_not_written(right: Code, strike: Strike) -> Code:
    """A batch is stored without its key: after a restart its messages have none."""

    def batch(journal: Journal, log: Any, one: Any) -> None:
        right(journal, log, one)
        row = journal.rows[-1]
        if one.traits.key and isinstance(row, BatchRow):
            strike()
            journal.rows[-1] = row._replace(options={})

    return batch


@bug(Keyed, "run", "keyed")
def what_waits_beyond_is_not_looked_at_again(right: Code, strike: Strike) -> Code:
    """A cursor that has looked far enough ahead stays where it is when what it lined up is finished."""

    def run(keyed: Keyed) -> None:
        held = [cursor for cursor in keyed._ahead if cursor.held and not keyed.full(cursor)]
        for cursor in held:
            strike()
            cursor.held = False
        right(keyed)
        for cursor in held:
            cursor.held = True

    return run


@bug(Lanes, "_rank", "urgent")
def the_lowest_lane_starves(right: Code, strike: Strike) -> Code:
    """While something urgent waits nothing else is lent."""

    def rank(lanes: Lanes, lane: int) -> Any:
        if any(lanes._passes[lane] > passes for passes in lanes._passes):
            strike()
        return -lane, 0

    return rank


@bug(Lanes, "took", "urgent")
def lanes_take_turns_evenly(right: Code, strike: Strike) -> Code:
    """A more urgent lane gets as many turns as the one below it."""

    def took(lanes: Lanes, cursor: Cursor, messages: int) -> None:
        if lanes.many:
            strike()
            lane = cursor.log.id.lane
            lanes._served = lanes._passes[lane]
            lanes._passes[lane] += messages

    return took


@bug(Channel, "join_log", "urgent")
def a_lane_that_opens_is_not_noticed(right: Code, strike: Strike) -> Code:
    """A channel that began with ordinary messages serves its logs by age when urgent ones come."""

    def join_log(channel: Channel, log: Any, age_s: float, *, exact: bool) -> None:
        many = channel.lanes.many
        right(channel, log, age_s, exact=exact)
        if channel.lanes.many and not many:
            strike()
        channel.lanes.many = many

    return join_log


@bug(Topic, "join", "urgent")
def a_restart_forgets_that_there_are_lanes(right: Code, strike: Strike) -> Code:
    """What a restart finds of a channel it serves by age, whatever its priority."""

    def join(topic: Topic, key: Any, channel: Channel, age_s: float, *, exact: bool) -> None:
        known = any(log.id.lane for log, _ in topic._kept.get((key.channel, key.generation), ()))
        right(topic, key, channel, age_s, exact=exact)
        if known:
            strike()
            channel.lanes.many = False

    return join

"""Wrong rules of retention: what stays of what is finished, and where a late channel begins."""

from __future__ import annotations

from typing import Any

from meshq.broker import beginning
from meshq.broker.broker import Broker
from meshq.broker.cursor import Cursor
from meshq.broker.log import Log
from meshq.broker.retained import Retained
from meshq.broker.retention import Retention
from meshq.broker.topic import Topic
from meshq.machine.ages import Ages
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Retention, "keep", "replaying")
def what_is_finished_is_dropped_though_it_is_retained(right: Code, strike: Strike) -> Code:
    """A batch that left memory is forgotten once every channel has finished it."""

    def keep(retention: Retention, log: Log, start: int, stop: int) -> None:
        strike()
        log.let_go(start, stop)

    return keep


@bug(Topic, "settle_recovery", "replaying")
def a_restart_forgets_what_was_retained(right: Code, strike: Strike) -> Code:
    """A start takes what every channel had finished for gone, whatever the topic retains."""

    def settle_recovery(topic: Topic) -> None:
        on, topic.retention.on = topic.retention.on, False
        if on:
            strike()
        right(topic)
        topic.retention.on = on

    return settle_recovery


@bug(Retention, "reduce", "replaying")
def retention_knows_no_bytes(right: Code, strike: Strike) -> Code:
    """What is above retention_bytes stays until it is old."""

    def reduce(retention: Retention, excess: float) -> None:
        if excess > 0:
            strike()

    return reduce


@bug(Retention, "_expire", "replaying")
def what_is_retained_is_never_too_old(right: Code, strike: Strike) -> Code:
    """Time does not take what is retained in the store."""

    def expire(retention: Retention, log: Log, until_ns: int) -> None:
        strike()

    return expire


@bug(Retained, "before", "replaying")
def a_start_at_a_time_is_as_late_as_the_step_it_falls_into(right: Code, strike: Strike) -> Code:
    """The first message of a channel that begins at a time is the first one of the next step of the staircase."""

    def before(retained: Retained, wall_ns: int) -> int:
        number: int = right(retained, wall_ns)
        ages = retained.ages
        if ages is not None and number > 0 and wall_ns > 1:
            strike()
            return max(number, ages.step(number)[1])
        return number

    return before


@bug(beginning, "_pass_over", "replaying")
def a_start_at_a_time_lets_older_messages_in_memory_through(right: Code, strike: Strike) -> Code:
    """A channel that begins at a time takes the whole batch in memory in which the time lies, and those before it."""

    def pass_over(log: Log, cursor: Cursor) -> None:
        strike()
        cursor.since_ns = 0

    return pass_over


@bug(Broker, "channel_born", "replaying")
def only_the_node_that_was_asked_knows_the_start(right: Code, strike: Strike) -> Code:
    """The other origins hear of a channel without its settings, and begin it as any late one."""

    def channel_born(broker: Broker, *told: Any) -> None:
        *rest, local, settings = told
        if settings and not local:
            strike()
            settings = {}
        right(broker, *rest, local, settings)

    return channel_born


@bug(beginning, "open_at", "replaying")
def an_earliest_channel_gets_what_is_in_memory_only(right: Code, strike: Strike) -> Code:
    """What is retained in the store counts as finished for a channel that begins before it."""

    def open_at(log: Log, cursor: Cursor, since: int) -> None:
        kept, log.retained.numbers = log.retained.numbers, type(log.retained.numbers)()
        if kept:
            strike()
        right(log, cursor, since)
        log.retained.numbers = kept

    return open_at


@bug(Ages, "add", "replaying")
def messages_are_a_minute_older_than_they_are(right: Code, strike: Strike) -> Code:
    """The staircase takes each message for a minute older: it goes before its time."""

    def add(ages: Ages, stop: int, accepted_ns: int, size_bytes: float) -> None:
        strike()
        right(ages, stop, accepted_ns - 60_000_000_000, size_bytes)

    return add

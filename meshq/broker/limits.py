"""How much a topic or a channel may have unfinished at this origin, as somebody set it, and what happens above that.

A topic's limits hold for each of its channels, and for what it keeps while it has none; a channel's are its own.
Decides what is counted and which publish is refused: everything unfinished counts, also what is in flight. Or
which messages make room: the oldest of what waits or is deferred, until no more of that is left than the limit
says; what is in flight is not dropped, and does not count, or the newest would have to go. Limits of the node are
``intake``'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

from meshq.broker.channel import Channel
from meshq.broker.cursor import Cursor
from meshq.broker.gathering import Publishing
from meshq.broker.log import Log
from meshq.broker.sizes import Sizes
from meshq.broker.topic import Topic
from meshq.errors import EXCEEDS, Overloaded
from meshq.machine.ranges import Ranges
from meshq.machine.settings import DROP_OLDEST, ChannelSettings, TopicSettings

RANGES_MAX: Final = 64
"""A channel with more gaps than these has its bytes estimated from their sum."""


class Bound(NamedTuple):
    """A limit that somebody set: of a topic, or of one of its channels."""

    whose: str
    """What is counted: a channel, or the topic while it has none."""
    owner: str
    """What was set."""
    command: str
    setting: str
    most: int
    drops: bool


def apply(topic: Topic) -> None:
    """The limits of the topic, or of one of its channels, are others now."""
    every: list[TopicSettings | ChannelSettings] = [topic.settings]
    every += [channel.settings for channel in topic.channels.values()]
    topic.limited = any(each.messages_max or each.bytes_max for each in every)


def check(topic: Topic, publishing: Publishing) -> None:
    """Raises Overloaded, with nothing changed, when the publish would go above a limit that refuses.

    EXCEEDS when no consumer could ever help: the publish alone is above it.
    """
    places = _places(topic, publishing.traits.channels)
    refusing = [(place, bound) for place in places for bound in _bounds(topic, place) if not bound.drops]
    for _, bound in refusing:
        _check_alone(bound, publishing)
    for place, bound in refusing:
        _check_room(topic, place, bound, publishing)


def _check_alone(bound: Bound, publishing: Publishing) -> None:
    counted, what = _counted(bound, publishing.messages, len(publishing.body))
    if counted > bound.most:
        raise Overloaded(
            f"the publish has {counted:,} {what}, and {bound.setting} of {bound.owner} is {bound.most:,}: "
            f"publish less at once, or `{bound.command} {bound.setting}=N`",
            limit=bound.setting,
            code=EXCEEDS,
        )


def _check_room(topic: Topic, channel: Channel | None, bound: Bound, publishing: Publishing) -> None:
    gathering, there = topic.gathering, _amount(topic, channel, bound)
    messages, size_bytes = gathering.messages + publishing.messages, gathering.size_bytes + len(publishing.body)
    counted, what = _counted(bound, messages, size_bytes)
    if there + counted > bound.most:
        its = "its" if bound.owner == bound.whose else "the topic's"
        raise Overloaded(
            f"{bound.whose} has {there:,.0f} unfinished {what} at this node, and {its} {bound.setting} is "
            f"{bound.most:,}: add consumers, or `{bound.command} {bound.setting}=N`",
            limit=bound.setting,
        )


def _counted(bound: Bound, messages: int, size_bytes: int) -> tuple[int, str]:
    return (messages, "messages") if bound.setting == "messages_max" else (size_bytes, "bytes")


def trim(topic: Topic) -> None:
    """Make room: drop the oldest messages of whatever is above a limit that says so."""
    for channel in _places(topic, ()):
        for bound in _bounds(topic, channel):
            if bound.drops and _amount(topic, channel, bound) > bound.most:
                _make_room(topic, channel, bound)


# what is limited


def _places(topic: Topic, channels: tuple[str, ...]) -> list[Channel | None]:
    """The channels that a publish is for, or none: then the topic keeps it for the first."""
    places = [channel for name, channel in topic.channels.items() if not channels or name in channels]
    return [*places] if topic.channels else [None]


def _bounds(topic: Topic, channel: Channel | None) -> Iterator[Bound]:
    owner, command = f"topic {topic.name}", f"meshq topics configure {topic.name}"
    whose = owner if channel is None else f"channel {channel.key.channel} of {owner}"
    yield from _of(topic.settings, whose, owner, command)
    if channel is not None:
        name = channel.key.channel
        owner, command = f"channel {topic.name}/{name}", f"meshq channels configure {topic.name} {name}"
        yield from _of(channel.settings, owner, owner, command)


def _of(settings: TopicSettings | ChannelSettings, whose: str, owner: str, command: str) -> Iterator[Bound]:
    drops = settings.full == DROP_OLDEST
    if settings.messages_max:
        yield Bound(whose, owner, command, "messages_max", settings.messages_max, drops)
    if settings.bytes_max:
        yield Bound(whose, owner, command, "bytes_max", settings.bytes_max, drops)


# how much there is


def _amount(topic: Topic, channel: Channel | None, bound: Bound) -> float:
    if bound.setting == "messages_max":
        if channel is not None:
            return channel.unfinished()
        return sum(stop - start for log in topic.logs.values() for start, stop in _kept(log))
    if channel is not None:
        return sum(_size_bytes(cursor) for cursor in channel.cursors.values())
    return sum(_sizes(log).of(_kept(log)) for log in topic.logs.values())


def _kept(log: Log) -> list[tuple[int, int]]:
    """What a log without channels keeps for the first."""
    return log.gone.missing(max(log.backlog_from, log.abandoned_to), log.next)


def _size_bytes(cursor: Cursor) -> float:
    sizes, stop = _sizes(cursor.log), cursor.log.next
    if len(cursor.finished) <= RANGES_MAX:
        return sizes.of(cursor.finished.missing(cursor.born, stop))
    start = cursor.finished.around(cursor.born)[1] if cursor.born in cursor.finished else cursor.born
    return sizes.between(start, stop) * cursor.unfinished() / max(1, stop - start)


def _sizes(log: Log) -> Sizes:
    """The sizes of what is there, from now on kept; what lies in the store only is taken for as large as the rest."""
    if log.sizes is None:
        log.sizes = _measured(log)
    return log.sizes


def _measured(log: Log) -> Sizes:
    batches = log.in_order()
    there = sum(batch.count() for batch in batches)
    mean = log.kept_bytes_mean or sum(len(batch.body) for batch in batches) / max(1, there)
    sizes, number = Sizes(log.first), log.first
    for batch in batches:
        if batch.first > number:
            sizes.add(batch.first, (batch.first - number) * mean)
        sizes.add(batch.stop, len(batch.body))
        number = batch.stop
    if log.next > number:
        sizes.add(log.next, (log.next - number) * mean)
    return sizes


# making room


class Stretch(NamedTuple):
    """Messages of one log that wait: for a channel, or for the first (then there is no cursor)."""

    log: Log
    cursor: Cursor | None
    start: int
    stop: int


def _make_room(topic: Topic, channel: Channel | None, bound: Bound) -> None:
    """Drop the oldest of what waits until no more waits than there may."""
    waiting = _waiting(topic, channel)
    excess = sum(_size(one, bound) for one in waiting) - bound.most
    dropped = 0
    for one in waiting:
        if excess <= 0:
            break
        number, size = _cut(one, bound, excess)
        excess -= size
        dropped += one.log.abandon(number) if one.cursor is None else one.cursor.finish(one.start, number)
        if one.cursor is not None and one.cursor.hungry:
            one.cursor.seek(one.cursor.at)
    topic.log.turn.counters.dropped_oldest += dropped
    if channel is not None:
        channel.counters.dropped_oldest += dropped


def _waiting(topic: Topic, channel: Channel | None) -> list[Stretch]:
    """Oldest first."""
    logs = sorted(topic.logs.values(), key=lambda log: (log.id.epoch_ms, log.id.lane))
    if channel is None:
        return [Stretch(log, None, start, stop) for log in logs for start, stop in _kept(log)]
    cursors = [channel.cursors[log.id] for log in logs if log.id in channel.cursors]
    return [Stretch(cursor.log, cursor, *span) for cursor in cursors for span in _free(channel, cursor)]


def _free(channel: Channel, cursor: Cursor) -> list[tuple[int, int]]:
    """What the channel has neither finished nor lent, in order."""
    taken = Ranges(cursor.finished)
    for borrower in (*channel.borrowers.values(), *([channel.own] if channel.own is not None else [])):
        lent = borrower.lent.get(cursor.log.id)
        for lease in lent.leases if lent is not None else ():
            taken.add(lease.start, lease.stop)
    return taken.missing(cursor.born, cursor.log.next)


def _size(one: Stretch, bound: Bound) -> float:
    if bound.setting == "messages_max":
        return one.stop - one.start
    return _sizes(one.log).between(one.start, one.stop)


def _cut(one: Stretch, bound: Bound, excess: float) -> tuple[int, float]:
    """Up to where it is enough, and how much that is."""
    size = _size(one, bound)
    if size <= excess:
        return one.stop, size
    return one.start + ceil((one.stop - one.start) * excess / size), excess

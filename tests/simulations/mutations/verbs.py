"""Wrong rules of what is set: settings merged and told, pauses, emptying, limits."""

from __future__ import annotations

from typing import Any

from meshq.broker import emptying, limits, settings
from meshq.broker.channel import Channel
from meshq.broker.topic import Topic
from meshq.engine.from_routing import FromRouting
from meshq.routing.catalog import Catalog
from meshq.routing.effects import TopicEnded
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Catalog, "_tell_settings", "paused-across")
def a_name_is_born_without_its_settings(right: Code, strike: Strike) -> Code:
    """A node that hears of a channel which is set already tells its broker of the channel only."""

    def tell(names: Catalog, topic: Any, channel: str, its: Any) -> None:
        if type(names.changes[-1]).__name__ == "ChannelBorn" if names.changes else False:
            strike()
            return
        right(names, topic, channel, its)

    return tell


@bug(Channel, "paused", "paused-across")
def a_paused_topic_serves_its_channels(right: Code, strike: Strike) -> Code:
    """Only a channel's own pause holds it."""

    def paused(channel: Channel) -> bool:
        if right(channel) and not channel.settings.paused:
            strike()
        return channel.settings.paused

    return paused


@bug(Topic, "join", "paused-across")
def a_channel_that_begins_in_a_paused_topic_is_served(right: Code, strike: Strike) -> Code:
    """A topic's pause holds the channels that there are; one that begins later is not told."""

    def join(topic: Topic, key: Any, channel: Channel, *rest: Any, **more: Any) -> None:
        right(topic, key, channel, *rest, **more)
        if topic.settings.paused:
            strike()
            channel.topic = channel.topic._replace(paused=False)

    return join


@bug(settings, "configure_channel", "paused-across")
def a_channel_that_goes_on_is_not_looked_at(right: Code, strike: Strike) -> Code:
    """The end of a pause runs no send rule: what waits does so until the next publish."""

    def configure(topic: Topic, channel: Channel, told: Any, **more: Any) -> None:
        touched = channel in channel.turn.channels
        paused = channel.paused
        right(topic, channel, told, **more)
        if paused and not channel.paused and not touched:
            strike()
            del channel.turn.channels[channel]

    return configure


@bug(emptying, "accepted_by", "emptied-across")
def an_empty_takes_what_came_after_it(right: Code, strike: Strike) -> Code:
    """An origin that hears of an empty drops all that it has, however long ago that was."""

    def accepted_by(log: Any, wall_ns: int) -> Any:
        number, sure = right(log, wall_ns)
        if number != log.next:
            strike()
        return log.next, sure

    return accepted_by


@bug(settings, "empty_channel", "emptied-across")
def an_empty_that_is_heard_late_is_left_out(right: Code, strike: Strike) -> Code:
    """An origin empties when it hears of it at once; what was done while it was away it takes for old news."""

    def empty(channel: Channel, emptied_ns: int) -> None:
        if channel.turn.wall_ns(channel.turn.now) - emptied_ns > 1_000_000_000:
            strike()
            return
        right(channel, emptied_ns)

    return empty


@bug(settings, "empty_channel", "emptied-across")
def only_what_waits_is_emptied(right: Code, strike: Strike) -> Code:
    """What lies ahead of the cursor is left where it is; what came back goes."""

    def empty(channel: Channel, emptied_ns: int) -> None:
        for cursor in channel.cursors.values():
            if cursor.at < cursor.log.next:
                strike()
            cursor.finish(cursor.born, cursor.at)

    return empty


@bug(limits, "check", "limited")
def a_limit_is_not_looked_at(right: Code, strike: Strike) -> Code:
    """Limits are told, shown, and refuse nothing."""

    def check(topic: Topic, publishing: Any) -> None:
        try:
            right(topic, publishing)
        except Exception:
            strike()

    return check


@bug(limits, "_amount", "limited")
def what_is_in_flight_counts_for_no_limit(right: Code, strike: Strike) -> Code:
    """A limit that refuses counts what waits: what consumers hold comes on top."""

    def amount(topic: Topic, channel: Channel | None, bound: Any) -> float:
        counted: float = right(topic, channel, bound)
        if channel is not None and not bound.drops and channel.in_flight():
            strike()
            return counted - channel.in_flight()
        return counted

    return amount


@bug(limits, "_amount", "limited")
def a_limit_counts_what_is_finished(right: Code, strike: Strike) -> Code:
    """A limit counts all that was ever published: once reached it refuses for ever."""

    def amount(topic: Topic, channel: Channel | None, bound: Any) -> float:
        counted: float = right(topic, channel, bound)
        if channel is None or bound.drops:
            return counted
        ever = sum(cursor.log.next - cursor.born for cursor in channel.cursors.values())
        if ever > counted:
            strike()
        return ever

    return amount


@bug(limits, "_waiting", "limited")
def the_newest_make_room(right: Code, strike: Strike) -> Code:
    """A channel above its limit drops what came last."""

    def waiting(topic: Topic, channel: Channel | None) -> Any:
        found = right(topic, channel)
        whole = [one._replace(start=number, stop=number + 1) for one in found for number in range(one.start, one.stop)]
        if len(whole) > 1:
            strike()
        return whole[::-1]

    return waiting


@bug(limits, "trim", "limited")
def nothing_makes_room(right: Code, strike: Strike) -> Code:
    """A channel that is to drop its oldest messages keeps them all."""

    def trim(topic: Topic) -> None:
        strike()

    return trim


@bug(FromRouting, "tell", "unused-topics")
def an_unused_topic_takes_along_what_was_just_published(right: Code, strike: Strike) -> Code:
    """A topic that goes by itself drops what a node accepted just before it heard, as a delete would."""

    def tell(from_routing: FromRouting, now: float, effects: list[Any]) -> None:
        told = [one._replace(unused=False) if type(one) is TopicEnded else one for one in effects]
        if told != effects:
            strike()
        right(from_routing, now, told)

    return tell

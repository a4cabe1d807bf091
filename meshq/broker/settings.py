"""What it means for the messages here that a topic or a channel is set in a certain way, or not any longer.

Decides what a change does at once: a pause holds the channels, its end lets them go on; a later ``emptied_ns`` empties,
once. What a setting means for the next message is decided where its field is read.

While a start recovers, its channels are still to be heard of, and emptying is done again: what was finished just
before a crash may not have been written. A moment that lies ahead, of somebody else's clock, is left out then,
or it would take what was accepted since.
"""

from __future__ import annotations

from meshq.broker import limits
from meshq.broker.channel import Channel
from meshq.broker.emptying import empty_channel, empty_topic
from meshq.broker.topic import Topic
from meshq.machine.settings import ChannelSettings, TopicSettings


def configure_topic(topic: Topic, settings: TopicSettings, *, recovering: bool) -> None:
    """The topic is set so from now on."""
    before, topic.settings = topic.settings, settings
    limits.apply(topic)
    if (settings.retention_s, settings.retention_bytes) != (before.retention_s, before.retention_bytes):
        topic.retention.apply(settings)
    for channel in topic.channels.values():
        channel.topic = settings
        channel.touch()
    if settings.emptied_ns > before.emptied_ns and not recovering:
        empty_topic(topic, settings.emptied_ns)


def configure_channel(topic: Topic, channel: Channel, settings: ChannelSettings, *, recovering: bool) -> None:
    """The channel is set so from now on."""
    before, channel.settings = channel.settings, settings
    limits.apply(topic)
    turn = channel.turn
    if settings.emptied_ns > before.emptied_ns and not (recovering and settings.emptied_ns > turn.wall_ns(turn.now)):
        empty_channel(channel, settings.emptied_ns)
    channel.touch()


def recovered(topic: Topic) -> None:
    """Every channel has been heard of."""
    emptied_ns, turn = topic.settings.emptied_ns, topic.log.turn
    if emptied_ns <= turn.wall_ns(turn.now):
        empty_topic(topic, emptied_ns)

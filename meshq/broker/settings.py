"""What it means for the messages here that a topic or a channel is set in a certain way, or not any longer.

Decides what a change does at once: a pause holds the channels, its end lets them go on. What a setting
means for the next message is decided where its field is read.
"""

from __future__ import annotations

from meshq.broker.channel import Channel
from meshq.broker.topic import Topic
from meshq.machine.settings import ChannelSettings, TopicSettings


def configure_topic(topic: Topic, settings: TopicSettings) -> None:
    """The topic is set so from now on."""
    topic.settings = settings
    for channel in topic.channels.values():
        channel.topic = settings
        channel.touch()


def configure_channel(channel: Channel, settings: ChannelSettings) -> None:
    """The channel is set so from now on."""
    channel.settings = settings
    channel.touch()

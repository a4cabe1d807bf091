"""What exists: topics and channels as the catalog announces them, and publishes that bring a topic along.

Decides what a birth or an end means for the messages here: an end drops what was accepted before it, a birth
opens a log, a channel begins where ``log`` says. Generations only go up; an ``#ephemeral`` name has but
one, so its log goes on counting where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Final

from meshq.broker import settings
from meshq.broker.channel import Channel
from meshq.broker.effects import ConsumerEnded
from meshq.broker.gathering import Publishing
from meshq.broker.intake import Intake
from meshq.broker.legacy import Legacies, Legacy
from meshq.broker.registry import Registry
from meshq.broker.topic import Topic
from meshq.broker.window import Windows
from meshq.errors import ChannelDeleted
from meshq.machine.settings import ChannelSettings, channel_settings, topic_settings
from meshq.machine.store import LogKept, LogOver
from meshq.names import ChannelKey, Epoch, is_ephemeral

ENDED_MAX: Final = 10_000
"""Ended topics remembered, to refuse a publish that was on its way; oldest forgotten first."""


class Existence:
    """Topics, channels and interest."""

    __slots__ = (
        "_ended",
        "_intake",
        "_interest",
        "_numbered",
        "_outlived",
        "_recovering",
        "_registry",
        "_windows",
        "epoch",
        "legacies",
    )

    def __init__(self, registry: Registry, intake: Intake, windows: Windows, epoch: Epoch) -> None:
        self._registry = registry
        self._intake = intake
        self._windows = windows
        self.epoch = epoch
        """The epoch that names new logs."""
        self._ended: dict[str, int] = {}
        self._interest: dict[tuple[str, str], tuple[tuple[str, int], ...]] = {}
        self._recovering = False
        self._outlived: dict[tuple[str, int], tuple[list[tuple[float, Publishing]], list[Legacy]]] = {}
        """What lives of topics had that a publish to the next one ended, until routing says when they were over."""
        self.legacies = Legacies(registry.turn, intake)
        self._numbered = 1
        """No ephemeral log counts from below this: no number is used twice."""

    def topic(self, name: str, generation: int) -> Topic:
        """That life of the topic, which begins with its first publish. Raises ChannelDeleted when it is over."""
        found = self._registry.topics.get(name)
        if found is not None and found.generation == generation:
            return found
        if generation <= self._ended.get(name, 0) or (found is not None and generation < found.generation):
            self._registry.turn.counters.refused += 1
            raise ChannelDeleted(f"topic {name} was deleted meanwhile: publish again to start it anew")
        if found is not None:
            self._intake.close_batches()
            self._outlived[name, found.generation] = (found.unfinished(), found.leave())
        self.topic_born(name, generation)
        return self._registry.topics[name]

    def accepted_since(self, name: str, generation: int, at: float) -> list[Publishing]:
        """Unfinished messages of that life of the topic, which is about to end, that were accepted after ``at``.

        Those that the store alone has follow as ``CarryOver``.
        """
        found = self._registry.topics.get(name)
        if found is not None and found.generation == generation:
            there, legacies = found.unfinished(), found.leave()
        else:
            there, legacies = self._outlived.pop((name, generation), ([], []))
        self.legacies.add(legacies, at)
        return [publishing for accepted_at, publishing in there if accepted_at > at]

    def topic_born(self, name: str, generation: int) -> None:
        """This life of the topic exists; an earlier one is over."""
        found = self._registry.topics.get(name)
        if found is not None:
            if found.generation >= generation:
                return
            self.topic_ended(name, found.generation)
        if generation > self._ended.get(name, 0):
            first = self._numbered if is_ephemeral(name) else 1
            turn = self._registry.turn
            topic = Topic(turn, self._windows, turn.loader, name, generation, self.epoch, first)
            self._registry.topics[name] = topic

    def recover(self, logs: list[LogKept]) -> None:
        """What an earlier start left: topics with their logs. Channels follow as they are heard of."""
        self._recovering = True
        for kept in logs:
            self.topic_born(kept.topic, kept.log.generation)
            topic = self._registry.topics.get(kept.topic)
            if topic is not None and topic.generation == kept.log.generation:
                topic.recover(kept)
            else:
                self._registry.turn.journal.rows.append(LogOver(kept.topic, kept.log))

    def recovered(self) -> None:
        """Every channel of the catalog has been heard of."""
        self._recovering = False
        for topic in self._registry.topics.values():
            topic.settle_recovery()
            settings.recovered(topic)

    def tidy(self) -> None:
        """Forget logs of earlier starts that are empty by now."""
        turn = self._registry.turn
        drained, turn.drained = turn.drained, {}
        for log in drained:
            topic = self._registry.topics.get(log.topic)
            if topic is not None and not log.messages and not log.retained:
                topic.forget_log(log)

    def topic_ended(self, name: str, generation: int) -> None:
        """The topic was deleted, with its channels and every message accepted before."""
        self._intake.close_batches()
        if not is_ephemeral(name):
            self._ended[name] = max(generation, self._ended.pop(name, 0))
            if len(self._ended) > ENDED_MAX:
                del self._ended[next(iter(self._ended))]
        self.legacies.topic_ended(name, generation)
        topic = self._registry.topics.get(name)
        if topic is None or topic.generation > generation:
            _, legacies = self._outlived.pop((name, generation), ([], []))
            self.legacies.add(legacies, inf)
            return
        if not topic.channels:
            self._registry.turn.counters.dropped += topic.messages
        for channel in list(topic.channels.values()):
            self.channel_ended(channel.key)
        self._numbered = max(self._numbered, topic.log.next)
        topic.drop()
        del self._registry.topics[name]

    def channel_born(self, key: ChannelKey, age_s: float, *, local: bool, settings: Mapping[str, Any]) -> None:
        """The channel exists, since ``age_s``; ``local``: it was created here just now. It begins as it is set."""
        self._intake.close_batches()
        topic = self._registry.topics.get(key.topic)
        if topic is None:
            return
        before = topic.channels.get(key.channel)
        if before is not None:
            if before.key.generation >= key.generation:
                return
            self.channel_ended(before.key)
        channel = topic.channels[key.channel] = self._registry.channel(key)
        channel.settings = ChannelSettings(start=channel_settings(dict(settings)).start)
        self._apply(channel, self._interest.get(key[:2], ()))
        topic.join(key, channel, age_s, exact=local)

    def channel_ended(self, key: ChannelKey) -> None:
        """The channel is over: its messages are gone, its consumers are told, its credit goes back."""
        self._intake.close_batches()
        registry = self._registry
        channel = registry.channels.get(key)
        if channel is not None:
            del registry.topics[key.topic].channels[key.channel]
            registry.turn.counters.dropped += channel.leave_logs()
            registry.forget_channel(channel)
        receiver = registry.receivers.get(key)
        if receiver is not None:
            for consumer in receiver.consumers.values():
                text = f"channel {key.channel} of topic {key.topic} was deleted; what it held is gone"
                registry.turn.out.append(ConsumerEnded(consumer.number, "DELETED", text))
                registry.turn.timers.cancel(consumer)
                del registry.consumers[consumer.number]
            registry.forget_receiver(receiver)

    def configured(self, name: str, channel: str, values: dict[str, Any]) -> None:
        """The topic (``channel`` is empty) or channel is set so from now on."""
        self._intake.close_batches()
        topic = self._registry.topics.get(name)
        if topic is None:
            return
        if not channel:
            settings.configure_topic(topic, topic_settings(values), recovering=self._recovering)
        elif found := topic.channels.get(channel):
            settings.configure_channel(topic, found, channel_settings(values), recovering=self._recovering)

    def interest(self, topic: str, channel: str, peers: tuple[tuple[str, int], ...]) -> None:
        """Who has consumers on the channel: (node, nearness). It may be heard before the channel."""
        if peers:
            self._interest[topic, channel] = peers
        else:
            self._interest.pop((topic, channel), None)
        found = self._registry.topics.get(topic)
        if found is not None and channel in found.channels:
            self._apply(found.channels[channel], peers)

    def _apply(self, channel: Channel, peers: tuple[tuple[str, int], ...]) -> None:
        registry = self._registry
        interested = dict(peers)
        for name, borrower in list(channel.borrowers.items()):
            borrower.interested = name in interested
            if borrower.empty():
                registry.forget_borrower(channel, name)
        for name, nearness in peers:
            if name != registry.name:  # the own node knows its own consumers by itself
                registry.peer(name).nearness = nearness
                registry.borrower(channel, name).interested = True
        channel.touch()

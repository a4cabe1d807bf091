"""Names that end in #ephemeral: they live in interest alone, in no catalog and with no tombstone.

An ephemeral channel exists while some member has consumers on it and ``ephemeral_linger_s`` longer; an
ephemeral topic while one of its channels does, or it was used that lately. Every channel of an ephemeral
topic is ephemeral. Each life has generation 1: nothing outlives it that could be mistaken for the next.
"""

from __future__ import annotations

from typing import Final

from meshq.config import RoutingConfig
from meshq.errors import Overloaded
from meshq.machine.timers import Timers
from meshq.names import EPHEMERAL, is_ephemeral
from meshq.routing.counters import Counters
from meshq.routing.effects import ChannelBorn, ChannelEnded, Existence, TopicBorn, TopicEnded
from meshq.routing.interest import Index, Key

GENERATION: Final = 1


def is_fleeting(topic: str, channel: str) -> bool:
    """Whether the channel lives in interest alone."""
    return channel.endswith(EPHEMERAL) or topic.endswith(EPHEMERAL)


class Fleeting:
    """One ephemeral topic or channel. ``used`` since its timer was last looked at."""

    __slots__ = ("channels", "since", "used")

    def __init__(self, since: float) -> None:
        self.since = since
        self.used = False
        self.channels = 0


class Ephemerals:
    """The ephemeral names that exist. ``changes`` collects what came and went."""

    def __init__(self, config: RoutingConfig, index: Index, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._index = index
        self._timers: Timers[Key] = Timers()
        self._waiting: dict[Key, float] = {}
        """Channels with consumers whose topic is not in the catalog (yet), with their birth."""
        self.topics: dict[str, Fleeting] = {}
        self.channels: dict[Key, Fleeting] = {}
        self.changes: list[Existence] = []

    def known(self, topic: str, channel: str = "") -> int | None:
        """1 when it exists. Asking is using: who asks is about to publish."""
        found = self.channels.get((topic, channel)) if channel else self.topics.get(topic)
        if found is None:
            return None
        found.used = True
        return GENERATION

    def use_topic(self, now: float, topic: str, topics: int) -> int:
        """A caller's use of an ephemeral topic; ``topics`` exist beside the ephemeral ones. Raises Overloaded."""
        if self.known(topic) is None:
            if topics + len(self.topics) >= self._config.topics_max:
                raise Overloaded(f"there are {topics + len(self.topics)} topics: topics_max", limit="topics_max")
            self._begin_topic(now, topic)
        return GENERATION

    def use_channel(self, now: float, topic: str, channel: str) -> int:
        """A caller's use of an ephemeral channel whose topic exists. Raises Overloaded."""
        key = (topic, channel)
        if self.known(topic, channel) is None:
            if len(self.channels) >= self._config.interest_max:
                raise Overloaded(f"there are {len(self.channels)} ephemeral channels", limit="interest_max")
            self._begin_channel(now, key, now, local=True)
            if not self._index.interested(key):
                self._timers.arm(key, now + self._config.ephemeral_linger_s)
        return GENERATION

    def came(self, now: float, key: Key, since: float, topic_known: bool) -> None:
        """A node has consumers on the channel, which exists since ``since``."""
        topic, _ = key
        if is_ephemeral(topic) and topic not in self.topics:
            if len(self.topics) >= self._config.topics_max:
                self._counters.catalog_refused += 1
                return
            self._begin_topic(now, topic)
        elif not is_ephemeral(topic) and not topic_known:
            self._waiting[key] = since
            return
        if key in self.channels:
            self._timers.cancel(key)
        elif len(self.channels) < self._config.interest_max + self._config.interest_max // 4:
            self._begin_channel(now, key, since, local=False)
        else:
            self._counters.catalog_refused += 1

    def left(self, now: float, key: Key) -> None:
        """No node has consumers on the channel any more."""
        self._waiting.pop(key, None)
        if key in self.channels:
            self._timers.arm(key, now + self._config.ephemeral_linger_s)

    def topic_born(self, now: float, topic: str) -> None:
        """A topic of the catalog exists: channels that waited for it begin."""
        for key in [key for key in self._waiting if key[0] == topic]:
            self.came(now, key, self._waiting.pop(key), True)

    def topic_ended(self, topic: str) -> None:
        """A topic of the catalog ends, and with it its ephemeral channels; consumers that stay wait for the next."""
        for key in [key for key in self.channels if key[0] == topic]:
            if self._index.interested(key):
                self._waiting[key] = self.channels[key].since
            self._end_channel(key)

    def tick(self, now: float) -> None:
        """End what nobody used for a linger."""
        for key in self._timers.due(now):
            if key[1]:
                self._linger_channel(now, key)
            else:
                self._linger_topic(now, key[0])

    def deadline(self) -> float | None:
        """When something may have to end."""
        return self._timers.deadline()

    def _linger_channel(self, now: float, key: Key) -> None:
        its = self.channels[key]
        if self._index.interested(key):
            return
        if its.used:
            its.used = False
            self._timers.arm(key, now + self._config.ephemeral_linger_s)
            return
        self._end_channel(key)
        topic = self.topics.get(key[0])
        if topic is not None and not topic.channels:
            self._timers.arm((key[0], ""), now)

    def _linger_topic(self, now: float, name: str) -> None:
        topic = self.topics[name]
        if topic.channels:
            return
        if topic.used:
            topic.used = False
            self._timers.arm((name, ""), now + self._config.ephemeral_linger_s)
            return
        del self.topics[name]
        self.changes.append(TopicEnded(name, GENERATION))

    def _begin_topic(self, now: float, topic: str) -> None:
        self.topics[topic] = Fleeting(now)
        self._timers.arm((topic, ""), now + self._config.ephemeral_linger_s)
        self.changes.append(TopicBorn(topic, GENERATION))

    def _begin_channel(self, now: float, key: Key, since: float, *, local: bool) -> None:
        self.channels[key] = Fleeting(since)
        topic = self.topics.get(key[0])
        if topic is not None:
            topic.channels += 1
        self.changes.append(ChannelBorn(key[0], key[1], GENERATION, max(0.0, now - since), local))

    def _end_channel(self, key: Key) -> None:
        del self.channels[key]
        self._timers.cancel(key)
        topic = self.topics.get(key[0])
        if topic is not None:
            topic.channels -= 1
        self.changes.append(ChannelEnded(key[0], key[1], GENERATION))

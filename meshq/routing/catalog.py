"""The catalog: which topics and channels exist, as generations and tombstones, replicated to all.

State per name is a step on one ladder: alive(1) < dead(1) < alive(2) < dead(2) < ...; merging takes the
higher step, so any order of any deltas gives the same state. A topic's step comes before its channels':
a higher step of the topic ends every channel of the steps below. That a channel is known means that its
topic was alive in that generation, so records may come in any order.

Names that end in #ephemeral are not here. Who consumes what is ``interest``; how records travel is
``announce`` and ``digest``.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.config import RoutingConfig
from meshq.errors import Overloaded
from meshq.machine.timers import Timers
from meshq.routing.counters import Counters
from meshq.routing.effects import ChannelBorn, ChannelEnded, Configured, Existence, TopicBorn, TopicEnded
from meshq.routing.hashing import hash64
from meshq.routing.settings import merge_settings, plain, stamped
from meshq.wire import interest as wire
from meshq.wire import strict
from meshq.wire.interest import BUCKETS, LIFE_MAX, TOPIC_GENERATION_MAX, Record, Settings

AGE_MS_MAX: Final = 1 << 62
USED: Final = "used"
"""Its stamp is when somebody last said that the topic is used."""
UNUSED: Final = "unused"
"""Of a tombstone, or of the life after it: nobody deleted the topic, it went by itself."""
_NO_SETTINGS: Final[Settings] = {}
_WENT: Final[Settings] = {UNUSED: (0, None)}


class Channel:
    """One channel of the topic's present generation; ``life`` counts within it."""

    __slots__ = ("dead", "life", "settings", "since")

    def __init__(self, life: int, dead: bool, since: float, settings: Settings) -> None:
        self.life = life
        self.dead = dead
        self.since = since
        self.settings = settings


class Topic:
    """A topic, alive or a tombstone (then without channels). ``since``: when it came to its state."""

    __slots__ = ("bucket", "channels", "dead", "generation", "live", "name", "settings", "since")

    def __init__(self, name: str) -> None:
        self.name = name
        self.bucket = hash64(name.encode()) % BUCKETS
        self.generation = 0
        self.dead = True
        self.since = 0.0
        self.settings: Settings = {}
        self.channels: dict[str, Channel] = {}
        self.live = 0
        """How many of the channels are alive."""


class Catalog:
    """Every name of the mesh, as far as this node has heard. ``changes`` collects what came and went."""

    def __init__(self, config: RoutingConfig, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._tombstones: Timers[tuple[str, str]] = Timers()
        self.topics: dict[str, Topic] = {}
        self.buckets = [0] * BUCKETS
        """XOR of the hashes of the records in each bucket, tombstones included."""
        self.hash = 0
        self.alive = 0
        """Topics that are alive."""
        self.changes: list[Existence] = []
        self.touched: dict[tuple[str, str], None] = {}
        """Names of which something changed since it was last asked."""

    # what exists

    def known(self, topic: str, channel: str = "") -> int | None:
        """The generation in which the topic (or its channel) is alive, or None."""
        found = self.topics.get(topic)
        if found is None or found.dead:
            return None
        if not channel:
            return found.generation
        its = found.channels.get(channel)
        return None if its is None or its.dead else wire.channel_generation(found.generation, its.life)

    def deleted(self, topic: str, channel: str) -> bool:
        """Whether the channel was deleted, by itself or with an earlier life of its topic, and not used since."""
        found = self.topics.get(topic)
        if found is None or found.dead:
            return found is not None
        its = found.channels.get(channel)
        return found.generation > 1 if its is None else its.dead

    def record(self, now: float, topic: str, channel: str = "") -> Record | None:
        """What is known of that name, alive or dead, as others are told it."""
        found = self.topics.get(topic)
        if found is None:
            return None
        if not channel:
            return Record(topic, "", found.generation, found.dead, _age_ms(now, found.since), found.settings)
        its = found.channels.get(channel)
        return None if its is None else _channel_record(now, found, channel, its)

    def records(self, now: float, buckets: frozenset[int] | None = None) -> list[Record]:
        """Everything, or everything in those buckets; a topic before its channels."""
        records: list[Record] = []
        for topic in self.topics.values():
            if buckets is None or topic.bucket in buckets:
                age_ms = _age_ms(now, topic.since)
                records.append(Record(topic.name, "", topic.generation, topic.dead, age_ms, topic.settings))
                records += [_channel_record(now, topic, name, its) for name, its in topic.channels.items()]
        return records

    # own use

    def use_topic(self, now: float, name: str) -> int:
        """The topic's generation; a caller's use brings it to life. Raises Overloaded, changing nothing."""
        topic = self.topics.get(name)
        if topic is not None and not topic.dead:
            return topic.generation
        if self.alive >= self._config.topics_max:
            raise Overloaded(f"there are {self.alive} topics; topics_max is reached", limit="topics_max")
        generation = 1 if topic is None else topic.generation + 1
        if generation > TOPIC_GENERATION_MAX:
            raise Overloaded(f"{name} was deleted too often; use another name", limit="generations_max")
        went = topic is not None and UNUSED in topic.settings
        self._step_topic(now, name, generation, False, now, dict(_WENT) if went else {})
        return generation

    def use_channel(self, now: float, topic_name: str, name: str, settings: Settings = _NO_SETTINGS) -> int:
        """The channel's generation; brings topic and channel to life, the channel with ``settings``.

        Raises Overloaded, changing nothing.
        """
        topic = self.topics.get(topic_name)
        life = 1
        if topic is not None and not topic.dead:
            its = topic.channels.get(name)
            if its is not None and not its.dead:
                return wire.channel_generation(topic.generation, its.life)
            life = 1 if its is None else its.life + 1
            if topic.live >= self._config.channels_max:
                raise Overloaded(f"{topic_name} has {topic.live} channels: channels_max", limit="channels_max")
            if life > LIFE_MAX:
                raise Overloaded(f"{name} was deleted too often; use another name", limit="generations_max")
        generation = self.use_topic(now, topic_name)
        self._step_channel(now, self.topics[topic_name], name, Channel(life, False, now, settings), local=True)
        return wire.channel_generation(generation, life)

    def delete_topic(self, now: float, name: str) -> bool:
        """Turn the topic into a tombstone and end its channels; False when it was not alive."""
        topic = self.topics.get(name)
        if topic is None or topic.dead:
            return False
        self._step_topic(now, name, topic.generation, True, now, {})
        return True

    def delete_channel(self, now: float, topic_name: str, name: str) -> bool:
        """Turn the channel into a tombstone; False when it was not alive."""
        if self.known(topic_name, name) is None:
            return False
        topic = self.topics[topic_name]
        self._step_channel(now, topic, name, Channel(topic.channels[name].life, True, now, {}))
        return True

    def end_unused(self, now: float, name: str) -> bool:
        """The same for one that nobody uses; it drops nothing that somebody accepted meanwhile."""
        topic = self.topics.get(name)
        if topic is None or topic.dead:
            return False
        self._step_topic(now, name, topic.generation, True, now, dict(_WENT))
        return True

    def used_ms(self, now: float, name: str, wall_ms: int) -> float:
        """When anybody last said that the topic, which is alive, is used; its birth counts. By the wall clock."""
        topic = self.topics[name]
        stamp = topic.settings[USED][0] if USED in topic.settings else 0
        return max(stamp, wall_ms - (now - topic.since) * 1000)

    def configure(self, topic_name: str, channel: str, values: dict[str, Any], wall_ms: int) -> bool:
        """Set ``values`` of a topic (or of its channel), None taking one back; False when that is not alive."""
        if self.known(topic_name, channel) is None:
            return False
        topic = self.topics[topic_name]
        its = topic.channels[channel] if channel else topic
        self._settle(topic, channel, its, stamped(its.settings, values, wall_ms))
        return True

    def settings(self, topic_name: str, channel: str = "") -> dict[str, Any]:
        """How a topic or channel that is alive is set: name to plain value."""
        topic = self.topics[topic_name]
        return plain(topic.channels[channel].settings if channel else topic.settings)

    # what others say

    def merge(self, now: float, record: Record) -> bool:
        """Take the higher of what is known and ``record``; False when a limit kept it out (counted)."""
        if record.dead and record.age_ms >= self._config.tombstone_s * 1000:
            return True
        taken = self._merge_channel(now, record) if record.channel else self._merge_topic(now, record)
        self._counters.catalog_refused += not taken
        return taken

    def _merge_topic(self, now: float, record: Record) -> bool:
        since = now - record.age_ms / 1000
        topic = self.topics.get(record.topic)
        if topic is None or (record.generation, record.dead) > (topic.generation, topic.dead):
            if not record.dead and (topic is None or topic.dead) and self.alive >= _with_room(self._config.topics_max):
                return False
            settings = _of_the_dead(record.settings) if record.dead else dict(record.settings)
            self._step_topic(now, record.topic, record.generation, record.dead, since, settings)
        elif (record.generation, record.dead) == (topic.generation, topic.dead):
            self._agree(topic, "", topic, since, record.settings)
        return True

    def _merge_channel(self, now: float, record: Record) -> bool:
        generation = wire.topic_generation(record.generation)
        if not self._merge_topic(now, Record(record.topic, "", generation, False, record.age_ms, {})):
            return False
        topic = self.topics[record.topic]
        if topic.dead or topic.generation != generation:
            return True  # of a life of the topic that is over
        settings = {} if record.dead else dict(record.settings)
        came = Channel(wire.life(record.generation), record.dead, now - record.age_ms / 1000, settings)
        its = topic.channels.get(record.channel)
        if its is None or (came.life, came.dead) > (its.life, its.dead):
            if not came.dead and (its is None or its.dead) and topic.live >= _with_room(self._config.channels_max):
                return False
            self._step_channel(now, topic, record.channel, came)
        elif (came.life, came.dead) == (its.life, its.dead):
            self._agree(topic, record.channel, its, came.since, came.settings)
        return True

    def _agree(self, topic: Topic, channel: str, its: Topic | Channel, since: float, settings: Settings) -> None:
        """The same step told by somebody else: the older age holds, settings merge."""
        if its.dead:
            if its.settings and not _of_the_dead(settings):  # somebody did delete it
                self._settle(topic, channel, its, {})
        elif settings:
            self._settle(topic, channel, its, merge_settings(its.settings, settings))
        if since < its.since:
            its.since = since
            if its.dead:
                self._bury(topic.name, channel, since)  # last: it may forget this very name

    def _settle(self, topic: Topic, channel: str, its: Topic | Channel, settings: Settings) -> None:
        if settings == its.settings:
            return
        self._toggle(topic, channel, its)
        before, its.settings = plain(its.settings), settings
        self._toggle(topic, channel, its)
        if plain(settings) != before:
            self._tell_settings(topic, channel, its)

    def _tell_settings(self, topic: Topic, channel: str, its: Topic | Channel) -> None:
        self.changes.append(Configured(topic.name, channel, plain(its.settings)))

    # the two moves

    def _step_topic(self, now: float, name: str, generation: int, dead: bool, since: float, settings: Settings) -> None:
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(name)
        else:
            self._end_topic(now, topic, since, unused=UNUSED in settings)
        topic.generation, topic.dead, topic.since, topic.settings = generation, dead, since, settings
        self._toggle(topic, "", topic)
        if dead:
            self._bury(name, "", since)
        else:
            self.alive += 1
            self._tombstones.cancel((name, ""))
            self.changes.append(TopicBorn(name, generation))
            if plain(settings):
                self._tell_settings(topic, "", topic)

    def _end_topic(self, now: float, topic: Topic, since: float, *, unused: bool) -> None:
        """Take away what the topic was until now, its channels first."""
        age_s = max(0.0, now - since)
        for name, its in topic.channels.items():
            self._toggle(topic, name, its)
            self._tombstones.cancel((topic.name, name))
            if not its.dead:
                generation = wire.channel_generation(topic.generation, its.life)
                self.changes.append(ChannelEnded(topic.name, name, generation, age_s))
        topic.channels = {}
        topic.live = 0
        self._toggle(topic, "", topic)
        if not topic.dead:
            self.alive -= 1
            self.changes.append(TopicEnded(topic.name, topic.generation, age_s, unused))

    def _step_channel(self, now: float, topic: Topic, name: str, its: Channel, *, local: bool = False) -> None:
        before = topic.channels.get(name)
        age_s = max(0.0, now - its.since)
        if before is not None:
            self._toggle(topic, name, before)
            if not before.dead:
                topic.live -= 1
                ended = wire.channel_generation(topic.generation, before.life)
                self.changes.append(ChannelEnded(topic.name, name, ended, age_s))
        topic.channels[name] = its
        self._toggle(topic, name, its)
        if its.dead:
            self._bury(topic.name, name, its.since)
        else:
            topic.live += 1
            self._tombstones.cancel((topic.name, name))
            generation = wire.channel_generation(topic.generation, its.life)
            self.changes.append(ChannelBorn(topic.name, name, generation, age_s, local, plain(its.settings)))
            if plain(its.settings):
                self._tell_settings(topic, name, its)

    def _toggle(self, topic: Topic, channel: str, its: Topic | Channel) -> None:
        """Put a record into the hashes, or take it out again."""
        self.touched[topic.name, channel] = None
        step = its.generation if isinstance(its, Topic) else wire.channel_generation(topic.generation, its.life)
        text = f"{topic.name}\0{channel}\0{step}\0{its.dead}".encode()
        hashed = hash64(text + strict.encode(sorted(its.settings.items())) if its.settings else text)
        self.buckets[topic.bucket] ^= hashed
        self.hash ^= hashed

    # tombstones

    def tick(self, now: float) -> None:
        """Forget the tombstones that are old enough."""
        for topic, channel in self._tombstones.due(now):
            self._forget(topic, channel)

    def deadline(self) -> float | None:
        """When the oldest tombstone is old enough."""
        return self._tombstones.deadline()

    @property
    def tombstones(self) -> int:
        """How many names are dead and not yet forgotten."""
        return len(self._tombstones)

    def _bury(self, topic: str, channel: str, since: float) -> None:
        self._tombstones.arm((topic, channel), since + self._config.tombstone_s)
        while len(self._tombstones) > self._config.tombstones_max:
            oldest = self._tombstones.deadline()
            assert oldest is not None
            for name in self._tombstones.due(oldest):
                self._forget(*name)

    def _forget(self, topic_name: str, channel: str) -> None:
        topic = self.topics[topic_name]
        self._toggle(topic, channel, topic.channels[channel] if channel else topic)
        if channel:
            del topic.channels[channel]
        else:
            del self.topics[topic_name]


def _of_the_dead(settings: Settings) -> Settings:
    return dict(_WENT) if UNUSED in settings else {}


def _channel_record(now: float, topic: Topic, name: str, its: Channel) -> Record:
    generation = wire.channel_generation(topic.generation, its.life)
    return Record(topic.name, name, generation, its.dead, _age_ms(now, its.since), its.settings)


def _age_ms(now: float, since: float) -> int:
    """Rounded up: a channel that starts a little too early misses nothing."""
    return min(AGE_MS_MAX, max(0, int((now - since) * 1000) + 1))


def _with_room(limit: int) -> int:
    """What peers may create: uses of several nodes at one moment must not split the catalog."""
    return limit + limit // 4

"""Topic and channel as a stateful test: one node, its consumers and its disk, against plain dictionaries.

Hypothesis draws what happens: publishes of all kinds, consumers that finish any part of what they have, give it up,
touch it or let it time out, pauses, emptying, deletes, a disk that is late, full or can't be read, restarts in order
and crashes of the process and the host. ``topic_model`` says after every step what must hold; in the end everything
must be delivered, and neither the broker nor the store may keep anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meshq.broker import loading
from meshq.broker.batch import Traits
from meshq.names import DISK, FSYNC, MEMORY, is_dead_topic
from meshq.sim.disk import Fate
from tests.properties.topic_model import Channel, Consumer, State, Topic
from tests.properties.topic_node import MARK, Node

T = TypeVar("T")
TOPICS = ("t", "u")
CHANNELS = ("a", "b", "c")
MESSAGES_MAX = 60
"""Unfinished in one topic."""
CONSUMERS_MAX = 6
NANO_S = 0.000_000_1
"""No publish comes in the nanosecond in which something was emptied."""
HEAD_BYTES = 16
LETTER_BYTES = 1024
"""What the headers of a dead letter take at most: who has less room gets it only alone."""
"""What a message takes besides."""
CHUNK_BYTES = 900
"""So little is loaded at once."""
LITTLE_BYTES = 12_000
KINDS = ("plain", "plain", "plain", "deferred", "wanted", "key", "key", "key", "lane", "some", "id", "mixed")
LEVELS = (DISK, DISK, DISK, FSYNC, MEMORY)
DELAYS_S = (0.5, 5.0, 70.0, 130.0)


def somebody(machine: TopicMachine) -> bool:
    """There are consumers."""
    return bool(machine.its.model.consumers)


def somebody_holds(machine: TopicMachine) -> bool:
    """A consumer has messages in hand."""
    return any(one.held for one in machine.its.model.consumers.values())


def somebody_was_late(machine: TopicMachine) -> bool:
    """Messages timed out."""
    return any(one.late for one in machine.its.model.consumers.values())


def some_channel(machine: TopicMachine) -> bool:
    """There are channels."""
    return bool(machine.its.channels())


def some_backlog(machine: TopicMachine) -> bool:
    """A topic keeps messages for its first channel."""
    return any(topic.backlog for topic in machine.its.model.topics.values())


places = st.integers(0, 1_000)
topics = st.sampled_from(TOPICS)
sizes = st.lists(st.sampled_from([1, 1, 1, 20, 300, 700]), min_size=1, max_size=6)
kinds = st.sampled_from(KINDS)
counts = st.sampled_from([3, 1, 1, 2, 8, 20, 0])
room = st.sampled_from([50_000, 5_000, 400, 40])


class Steps:
    """How many steps were done, by all machines of the process."""

    done = 0
    delivered = 0


class TopicMachine(RuleBasedStateMachine):
    """A node, and all that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [
            patch.object(loading, "CHUNK_BYTES_MIN", CHUNK_BYTES),
            patch.object(loading, "CHUNK_BYTES", 4 * CHUNK_BYTES),
        ]
        for one in self.patches:
            one.start()
        self.node: Node | None = None

    @initialize(
        memory_bytes=st.sampled_from([3_000, 12_000, 1 << 28]),
        channels=st.sampled_from([1, 2, 3, 0]),
        capacity=st.sampled_from([8, 3, 1, 20, 0]),
    )
    def begin(self, memory_bytes: int, channels: int, capacity: int) -> None:
        self.node = Node(memory_bytes)
        topic = self.topic("t")
        for name in CHANNELS[:channels]:
            channel = self.node.begin_channel(topic, name)
            if capacity:
                self.node.subscribe(channel, capacity, 50_000, 20.0)
        self.node.turn()
        Steps.done -= 1

    @property
    def its(self) -> Node:
        assert self.node is not None
        return self.node

    def topic(self, name: str) -> Topic:
        return self.its.model.topics.get(name) or self.its.create(name)

    def channel(self, at: int) -> Channel:
        return _pick(self.its.channels(), at)

    def consumer(self, at: int) -> Consumer:
        return _pick(list(self.its.model.consumers.values()), at)

    def holder(self, at: int) -> Consumer:
        return _pick([one for one in self.its.model.consumers.values() if one.held], at)

    # publishing

    @rule(name=topics, kind=kinds, level=st.sampled_from(LEVELS), sizes=sizes, at=places)
    def publish(self, name: str, kind: str, level: int, sizes: list[int], at: int) -> None:
        self._publish(name, kind, level, sizes, at)
        self.its.turn()

    @rule(level=st.sampled_from(LEVELS), sizes=sizes)
    def publish_more(self, level: int, sizes: list[int]) -> None:
        self._publish("t", "plain", level, sizes, 0)
        self.its.turn()

    @rule(name=topics, kind=kinds, other=kinds, level=st.sampled_from(LEVELS), sizes=sizes, at=places)
    def publish_together(self, name: str, kind: str, other: str, level: int, sizes: list[int], at: int) -> None:
        self._publish(name, kind, level, sizes, at)
        self._publish(name, other, level, sizes[:2], at + 1)
        self.its.turn()

    def _publish(self, name: str, kind: str, level: int, sizes: list[int], at: int) -> None:
        topic = self.topic(name)
        if self.its.broker.in_use(name)[0] < MESSAGES_MAX:
            publish_id = "xy"[at % 2] if kind == "id" else ""
            sizes = [1] if publish_id else sizes
            self.its.publish(topic, sizes, self._traits(topic, kind, level, at), publish_id)

    def _traits(self, topic: Topic, kind: str, level: int, at: int) -> Traits:
        now = self.its.now
        traits = Traits(level=level)
        mixed = kind == "mixed"
        if kind == "deferred" or (mixed and at & 1):
            traits = traits._replace(due=now + DELAYS_S[at % 4])
        if kind == "wanted" or (mixed and at & 2):
            traits = traits._replace(expires=now + (0.7, 6.0, 90.0)[at % 3])
        if kind == "key" or (mixed and at & 4):
            traits = traits._replace(key="kl"[at % 2])
        if kind == "lane" or (mixed and at & 8):
            traits = traits._replace(lane=1 + at % 3)
        if (kind == "some" or (mixed and at & 16)) and topic.channels:
            names = list(topic.channels)
            traits = traits._replace(channels=tuple(names[at % len(names) :][:2]))
        return traits

    # what exists

    @rule(name=topics, channel=st.sampled_from(CHANNELS))
    def create_channel(self, name: str, channel: str) -> None:
        topic = self.topic(name)
        if channel not in topic.channels:
            self.its.begin_channel(topic, channel)
            self.its.turn()

    @precondition(some_channel)
    @rule(at=places, sure=st.sampled_from([0, 0, 1]))
    def delete_channel(self, at: int, sure: int) -> None:
        if sure:
            self.its.end_channel(self.channel(at))

    @rule(at=places, sure=st.sampled_from([0, 0, 0, 1]))
    def delete_topic(self, at: int, sure: int) -> None:
        if sure and self.its.model.topics:
            self.its.delete(_pick(list(self.its.model.topics.values()), at))

    @precondition(some_channel)
    @rule(at=places, paused=st.booleans(), whole=st.sampled_from([False, False, True]))
    def pause(self, at: int, paused: bool, whole: bool) -> None:
        channel = self.channel(at)
        self.its.configure(channel.topic, None if whole else channel, paused=paused)

    @precondition(some_channel)
    @rule(at=places, back_s=st.sampled_from([0.0, 0.0, 0.5, 3.0]))
    def empty(self, at: int, back_s: float) -> None:
        channel = self.channel(at)
        until_ns = round((self.its.now - back_s) * 1e9)
        if until_ns > channel.settings.get("emptied_ns", 0):
            gone = self.its.model.empty(channel, until_ns)
            self.its.configure(channel.topic, channel, emptied_ns=until_ns)
            self.its.wait(NANO_S)
            has = self.its.has(channel)
            assert back_s or not any(one in has for one in gone), f"{channel.key} was emptied and has {has}"

    @precondition(some_backlog)
    @rule(name=topics)
    def empty_backlog(self, name: str) -> None:
        topic = self.its.model.topics.get(name)
        if topic is not None and not topic.channels and self.its.wall_ns > topic.settings.get("emptied_ns", 0):
            topic.backlog, topic.remains = {}, {}
            self.its.configure(topic, None, emptied_ns=self.its.wall_ns)
            self.its.wait(NANO_S)
            assert self.its.broker.in_use(name)[0] == 0, f"{name} was emptied and has messages"

    @precondition(some_channel)
    @rule(at=places, attempts_max=st.sampled_from([0, 1, 2, 3]))
    def limit_attempts(self, at: int, attempts_max: int) -> None:
        channel = self.channel(at)
        self.its.configure(channel.topic, channel, attempts_max=attempts_max)

    @rule(possible=st.booleans())
    def letters(self, possible: bool) -> None:
        self.its.buried = possible

    # consumers

    @precondition(some_channel)
    @rule(at=places, messages=counts, size_bytes=room, timeout_s=st.sampled_from([20.0, 2.0, 60.0]))
    def subscribe(self, at: int, messages: int, size_bytes: int, timeout_s: float) -> None:
        channel = self.channel(at)
        if len(self.its.model.consumers) < CONSUMERS_MAX:
            self.its.subscribe(channel, messages, size_bytes, timeout_s)

    @precondition(somebody)
    @rule(at=places, messages=counts, size_bytes=room)
    def resize(self, at: int, messages: int, size_bytes: int) -> None:
        self.its.resize(self.consumer(at), messages, size_bytes)

    @precondition(somebody)
    @rule(at=places)
    def leave(self, at: int) -> None:
        self.its.leave(self.consumer(at))

    @precondition(somebody_holds)
    @rule(at=places)
    def finish_all(self, at: int) -> None:
        consumer = self.holder(at)
        self.its.finish(consumer, list(consumer.held))

    @precondition(somebody_holds)
    @rule()
    def everybody_finishes(self) -> None:
        for consumer in [one for one in self.its.model.consumers.values() if one.held]:
            self.its.finish(consumer, list(consumer.held))

    @precondition(somebody_holds)
    @rule(at=places, mask=st.integers(1, 255))
    def finish(self, at: int, mask: int) -> None:
        consumer = self.holder(at)
        self.its.finish(consumer, _part(list(consumer.held), mask))

    @precondition(somebody_was_late)
    @rule(at=places, mask=st.integers(1, 255))
    def finish_late(self, at: int, mask: int) -> None:
        consumer = _pick([one for one in self.its.model.consumers.values() if one.late], at)
        self.its.finish(consumer, _part(list(consumer.late), mask))

    @precondition(somebody_holds)
    @rule(
        at=places,
        mask=st.integers(1, 255),
        delay_s=st.sampled_from([0.0, 0.0, 1.0, 90.0]),
        reason=st.sampled_from(["requeue", "requeue", "cancelled"]),
    )
    def requeue(self, at: int, mask: int, delay_s: float, reason: str) -> None:
        consumer = self.holder(at)
        self.its.requeue(consumer, _part(list(consumer.held), mask), delay_s, reason)

    @precondition(somebody_holds)
    @rule(at=places, mask=st.integers(1, 255))
    def give_back(self, at: int, mask: int) -> None:
        consumer = self.holder(at)
        self.its.give_back(consumer, _part(list(consumer.held), mask))

    @precondition(somebody_holds)
    @rule(at=places, mask=st.integers(1, 255))
    def touch(self, at: int, mask: int) -> None:
        consumer = self.holder(at)
        self.its.touch(consumer, _part(list(consumer.held), mask))

    # time, the disk, the process

    @rule(seconds=st.sampled_from([0.000_5, 0.004, 0.03, 0.2, 1.0, 3.0, 11.0, 25.0, 65.0]))
    def wait(self, seconds: float) -> None:
        self.its.wait(seconds)

    @rule(full=st.booleans(), slow_s=st.sampled_from([0.0, 0.0, 0.3]), unread=st.sampled_from([0, 0, 1]))
    def disk(self, full: bool, slow_s: float, unread: int) -> None:
        self.its.disk.full = full
        self.its.disk.slow_s = slow_s
        self.its.unread = unread

    @rule(down_s=st.sampled_from([0.0, 0.5, 30.0]))
    def restart(self, down_s: float) -> None:
        self.its.end("kept", clean=True, down_s=down_s)

    @rule(fate=st.sampled_from(["kept", "kept", "unsynced-lost"]), down_s=st.sampled_from([0.0, 0.5, 30.0]))
    def crash(self, fate: Fate, down_s: float) -> None:
        self.its.end(fate, clean=False, down_s=down_s)

    @rule()
    def calm(self) -> None:
        """With a disk in health nobody who has room waits for what is there."""
        self._heal()
        for _ in range(20):
            self.its.wait(1.0)
            if not any(self._waits()):
                return
        raise AssertionError(f"waits for nothing: {next(self._waits())}")

    def _heal(self) -> None:
        disk = self.its.disk
        disk.full, disk.slow_s, self.its.unread = False, 0.0, 0

    def _waits(self) -> Iterator[str]:
        for channel in self.its.channels():
            free = [one for one in channel.consumers.values() if one.messages and not one.held]
            if not free or channel.paused:
                continue
            waiting = [one for one, state in channel.messages.items() if self._may_go(channel, one, state)]
            largest = max((channel.topic.messages[one].size_bytes for one in channel.messages), default=0)
            head_bytes = LETTER_BYTES if is_dead_topic(channel.key.topic) else HEAD_BYTES
            if waiting and largest + head_bytes <= max(one.size_bytes for one in free):  # the first may be the largest
                yield f"{channel.key}: {waiting} for {free[0].number}"

    def _may_go(self, channel: Channel, one: int, state: State) -> bool:
        every = channel.topic.messages
        if state.holder or state.dying or state.due > self.its.now or every[one].expired(self.its.now):
            return False
        key = every[one].key
        if self._behind_keys(channel, one):
            return False
        return not key or not any(other != one and every[other].key == key for other in channel.messages)

    def _behind_keys(self, channel: Channel, one: int) -> bool:
        """With little memory the node looks no further than a batch of messages with keys."""
        if self.its.limits.memory_bytes_max > LITTLE_BYTES:
            return False
        every = channel.topic.messages
        return any(other < one and every[other].key for other in channel.messages)

    # what must hold

    @invariant()
    def every_message_is_where_it_should_be(self) -> None:
        if self.node is None:
            return
        Steps.done += 1
        self.node.broker.check()
        self._check_figures()

    def _check_figures(self) -> None:
        for channel in self.its.channels():
            self.its.model.check(channel, self.its.has(channel))
        stats = {topic["topic"]: topic for topic in self.its.broker.stats()}
        self.its.turn()  # a question may move a cursor on, as any input
        assert sorted(stats) == sorted(self.its.model.topics)
        for topic in self.its.model.topics.values():
            channels = {one["channel"]: one for one in stats[topic.name]["channels"]}
            assert sorted(channels) == sorted(topic.channels)
            for channel in topic.channels.values():
                self._check_channel(channel, channels[channel.name])
            if not topic.channels:
                self._check_backlog(topic, stats[topic.name]["depth"])

    def _check_channel(self, channel: Channel, figures: dict[str, Any]) -> None:
        model = self.its.model
        held = sum(len(one.held) for one in channel.consumers.values())
        assert figures["in_hand"] == held, f"{channel.key}: {figures} where {held} are in hand"
        assert figures["consumers"] == len(channel.consumers)
        assert figures["paused"] == bool(channel.settings.get("paused"))
        more = len(channel.lazy) + len(channel.optional)
        waiting, deferred = model.waiting(channel), model.deferred(channel)
        unread = model.unread(channel)
        what = f"{channel.key}: {figures}, {waiting} wait, {deferred} deferred, {more} more, {unread} unread"
        assert waiting - len(channel.buffered) - unread <= figures["depth"] <= waiting + more + unread, what
        assert deferred - unread <= figures["deferred"] <= deferred + more + unread, what

    def _check_backlog(self, topic: Topic, depth: int) -> None:
        kept = [one for one in topic.backlog if not topic.messages[one].expired(self.its.now)]
        most = len(topic.backlog) + len(topic.remains)
        assert len(kept) <= depth <= most, f"{topic.name}: {depth} where {len(kept)} to {most} are kept"

    # the end

    def teardown(self) -> None:
        try:
            if self.node is not None:
                Steps.delivered += self.node.model.delivered
                self._finish_everything()
        finally:
            for one in self.patches:
                one.stop()

    def _finish_everything(self) -> None:
        """The disk is well, nothing is paused and all consumers finish: then nothing is left."""
        node = self.its
        self._heal()
        node.buried = True
        node.wait(2.0)
        for _ in range(12):
            self._everybody_consumes()
            for seconds in (0.06, 0.2, 1.0, 70.0):
                self._finish_rounds()
                node.wait(seconds)
            if not node.broker.messages_left() and not any(one.messages for one in node.channels()):
                break
        self.every_message_is_where_it_should_be()
        for channel in node.channels():
            assert not channel.messages, f"{channel.key} never delivers {channel.messages}"
        self._check_silence()

    def _everybody_consumes(self) -> None:
        for name in list(self.its.model.topics):
            topic = self.its.model.topics[name]
            if not topic.channels:
                self.its.begin_channel(topic, "a")
            self.its.configure(topic, None, paused=False)
            for channel in topic.channels.values():
                self.its.configure(topic, channel, paused=False)
                if not any(one.messages >= 50 for one in channel.consumers.values()):
                    self.its.subscribe(channel, 50, 1 << 20, 300.0)

    def _finish_rounds(self) -> None:
        for _ in range(200):
            holders = [one for one in self.its.model.consumers.values() if one.held]
            if not holders:
                return
            for consumer in holders:
                self.its.finish(consumer, list(consumer.held))
            self.its.wait(0.01)
        raise AssertionError("it goes on and on")

    def _check_silence(self) -> None:
        node = self.its
        node.wait(100.0)
        assert node.broker.messages_left() == 0, f"{node.broker.messages_left()} messages are stuck"
        assert node.broker.memory_bytes == 0, f"{node.broker.memory_bytes} bytes of nothing are kept in memory"
        for (topic, log), shelf in node.disk.committed.logs.items():
            assert not shelf.batches, f"the store keeps {shelf.numbers()} of {topic} {log}"
            assert log.epoch_ms == node.broker._existence.epoch.ms, f"the store keeps {topic} {log}, which is empty"
            for place in shelf.channels.values():
                assert not place.tried, f"the store keeps {place.tried}"
        assert list(node.disk.committed.puts) in ([], [MARK]), "the store keeps ids whose window is over"


def _pick(every: list[T], at: int) -> T:
    return every[at % len(every)]


def _part(every: list[int], mask: int) -> list[int]:
    return [one for at, one in enumerate(every) if mask >> (at % 8) & 1]

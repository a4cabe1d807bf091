"""An origin by itself: publishes become batches, batches stay as long as somebody may want them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from meshq.broker.batch import Traits
from meshq.broker.broker import Broker
from meshq.broker.effects import Confirmed, ConsumerEnded, Hand
from meshq.broker.why import Why
from meshq.config import BrokerConfig, Config
from meshq.errors import ChannelDeleted, Overloaded
from meshq.machine.effects import NO_TOKEN, Store
from meshq.machine.store import BatchRow
from meshq.names import DISK, Epoch
from meshq.wire import bodies

WALL_NS = 1_700_000_000_000_000_000


def durable(now: float, delay_s: float) -> Traits:
    return Traits(due=now + delay_s if delay_s else 0.0, level=DISK)


def rows_of(store: Store) -> list[BatchRow]:
    return [row for row in store.rows if isinstance(row, BatchRow)]


class Node:
    """One broker and what it said."""

    def __init__(self, *, store: bool = True, **limits: Any) -> None:
        self.broker = Broker(Config(name="a", broker=BrokerConfig(**limits)), Epoch(1, 2), Random(1))
        self.now = 100.0
        self.token = 0
        self.stores: list[Store] = []
        self.confirmed: list[Confirmed] = []
        self.hands: list[Hand] = []
        self.ended: list[ConsumerEnded] = []
        if store:
            self.broker.recover(self.now, WALL_NS, [])
        self.broker.topic_born(self.now, "t", 1)

    def gather(self, *messages: bytes, topic: str = "t", generation: int = 1, delay_s: float = 0.0) -> int:
        self.token += 1
        body = bodies.encode(list(messages))
        self.broker.publish(
            self.now,
            self.token,
            topic,
            generation,
            len(messages),
            body,
            traits=durable(self.now, delay_s),
            wall_ns=WALL_NS,
        )
        return self.token

    def publish(self, *messages: bytes, delay_s: float = 0.0) -> None:
        self.gather(*messages, delay_s=delay_s)
        self.turn()

    def channel(self, name: str, age_s: float = 0.0, *, local: bool = True, generation: int = 1) -> None:
        self.broker.channel_born(self.now, "t", name, generation, age_s, local)
        self.turn()

    def consume(self, channel: str, number: int = 1, messages: int = 1_000, size_bytes: int = 1 << 20) -> None:
        self.broker.consumers.joined(self.now, number, "t", channel, 1, messages, size_bytes, 60.0)
        self.turn()

    def finish(self, number: int = 1) -> None:
        spans = [hand[1:4] for hand in self.hands if hand.consumer == number]
        self.broker.consumers.finish(self.now, number, spans)
        self.turn()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        while (deadline := self.broker.deadline()) is not None and deadline <= self.now:
            self.broker.tick(self.now)
            self.turn()

    def turn(self) -> None:
        for effect in self.broker.effects():
            match effect:
                case Store():
                    self.stores.append(effect)
                case Confirmed():
                    self.confirmed.append(effect)
                case Hand():
                    self.hands.append(effect)
                case ConsumerEnded():
                    self.ended.append(effect)
        self.broker.check()

    def bodies(self, number: int = 1) -> list[Any]:
        hands = [hand for hand in self.hands if hand.consumer == number]
        return [one for hand in hands for one in bodies.decode(hand.body)]


def test_publishes_of_one_turn_share_a_batch() -> None:
    node = Node()
    for message in (b"1", b"2", b"3"):
        node.gather(message)
    node.turn()
    assert [(row.first, row.messages) for row in rows_of(node.stores[0])] == [(1, 3)]


def test_publishes_of_different_due_time_do_not_share_one() -> None:
    node = Node()
    node.gather(b"1")
    node.gather(b"2", delay_s=5.0)
    node.gather(b"3", delay_s=5.0)
    node.gather(b"4")
    node.turn()
    assert [(row.first, row.messages) for row in rows_of(node.stores[0])] == [(1, 1), (2, 2), (4, 1)]


def test_a_batch_has_at_most_so_many_messages() -> None:
    node = Node(batch_messages_max=4)
    node.gather(b"1", b"2", b"3")
    node.gather(b"4", b"5")
    node.gather(*[b"x"] * 9)
    node.turn()
    found = [(row.first, row.first + row.messages) for row in rows_of(node.stores[0])]
    assert found == [(1, 4), (4, 6), (6, 10), (10, 14), (14, 15)]
    node.channel("c")
    node.consume("c")
    assert node.bodies() == [b"1", b"2", b"3", b"4", b"5", *[b"x"] * 9]


def test_a_batch_has_at_most_so_many_bytes_unless_one_message_is_larger() -> None:
    node = Node(batch_bytes_max=100)
    node.gather(b"x" * 60, b"y" * 60, b"z" * 300, b"end")
    node.turn()
    assert [row.messages for row in rows_of(node.stores[0])] == [1, 1, 1, 1]


def test_a_publish_is_confirmed_when_it_is_stored_and_not_before() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    first, second = node.gather(b"1", b"2"), node.gather(b"3")
    node.turn()
    assert node.confirmed == []
    assert node.bodies() == [b"1", b"2", b"3"], "delivery does not wait"
    node.broker.stored(node.now, node.stores[-1].token)
    node.turn()
    assert [(one.token, one.first, one.level) for one in node.confirmed] == [
        (first, 1, "disk"),
        (second, 3, "disk"),
    ]
    assert node.confirmed[0].log.origin == "a"


def test_rows_that_nobody_waits_for_are_not_remembered_until_a_disk_takes_them() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.publish(b"1")
    node.finish()
    node.wait(1.0)
    assert [store.token == NO_TOKEN for store in node.stores] == [False, True]


def test_confirmations_may_come_in_another_order_than_the_stores() -> None:
    node = Node()
    node.publish(b"1")
    node.publish(b"2")
    for store in reversed(node.stores):
        node.broker.stored(node.now, store.token)
    node.turn()
    assert [one.token for one in node.confirmed] == [2, 1]


def test_a_full_node_refuses_and_says_which_limit() -> None:
    node = Node(store=False, memory_bytes_max=10_000)
    for _ in range(6):
        node.publish(b"x" * 1_000)
    with pytest.raises(Overloaded, match="try again") as caught:
        node.publish(b"x" * 1_000)
    assert caught.value.limit == "memory_bytes_max"
    assert node.broker.memory_bytes <= 10_000
    assert node.broker.counters.refused == 1


def test_what_is_gathered_counts_before_the_turn_ends() -> None:
    node = Node(store=False, memory_bytes_max=10_000)
    for _ in range(9):
        node.gather(b"x" * 1_000)
    with pytest.raises(Overloaded):
        node.gather(b"x" * 1_000)


def test_recent_batches_make_room_before_anything_is_refused() -> None:
    node = Node(store=False, memory_bytes_max=10_000)
    node.channel("c")
    node.consume("c")
    for _ in range(100):
        node.publish(b"x" * 1_000)
        node.finish()
    assert node.broker.counters.refused == 0


def test_a_topic_has_at_most_so_many_messages() -> None:
    node = Node(topic_messages_max=10)
    node.publish(*[b"x"] * 8)
    with pytest.raises(Overloaded) as caught:
        node.gather(b"1", b"2", b"3")
    assert caught.value.limit == "topic_messages_max"


def test_a_finished_batch_leaves_memory_when_the_window_is_over() -> None:
    node = Node(window_s=10.0)
    node.channel("c")
    node.consume("c")
    node.publish(b"1", b"2")
    node.finish()
    assert node.broker.messages_left() == 0
    assert node.broker.memory_bytes > 0
    node.wait(11.0)
    assert node.broker.memory_bytes == 0


def test_an_unfinished_batch_does_not_keep_later_ones() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.publish(b"slow")
    held = node.broker.memory_bytes
    node.publish(*[b"x"] * 100)
    node.broker.consumers.finish(node.now, 1, [hand[1:4] for hand in node.hands[1:]])
    node.turn()
    node.wait(11.0)
    assert node.broker.memory_bytes == held


def test_the_window_is_bounded_per_topic_and_per_node() -> None:
    node = Node(window_topic_bytes_max=5_000, window_bytes_max=8_000)
    for topic in ("t", "u", "v"):
        node.broker.topic_born(node.now, topic, 1)
        node.broker.channel_born(node.now, topic, "c", 1, 0.0, True)
    for number, topic in enumerate(("t", "u", "v"), 1):
        node.broker.consumers.joined(node.now, number, topic, "c", 1, 1_000, 1 << 20, 60.0)
        for _ in range(10):
            node.gather(b"x" * 1_000, topic=topic)
            node.turn()
            node.finish(number)
    sizes = [topic.log.window_bytes for topic in node.broker._registry.topics.values()]
    assert all(size <= 5_000 for size in sizes)
    assert sum(sizes) <= 8_000
    assert sizes[2] > 4_000, "the oldest went, not the newest"


def test_a_topic_without_channels_keeps_everything_for_its_first() -> None:
    node = Node(window_s=10.0)
    node.publish(b"1", b"2")
    node.wait(100.0)
    node.publish(b"3")
    assert node.broker.messages_left() == 3
    node.channel("c", local=False)
    node.consume("c")
    assert node.bodies() == [b"1", b"2", b"3"]


def test_channels_born_soon_after_the_first_start_where_it_started() -> None:
    node = Node(first_channels_s=10.0)
    node.publish(b"1", b"2")
    node.wait(100.0)
    node.channel("c")
    node.consume("c", 1)
    node.finish(1)
    node.wait(8.0)
    node.publish(b"3")
    node.channel("d")
    node.consume("d", 2)
    assert node.bodies(2) == [b"1", b"2", b"3"]
    node.finish(1)
    node.finish(2)
    node.wait(40.0)
    assert node.broker.memory_bytes == 0


def test_which_of_two_first_channels_was_heard_of_first_does_not_matter() -> None:
    node = Node(first_channels_s=10.0)
    node.publish(b"1")
    node.wait(50.0)
    node.channel("d", age_s=1.0, local=False)
    node.channel("c", age_s=9.0, local=False)
    for number, channel in enumerate(("c", "d"), 1):
        node.consume(channel, number)
        assert node.bodies(number) == [b"1"]


def test_a_channel_created_here_later_gets_what_is_published_from_then_on() -> None:
    node = Node(first_channels_s=5.0)
    node.channel("c")
    node.wait(60.0)
    node.publish(b"before")
    node.gather(b"in the same turn")
    node.channel("d")
    node.publish(b"after")
    node.consume("d")
    assert node.bodies() == [b"after"]


def test_a_channel_heard_of_late_starts_in_the_window_as_far_back_as_it_is_old() -> None:
    node = Node(first_channels_s=5.0)
    node.channel("c")
    node.consume("c", 9)
    node.wait(60.0)
    for message in (b"1", b"2", b"3", b"4"):
        node.publish(message)
        node.finish(9)
        node.wait(2.0)
    node.channel("d", age_s=4.5, local=False)  # created between 2 and 3; one second is added
    node.consume("d", 1)
    assert node.bodies(1) == [b"3", b"4"]
    node.channel("e", age_s=5.5, local=False)
    node.consume("e", 2)
    assert node.bodies(2) == [b"2", b"3", b"4"], "rather a second too early"
    assert node.broker.counters.gaps == 0


def test_where_the_window_does_not_reach_the_gap_is_counted() -> None:
    node = Node(first_channels_s=5.0, window_s=10.0)
    node.channel("c")
    node.consume("c", 9)
    node.wait(60.0)
    for _ in range(20):
        node.publish(b"x")
        node.finish(9)
        node.wait(1.0)
    node.channel("d", age_s=15.0, local=False)
    node.consume("d", 1)
    assert 8 <= len(node.bodies(1)) <= 11
    assert 4 <= node.broker.counters.gaps <= 7


def test_a_channel_that_ended_leaves_the_others_and_frees_its_own() -> None:
    node = Node()
    node.channel("c")
    node.channel("d")
    node.publish(b"1")
    node.consume("c")
    node.finish()
    assert node.broker.messages_left() == 1
    node.broker.channel_ended(node.now, "t", "d", 1)
    node.turn()
    assert node.broker.messages_left() == 0
    assert node.broker.counters.dropped == 1


def test_after_the_last_channel_the_topic_keeps_what_is_published_then() -> None:
    node = Node()
    node.channel("c")
    node.publish(b"dropped")
    node.broker.channel_ended(node.now, "t", "c", 1)
    node.publish(b"kept")
    node.wait(100.0)
    node.channel("c", generation=2)
    node.broker.consumers.joined(node.now, 1, "t", "c", 2, 10, 1 << 20, 60.0)
    node.turn()
    assert node.bodies() == [b"kept"]


def test_a_deleted_topic_drops_its_messages_and_tells_its_consumers() -> None:
    node = Node()
    node.channel("c")
    node.consume("c", 5)
    node.publish(b"1", b"2")
    node.broker.topic_ended(node.now, "t", 1)
    node.turn()
    assert [(one.consumer, one.code) for one in node.ended] == [(5, "DELETED")]
    assert (node.broker.messages_left(), node.broker.memory_bytes) == (0, 0)
    node.finish(5)
    with pytest.raises(ChannelDeleted, match="publish again"):
        node.gather(b"3")
    node.gather(b"4", generation=2)
    node.turn()
    assert rows_of(node.stores[-1])[0].log.generation == 2


def test_a_publish_may_come_before_the_news_of_its_topic() -> None:
    node = Node()
    node.gather(b"1", topic="new")
    node.turn()
    node.broker.topic_born(node.now, "new", 1)
    assert node.broker.messages_left() == 1


def test_an_ephemeral_topic_that_comes_again_counts_on() -> None:
    node = Node()
    node.gather(b"1", b"2", topic="e#ephemeral")
    node.turn()
    node.broker.topic_ended(node.now, "e#ephemeral", 1)
    node.gather(b"3", topic="e#ephemeral")
    node.turn()
    assert [one.first for one in node.confirmed] == [1, 3]
    assert node.stores == [], "an ephemeral topic is never stored"


def test_a_deferred_publish_waits_and_then_comes_once() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.publish(b"later", delay_s=30.0)
    node.publish(b"now")
    assert node.bodies() == [b"now"]
    assert node.broker.why("t", "c") is Why.IN_FLIGHT
    node.finish()
    assert node.broker.why("t", "c") is Why.DEFERRED
    node.wait(29.0)
    assert node.bodies() == [b"now"]
    node.wait(2.0)
    assert node.bodies() == [b"now", b"later"]
    assert node.hands[-1].attempts == []


def test_deferred_messages_do_not_keep_the_ones_behind_them() -> None:
    node = Node()
    node.publish(b"1", delay_s=10.0)
    node.publish(b"2")
    node.publish(b"3", delay_s=5.0)
    node.channel("c")
    node.consume("c")
    assert node.bodies() == [b"2"]
    node.wait(6.0)
    node.wait(6.0)
    assert node.bodies() == [b"2", b"3", b"1"]


def test_every_reason_for_waiting_has_its_name() -> None:
    node = Node()
    assert node.broker.why("nowhere", "c") is Why.NO_TOPIC
    assert node.broker.why("t", "c") is Why.NO_CHANNEL
    node.channel("c")
    node.publish(b"1", b"2")
    node.broker.stored(node.now, node.stores[-1].token)
    assert node.broker.why("t", "c") is Why.NO_CONSUMER
    node.broker.interest(node.now, "t", "c", (("far", 2),))
    assert node.broker.why("t", "c") is Why.PEER_UNREACHABLE
    node.broker.session_began(node.now, "far", Epoch(5, 5))
    assert node.broker.why("t", "c") is Why.WRITER_BUSY
    node.turn()
    node.broker.pull(node.now, "far", 1_000)
    assert node.broker.why("t", "c") is Why.NO_CREDIT
    node.consume("c")
    assert node.broker.why("t", "c") is Why.IN_FLIGHT
    node.finish()
    node.publish(b"3")
    node.finish()
    assert node.broker.why("t", "c") is Why.UNCONFIRMED
    for store in node.stores:
        node.broker.stored(node.now, store.token)
    assert node.broker.why("t", "c") is Why.NONE


def test_the_stats_add_up() -> None:
    node = Node()
    node.channel("c")
    node.consume("c", messages=2)
    node.publish(b"1", b"2", b"3")
    node.publish(b"4", delay_s=5.0)
    node.broker.consumers.requeue(node.now, 1, *node.hands[0][1:4], 10.0, "requeue")
    node.turn()
    (topic,) = node.broker.stats()
    channel = topic["channels"][0]
    assert (topic["messages"], topic["published"], topic["depth"]) == (4, 4, 0)
    assert channel["depth"] + channel["in_flight"] + channel["deferred"] == 4
    assert (channel["requeued"], channel["redelivered"], channel["consumers"]) == (2, 2, 1)


def test_a_publish_to_the_next_life_leaves_it_to_routing_what_of_the_last_one_goes_over() -> None:
    node = Node()
    node.publish(b"before")
    node.now += 2.0
    node.publish(b"after")
    node.gather(b"next", generation=2)  # in the turn in which the delete is heard of, before its effects
    later = node.broker.accepted_since("t", 1, node.now - 1.0)
    assert [bodies.decode(publishing.body) for publishing in later] == [[b"after"]]
    node.broker.topic_ended(node.now, "t", 1)
    node.broker.carry_over(node.now, "t", 2, later)
    node.turn()
    assert node.broker.messages_left() == 2
    assert node.broker.accepted_since("t", 1, 0.0) == []

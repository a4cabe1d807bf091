"""Time to live, and messages for some channels only."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.broker.batch import Traits
from meshq.errors import ChannelDeleted
from meshq.machine.store import BatchRow
from meshq.names import DISK
from meshq.wire import bodies
from tests.broker.test_origin import WALL_NS, Node


def publish(node: Node, *messages: bytes, ttl_s: float = 0.0, channels: tuple[str, ...] = (), **more: Any) -> None:
    node.token += 1
    expires = node.now + ttl_s if ttl_s else 0.0
    traits = Traits(expires=expires, level=DISK, channels=channels, **more)
    body = bodies.encode(list(messages))
    node.broker.publish(node.now, node.token, "t", 1, len(messages), body, traits=traits, wall_ns=WALL_NS)
    node.turn()


def depth(node: Node, channel: str = "c") -> int:
    (topic,) = node.broker.stats()
    found: int = next(each for each in topic["channels"] if each["channel"] == channel)["depth"]
    return found


def test_an_expired_message_goes_although_nobody_consumes() -> None:
    node = Node()
    node.channel("c")
    publish(node, b"1", b"2", ttl_s=5.0)
    publish(node, b"3")
    assert depth(node) == 3
    node.wait(4.9)
    assert depth(node) == 3
    node.wait(0.7)
    assert depth(node) == 1
    assert node.broker.counters.expired == 2


def test_an_expired_message_goes_from_a_topic_without_channels() -> None:
    node = Node()
    publish(node, b"1", ttl_s=5.0)
    assert node.broker.messages_left() == 1
    node.wait(5.6)
    assert node.broker.messages_left() == 0
    assert node.broker.counters.expired == 1


def test_nothing_is_lent_after_its_time_even_before_a_tick() -> None:
    node = Node()
    node.channel("c")
    publish(node, b"old", ttl_s=5.0)
    publish(node, b"new")
    node.now += 5.01  # no tick: the driver was late
    node.consume("c")
    assert node.bodies() == [b"new"]


def test_what_came_back_expires_as_well() -> None:
    node = Node()
    node.channel("c")
    publish(node, b"1", ttl_s=5.0)
    node.consume("c")
    (hand,) = node.hands
    node.now += 6.0
    node.broker.consumers.requeue(node.now, 1, hand.log, 1, 2, 0.0, "requeue")
    node.turn()
    assert len(node.hands) == 1
    assert node.broker.messages_left() == 0


def test_what_is_lent_when_it_expires_may_be_finished() -> None:
    node = Node()
    node.channel("c")
    publish(node, b"1", ttl_s=5.0)
    node.consume("c")
    node.wait(6.0)
    node.finish()
    assert node.broker.messages_left() == 0
    assert node.broker.counters.expired == 1


def test_a_deferred_message_may_expire_before_it_is_due() -> None:
    node = Node()
    node.channel("c")
    publish(node, b"1", ttl_s=5.0, due=node.now + 30.0)
    publish(node, b"2", ttl_s=5.0, due=node.now + 3_000.0)
    node.consume("c")
    node.wait(40.0)
    assert node.hands == []
    assert node.broker.messages_left() == 0


def test_the_topic_gives_a_time_to_live_to_what_brings_none() -> None:
    node = Node()
    node.channel("c")
    node.broker.configured(node.now, "t", "", {"ttl_s": 2.0})
    publish(node, b"1")
    publish(node, b"2", ttl_s=50.0)
    node.wait(3.0)
    assert depth(node) == 1


def test_the_time_is_kept_by_the_store() -> None:
    node = Node()
    publish(node, b"1", ttl_s=5.0)
    (row,) = [row for store in node.stores for row in store.rows if isinstance(row, BatchRow)]
    assert row.expires_ns == node.broker._turn.wall_ns(node.now + 5.0)


def test_a_message_for_one_channel_is_finished_on_the_others() -> None:
    node = Node()
    for name in ("c", "d"):
        node.channel(name)
    publish(node, b"both")
    publish(node, b"one", channels=("d",))
    assert (depth(node, "c"), depth(node, "d")) == (1, 2)
    node.consume("c")
    node.consume("d", 2)
    assert node.bodies() == [b"both"]
    assert node.bodies(2) == [b"both", b"one"]
    node.finish(1)
    node.finish(2)
    assert node.broker.messages_left() == 0


def test_a_channel_that_comes_late_does_not_get_what_is_for_another() -> None:
    node = Node()
    node.channel("c")
    publish(node, b"one", channels=("c",))
    node.channel("d", age_s=5.0, local=False)
    node.consume("d", 2)
    assert node.hands == []


def test_a_message_for_a_channel_that_there_is_not_is_refused() -> None:
    node = Node()
    node.channel("c")
    with pytest.raises(ChannelDeleted, match="no channel d"):
        publish(node, b"one", channels=("d",))
    assert node.broker.messages_left() == 0

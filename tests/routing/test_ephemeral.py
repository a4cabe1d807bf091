"""Names that end in #ephemeral: born with the first consumer, gone a while after the last."""

from __future__ import annotations

import pytest

from meshq.config import RoutingConfig
from meshq.errors import Overloaded
from meshq.routing.effects import ChannelBorn, ChannelEnded, TopicBorn, TopicEnded
from tests.routing.net import Net

LIVE = "live#ephemeral"


def consume(net: Net, name: str, topic: str, channel: str, count: int = 1) -> None:
    if count:
        net[name].use_channel(net.now, topic, channel)
    net[name].consumers(net.now, topic, channel, count)


def test_it_is_born_at_every_node_and_is_in_no_catalog() -> None:
    net = Net("a", "b")
    net.meet()
    net["a"].use_topic(net.now, "t")
    net.run(0.1)
    before = net["a"].own_head().catalog_hash
    consume(net, "a", "t", LIVE)
    net.run(2.0)
    assert [node.channels for node in net.nodes.values()] == [{("t", LIVE): 1}] * 2
    assert net["b"].known("t", LIVE) == 1
    assert net["a"].own_head().catalog_hash == before
    assert net.nodes["a"].born["t", LIVE, 1].local
    assert not net.nodes["b"].born["t", LIVE, 1].local


def test_it_outlives_its_last_consumer_by_the_linger_and_no_more() -> None:
    net = Net("a", "b")
    net.meet()
    consume(net, "a", "t", LIVE)
    net.run(1.0)
    consume(net, "a", "t", LIVE, 0)
    net.run(9.0)
    assert ("t", LIVE) in net.nodes["b"].channels
    net.run(2.0)
    assert [node.channels for node in net.nodes.values()] == [{}] * 2
    assert net["b"].known("t") == 1


def test_a_consumer_that_comes_back_in_time_keeps_it() -> None:
    net = Net("a", "b")
    net.meet()
    consume(net, "a", "t", LIVE)
    net.run(1.0)
    consume(net, "a", "t", LIVE, 0)
    net.run(5.0)
    consume(net, "b", "t", LIVE)
    net.run(20.0)
    assert [node.channels for node in net.nodes.values()] == [{("t", LIVE): 1}] * 2


def test_use_without_a_consumer_lasts_for_the_linger_at_the_user_alone() -> None:
    net = Net("a", "b")
    net.meet()
    net["a"].use_channel(net.now, "t", LIVE)
    net.run(9.0)
    assert [node.channels for node in net.nodes.values()] == [{("t", LIVE): 1}, {}]
    net.run(2.0)
    assert net.nodes["a"].channels == {}


def test_an_ephemeral_topic_goes_with_its_last_channel_and_use() -> None:
    net = Net("a", "b")
    net.meet()
    consume(net, "a", LIVE, "c")
    net.run(1.0)
    assert [node.topics for node in net.nodes.values()] == [{LIVE: 1}] * 2
    consume(net, "a", LIVE, "c", 0)
    net.run(25.0)
    assert [node.topics for node in net.nodes.values()] == [{}] * 2
    assert net["a"].own_head().catalog_hash == 0


def test_publishing_keeps_an_ephemeral_topic() -> None:
    net = Net("a")
    net["a"].use_topic(net.now, LIVE)
    for _ in range(10):
        net.run(5.0)
        assert net["a"].known(LIVE) == 1
    net.run(25.0)
    assert net["a"].known(LIVE) is None


def test_the_death_of_its_only_consumer_ends_it_after_the_linger() -> None:
    net = Net("a", "b")
    net.meet()
    consume(net, "a", "t", LIVE)
    net.run(1.0)
    net.down("b", "a")
    net.run(11.0)
    assert net.nodes["b"].channels == {}
    net.up("b", "a")
    net.run(0.1)
    assert net.nodes["b"].channels == {("t", LIVE): 1}


def test_it_ends_with_its_topic_before_it() -> None:
    net = Net("a", "b")
    net.meet()
    consume(net, "a", "t", LIVE)
    net.run(1.0)
    seen: list[object] = []
    net.check = lambda node, effect: seen.append(effect) if node.name == "b" else None
    net["a"].delete_topic(net.now, "t")
    net.run(1.0)
    ended = [effect for effect in seen if type(effect) in (ChannelEnded, TopicEnded)]
    assert [type(effect) for effect in ended] == [ChannelEnded, TopicEnded]


def test_its_age_travels_with_it() -> None:
    net = Net("a", "b")
    net["a"].use_channel(net.now, "t", LIVE)
    net["a"].consumers(net.now, "t", LIVE, 1)
    net.run(4.0)
    net.meet()
    net.run(1.0)
    assert 4.0 <= net.nodes["b"].born["t", LIVE, 1].age_s < 4.1


def test_a_channel_waits_for_a_topic_that_is_heard_of_later() -> None:
    net = Net("a", "b")
    net.meet()
    consume(net, "a", "t", LIVE)
    net["b"]._ephemerals.came(net.now, ("u", LIVE), net.now - 3.0, topic_known=False)
    assert net["b"].effects() == []
    net["b"].use_topic(net.now, "u")
    effects = net["b"].effects()
    assert [effect for effect in effects if type(effect) in (TopicBorn, ChannelBorn)] == [
        TopicBorn("u", 1), ChannelBorn("u", LIVE, 1, 3.0, False),
    ]  # fmt: skip


def test_ephemeral_topics_count_towards_the_limit() -> None:
    net = Net("a", config=RoutingConfig(topics_max=2, interest_max=1))
    net["a"].use_topic(net.now, "t")
    net["a"].use_topic(net.now, "u#ephemeral")
    with pytest.raises(Overloaded) as caught:
        net["a"].use_topic(net.now, "v#ephemeral")
    assert caught.value.limit == "topics_max"
    net["a"].use_channel(net.now, "t", LIVE)
    with pytest.raises(Overloaded):
        net["a"].use_channel(net.now, "t", "other#ephemeral")

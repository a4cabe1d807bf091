"""Why messages wait at an origin: each reason brought about for real, and which of several comes first."""

from __future__ import annotations

from typing import Any

from meshq.broker.batch import Traits
from meshq.broker.why import Why
from meshq.machine.effects import Load
from meshq.machine.store import ChannelKept, LogKept
from meshq.names import LogId
from meshq.wire import bodies
from tests.broker.mesh import KEY, Mesh
from tests.broker.test_origin import WALL_NS, Node


def reasons(mesh: Mesh, name: str) -> list[tuple[str, int, dict[str, int]]]:
    told = mesh.brokers[name].explain(mesh.now, KEY.topic)["channels"][KEY.channel]
    first = told["reasons"][0]["why"] if told["reasons"] else "NONE"
    assert mesh.brokers[name].why(KEY.topic, KEY.channel).name == first, "stats say the worst of them"
    return [(each["why"], each["messages"], each["nodes"]) for each in told["reasons"]]


def told(node: Node, channel: str = "c") -> dict[str, Any]:
    found: dict[str, Any] = node.broker.explain(node.now, "t")["channels"][channel]
    return found


def whys(node: Node) -> list[str]:
    return [each["why"] for each in told(node)["reasons"]]


def test_nothing_waits() -> None:
    mesh = Mesh("a")
    consumer = mesh.consume("a", 10)
    mesh.publish("a", b"1", b"2")
    mesh.finish(consumer)
    assert reasons(mesh, "a") == []
    assert mesh.brokers["a"].explain(mesh.now, "t")["channels"]["c"]["finished"] == 2


def test_no_such_topic_and_no_such_channel() -> None:
    mesh = Mesh("a")
    assert mesh.brokers["a"].explain(mesh.now, "other") == {"backlog": 0, "channels": {}}
    assert mesh.brokers["a"].why("other", "c") is Why.NO_TOPIC
    assert mesh.brokers["a"].why("t", "other") is Why.NO_CHANNEL


def test_a_topic_without_channels_tells_its_backlog() -> None:
    node = Node()
    node.publish(b"1", b"2")
    assert node.broker.explain(node.now, "t") == {"backlog": 2, "channels": {}}


def test_no_consumer() -> None:
    mesh = Mesh("a")
    mesh.publish("a", b"1", b"2")
    assert reasons(mesh, "a") == [("NO_CONSUMER", 2, {})]


def test_the_nodes_with_consumers_have_no_link() -> None:
    mesh = Mesh("a", "b")
    mesh.consume("b", 10)
    mesh.publish("a", b"1")
    assert reasons(mesh, "a") == [("PEER_UNREACHABLE", 1, {"b": 0})]


def test_every_consumer_holds_as_much_as_it_may_and_who_does() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    mesh.consume("b", 3)
    mesh.publish("a", *[b"x"] * 5)
    mesh.settle()
    assert reasons(mesh, "a") == [("NO_CREDIT", 2, {"b": 3}), ("IN_FLIGHT", 3, {"b": 3})]
    mesh.pass_time(24.0)
    held = mesh.brokers["b"].explain(mesh.now, "t")["channels"]["c"]["holding"]
    assert held["longest_s"] == 24.0
    assert (held["consumers"], held["capacity"], held["in_hand"], held["timeout_s"]) == (1, 3, 3, 60.0)


def test_the_own_consumer_holds_as_much_as_it_may() -> None:
    mesh = Mesh("a")
    mesh.consume("a", 2)
    mesh.publish("a", *[b"x"] * 5)
    assert reasons(mesh, "a") == [("NO_CREDIT", 3, {"a": 2}), ("IN_FLIGHT", 2, {"a": 2})]


def test_a_consumer_has_room_and_the_way_to_it_is_full() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    mesh.line("a", "b").blocked["a"] = True
    mesh.consume("b", 10)
    mesh.publish("a", b"1")
    mesh.settle()
    assert reasons(mesh, "a") == [("WRITER_BUSY", 1, {"b": 0})]


def test_what_has_come_waits_where_no_single_consumer_has_room_for_it() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    for _ in range(2):
        mesh.consume("b", 10, size_bytes=120)
    for size_bytes in (50, 50, 90):
        mesh.publish("a", b"x" * size_bytes)
        mesh.settle()
        mesh.pass_time(1.0)
        mesh.settle()
    assert ("BUFFERED", 1, {}) in reasons(mesh, "b")
    assert reasons(mesh, "a") == [("IN_FLIGHT", 3, {"b": 3})]


def test_consumers_have_it_all() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    mesh.consume("a", 1)
    mesh.consume("b", 10)
    mesh.publish("a", b"1", b"2", b"3")
    mesh.settle()
    assert reasons(mesh, "a") == [("IN_FLIGHT", 3, {"a": 1, "b": 2})]


def test_deferred_ones_tell_when_the_next_is_due() -> None:
    node = Node(store=False)
    node.channel("c")
    node.publish(b"later", delay_s=30.0)
    node.publish(b"sooner", delay_s=20.0)
    node.wait(5.0)
    assert [(each["why"], each["messages"], each["due_s"]) for each in told(node)["reasons"]] == [("DEFERRED", 2, 15.0)]


def test_one_that_came_back_is_backing_off() -> None:
    mesh = Mesh("a")
    consumer = mesh.consume("a", 10)
    mesh.publish("a", b"1")
    mesh.requeue(consumer, consumer.held[0], delay_s=5.0)
    (found,) = mesh.brokers["a"].explain(mesh.now, "t")["channels"]["c"]["reasons"]
    assert (found["why"], found["messages"], found["attempts"], found["due_s"]) == ("BACKING_OFF", 1, 1, 5.0)


def test_what_is_behind_its_key_comes_after_what_holds_it_back() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    body = bodies.encode([b"1", b"2", b"3"])
    node.broker.publish(node.now, 1, "t", 1, 3, body, traits=Traits(key="k"), wall_ns=WALL_NS)
    node.turn()
    assert [(each["why"], each["messages"]) for each in told(node)["reasons"]] == [("IN_FLIGHT", 1), ("HELD_BACK", 2)]
    assert node.broker.why("t", "c") is Why.IN_FLIGHT


def test_a_publish_that_is_not_stored_yet_is_unconfirmed() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.publish(b"1")
    node.finish()
    assert whys(node) == ["UNCONFIRMED"]
    node.broker.stored(node.now, node.stores[0].token)
    assert whys(node) == []


def recovered(messages: int) -> Node:
    """A node that starts with messages in its store, of a channel that had finished none."""
    node = Node(store=False)
    log = LogId("a", 1, 1, 1, 0)
    kept = ChannelKept("c", 1, 1, 0, [], [])
    node.broker.recover(node.now, WALL_NS, [LogKept("t", log, messages + 1, [(1, messages + 1)], [], 100, [kept])])
    node.channel("c")
    node.broker.recovered(node.now)
    return node


def test_what_is_in_the_store_only_waits_for_a_consumer_and_then_for_the_disk() -> None:
    node = recovered(7)
    assert whys(node) == ["NO_CONSUMER"]
    assert told(node)["reasons"][0]["messages"] == 7
    node.broker.consumers.joined(node.now, 1, "t", "c", 1, 10, 1 << 20, 60.0)
    assert [effect for effect in node.broker.effects() if isinstance(effect, Load)]
    assert whys(node) == ["LOADING"]


def test_a_channel_heard_of_late_tells_how_many_it_missed() -> None:
    node = Node(first_channels_s=5.0, window_s=10.0)
    node.channel("c")
    node.consume("c", 9)
    node.wait(60.0)
    for _ in range(20):
        node.publish(b"x")
        node.finish(9)
        node.wait(1.0)
    node.channel("d", age_s=15.0, local=False)
    assert told(node, "d")["missed"] == node.broker.counters.gaps > 0
    assert told(node, "c")["missed"] == 0


def test_a_consumer_that_asks_for_nothing_is_a_consumer_all_the_same() -> None:
    mesh = Mesh("a")
    mesh.consume("a", 0)
    mesh.publish("a", b"1")
    assert reasons(mesh, "a") == [("NO_CREDIT", 1, {"a": 0})]


def test_a_paused_channel_hands_nothing_out_and_its_consumers_are_not_to_blame() -> None:
    mesh = Mesh("a")
    mesh.consume("a", 10)
    mesh.brokers["a"].configured(mesh.now, "t", "c", {"paused": True})
    mesh.publish("a", b"1", b"2")
    assert reasons(mesh, "a") == [("PAUSED", 2, {})]

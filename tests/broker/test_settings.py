"""Topics and channels that are set: pauses, at one origin and between nodes."""

from __future__ import annotations

from typing import Any

from meshq.broker.why import Why
from meshq.wire import bodies
from meshq.wire.frames import Deliver, Ready
from tests.broker.mesh import KEY, Mesh
from tests.broker.test_origin import Node


def configure(node: Node, channel: str = "", **settings: Any) -> None:
    node.broker.configured(node.now, "t", channel, settings)
    node.turn()


def handed(node: Node) -> list[bytes]:
    return [body for hand in node.hands for body in bodies.decode(hand.body) if isinstance(body, bytes)]


def stats(node: Node, channel: str) -> dict[str, Any]:
    (topic,) = node.broker.stats()
    return next(each for each in topic["channels"] if each["channel"] == channel)


def test_a_paused_channel_hands_nothing_out_and_the_others_go_on() -> None:
    node = Node()
    for number, name in enumerate(("c", "d"), 1):
        node.channel(name)
        node.consume(name, number)
    configure(node, "c", paused=True)
    node.publish(b"one", b"two")
    assert [hand.consumer for hand in node.hands] == [2]
    assert node.broker.why("t", "c") is Why.PAUSED
    assert stats(node, "c")["paused"]
    configure(node, "c")
    assert [hand.consumer for hand in node.hands] == [2, 1]
    assert not stats(node, "c")["paused"]


def test_what_is_in_flight_of_a_paused_channel_goes_on() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.publish(b"one")
    configure(node, "c", paused=True)
    node.finish()
    assert (stats(node, "c")["finished"], stats(node, "c")["in_flight"]) == (1, 0)


def test_what_comes_back_to_a_paused_channel_stays_until_it_goes_on() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.publish(b"one")
    configure(node, "c", paused=True)
    (hand,) = node.hands
    node.broker.consumers.requeue(node.now, 1, hand.log, hand.start, hand.stop, 0.0, "requeue")
    node.turn()
    assert len(node.hands) == 1
    configure(node, "c", paused=False)
    assert len(node.hands) == 2


def test_a_paused_topic_accepts_and_serves_no_channel_also_one_that_begins_meanwhile() -> None:
    node = Node()
    node.channel("c")
    node.consume("c", 1)
    configure(node, paused=True)
    node.publish(b"one")
    node.channel("d")
    node.consume("d", 2)
    node.publish(b"two")
    assert node.hands == []
    assert node.broker.why("t", "c") is Why.PAUSED
    configure(node)
    assert handed(node) == [b"one", b"two", b"one", b"two"]


def test_a_channel_paused_by_itself_stays_so_when_its_topic_goes_on() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    configure(node, "c", paused=True)
    configure(node, paused=True)
    node.publish(b"one")
    configure(node, paused=False)
    assert node.hands == []
    configure(node, "c")
    assert handed(node) == [b"one"]


def test_a_paused_origin_says_no_ready_and_gives_recalled_credit_back() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    consumer = mesh.consume("b", 4)
    mesh.settle()
    mesh.publish("a", b"1")
    mesh.settle()
    mesh.finish(consumer)
    mesh.settle()
    mesh.brokers["a"].configured(mesh.now, KEY.topic, KEY.channel, {"paused": True})
    mesh.turn("a")
    said = len(mesh.frames(Ready)), len(mesh.frames(Deliver))
    mesh.publish("a", b"2", b"3")
    mesh.publish("b", b"4")  # b's own origin asks for room: what a has of it must come back
    mesh.settle()
    assert (len(mesh.frames(Ready)), len(mesh.frames(Deliver))) == said
    assert mesh.bodies(consumer) == [b"1", b"4"]
    assert mesh.brokers["a"].messages_left() == 2
    mesh.brokers["a"].configured(mesh.now, KEY.topic, KEY.channel, {})
    mesh.turn("a")
    mesh.settle()
    assert mesh.bodies(consumer) == [b"1", b"4", b"2", b"3"]


def test_a_pause_that_a_writer_hears_of_with_an_extent_ready_to_pull_holds_it() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    consumer = mesh.consume("b", 4)
    mesh.settle()
    mesh.line("a", "b").blocked["a"] = True
    mesh.publish("a", b"1")
    mesh.brokers["a"].configured(mesh.now, KEY.topic, KEY.channel, {"paused": True})
    mesh.line("a", "b").blocked["a"] = False
    mesh.turn("a")
    mesh.settle()
    assert mesh.bodies(consumer) == []


def test_a_link_is_not_kept_for_what_a_pause_holds() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    mesh.consume("b", 4)
    mesh.settle()
    mesh.brokers["a"].configured(mesh.now, KEY.topic, KEY.channel, {"paused": True})
    mesh.publish("a", b"1")
    mesh.settle()
    assert mesh.brokers["a"].idle("b")

"""A look at messages: where each is and what is told of it, and that nothing changes by looking."""

from __future__ import annotations

from typing import Any

from meshq.broker.batch import Traits
from meshq.broker.peek import ENTRY_BYTES, PREVIEW_BYTES, Glance
from meshq.names import DISK, message_id
from meshq.wire import bodies
from tests.broker.mesh import KEY, Mesh
from tests.broker.test_origin import WALL_NS, Node
from tests.broker.test_why import recovered

GLANCE = Glance(10, 1 << 20, whole=False)


def look(node: Node, channel: str = "c", glance: Glance = GLANCE) -> dict[str, Any]:
    before = list(node.broker.stats())
    found = node.broker.peek(node.now, "t", channel, glance)
    assert list(node.broker.stats()) == before
    assert node.broker.effects() == []
    node.broker.check()
    return found


def shown(found: dict[str, Any], *names: str) -> list[Any]:
    return [tuple(one.get(name) for name in names) for one in found["messages"]]


def test_queued_messages_are_told_in_the_order_in_which_they_will_go() -> None:
    node = Node(store=False)
    node.channel("c")
    node.publish(b"1", b"2")
    node.publish(b"3")
    node.wait(2.0)
    found = look(node)
    assert found["counts"] == {"queued": 3, "deferred": 0, "in_flight": 0}
    assert shown(found, "number", "body", "bytes", "attempts", "state", "at", "on_disk") == [
        (number, str(number).encode(), 1, 0, "queued", "", False) for number in (1, 2, 3)
    ]
    assert {one["age_s"] for one in found["messages"]} == {0.0}, "this node's wall clock was never told"
    log = next(iter(node.broker._registry.topics["t"].logs))
    assert found["messages"][0]["id"] == message_id("t", log, 1)
    assert found["messages"][0]["log"] == list(log)


def test_the_age_is_that_of_the_wall_clock_of_the_origin() -> None:
    node = Node()
    node.channel("c")
    node.publish(b"1")
    node.wait(2.5)
    assert shown(look(node), "age_s", "accepted_ns") == [(2.5, WALL_NS)]


def test_what_is_lent_is_at_the_node_that_holds_it_and_counts_the_attempt_under_way() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    mesh.consume("b", 2)
    mesh.publish("a", *[b"x"] * 3)
    mesh.settle()
    found = mesh.brokers["a"].peek(mesh.now, *KEY[:2], GLANCE)
    assert found["counts"] == {"queued": 1, "deferred": 0, "in_flight": 2}
    assert shown(found, "number", "state", "at", "attempts") == [
        (1, "in_flight", "b", 1),
        (2, "in_flight", "b", 1),
        (3, "queued", "", 0),
    ]
    assert mesh.brokers["b"].peek(mesh.now, *KEY[:2], GLANCE)["messages"] == [], "it belongs to its origin"


def test_the_oldest_in_flight_is_shown_first() -> None:
    node = Node(store=False)
    node.channel("c")
    node.consume("c", messages=3)
    for body in (b"1", b"2", b"3"):
        node.publish(body)
        node.wait(1.0)
    first = node.hands[0]
    node.broker.consumers.requeue(node.now, 1, first.log, first.start, first.stop, 0.0, "requeue")
    node.turn()
    found = look(node)
    assert shown(found, "number", "attempts") == [(1, 2), (2, 1), (3, 1)]


def test_deferred_ones_tell_their_time_and_how_often_they_failed() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.publish(b"1")
    node.publish(b"2", delay_s=20.0)
    first = node.hands[0]
    node.broker.consumers.requeue(node.now, 1, first.log, first.start, first.stop, 30.0, "requeue")
    node.turn()
    node.wait(5.0)
    found = look(node)
    assert found["counts"] == {"queued": 0, "deferred": 2, "in_flight": 0}
    assert shown(found, "number", "state", "due_s", "attempts") == [(2, "deferred", 15.0, 0), (1, "deferred", 25.0, 1)]
    assert found["messages"][0]["due_ns"] == WALL_NS + 20 * 10**9


def test_what_is_not_due_is_not_told_as_queued_though_the_channel_has_not_come_to_it() -> None:
    node = Node(store=False)
    node.channel("c")
    node.publish(b"1")
    node.publish(b"2", delay_s=20.0)
    node.publish(b"3")
    found = look(node)
    assert shown(found, "number", "state") == [(1, "queued"), (3, "queued"), (2, "deferred")]
    assert found["counts"] == {"queued": 2, "deferred": 1, "in_flight": 0}


def test_what_came_back_goes_first() -> None:
    node = Node(store=False)
    node.channel("c")
    node.consume("c", messages=1)
    node.publish(b"1", b"2")
    node.broker.consumers.left(node.now, 1)
    node.turn()
    assert shown(look(node), "number", "attempts") == [(1, 1), (2, 0)]


def test_what_is_finished_is_not_shown() -> None:
    node = Node(store=False)
    node.channel("c")
    node.consume("c")
    node.publish(b"1", b"2", b"3")
    hand = node.hands[0]
    node.broker.consumers.finish(node.now, 1, [(hand.log, 2, 3)])
    node.turn()
    assert shown(look(node), "number") == [(1,), (3,)]


def test_behind_a_key_messages_are_queued_and_held_back() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    node.broker.publish(
        node.now, 1, "t", 1, 3, bodies.encode([b"1", b"2", b"3"]), traits=Traits(level=DISK, key="k"), wall_ns=WALL_NS
    )
    node.turn()
    assert shown(look(node), "number", "state", "held_back") == [
        (1, "in_flight", None),
        (2, "queued", True),
        (3, "queued", True),
    ]


def test_what_is_in_the_store_only_is_told_by_its_number() -> None:
    node = recovered(5)
    node.publish(b"new")
    node.publish(b"much later", delay_s=3600.0)
    for store in node.stores:
        node.broker.stored(node.now, store.token)
    node.turn()
    found = look(node)
    assert found["counts"] == {"queued": 6, "deferred": 1, "in_flight": 0}
    assert shown(found, "number", "state", "on_disk", "body") == [
        *((number, "queued", True, None) for number in range(1, 6)),
        (1, "queued", False, b"new"),
        (2, "deferred", True, None),
    ]


def test_what_was_put_away_for_want_of_memory_keeps_its_place() -> None:
    node = Node(memory_bytes_max=3_000)
    node.channel("c")
    for body in (b"a", b"b", b"c"):
        node.publish(body * 800)
        node.broker.stored(node.now, node.stores[-1].token)
    node.turn()
    node.wait(60.0)
    found = look(node)
    assert shown(found, "number") == [(1,), (2,), (3,)]
    assert {one["on_disk"] for one in found["messages"]} == {True, False}


def test_the_backlog_of_a_topic_without_channels_is_shown_without_a_channel() -> None:
    node = Node(store=False)
    node.publish(b"1", b"2")
    node.publish(b"3", delay_s=9.0)
    found = look(node, channel="")
    assert found["counts"] == {"queued": 2, "deferred": 1, "in_flight": 0}
    assert shown(found, "number", "state") == [(1, "queued"), (2, "queued"), (3, "deferred")]


def test_a_node_without_the_topic_or_the_channel_shows_nothing() -> None:
    node = Node()
    nothing: dict[str, Any] = {"counts": {}, "messages": [], "retained": 0}
    assert node.broker.peek(node.now, "other", "", GLANCE) == nothing
    assert node.broker.peek(node.now, "t", "other", GLANCE) == nothing


def test_a_body_is_shown_by_its_begin_or_whole_and_headers_with_it() -> None:
    node = Node(store=False)
    node.channel("c")
    body = bodies.encode([[b"x" * 500, {"trace": "abc"}]])
    node.broker.publish(node.now, 1, "t", 1, 1, body, traits=Traits(), wall_ns=WALL_NS)
    node.turn()
    assert shown(look(node), "body", "bytes", "headers") == [(b"x" * PREVIEW_BYTES, 500, {"trace": "abc"})]
    whole = look(node, glance=GLANCE._replace(whole=True))
    assert shown(whole, "body", "bytes", "headers") == [(b"x" * 500, 500, {"trace": "abc"})]


def test_no_more_is_shown_than_asked_for_of_each_state() -> None:
    node = Node(store=False)
    node.channel("c")
    node.consume("c", messages=5)
    node.publish(*[b"x"] * 20)
    found = look(node, glance=Glance(2, 1 << 20, whole=False))
    assert shown(found, "number") == [(1,), (2,), (6,), (7,)]
    assert found["counts"] == {"queued": 15, "deferred": 0, "in_flight": 5}


def test_an_answer_has_no_more_bytes_than_it_may_and_each_state_its_share() -> None:
    node = Node(store=False)
    node.channel("c")
    node.consume("c", messages=50)
    node.publish(*[b"x" * 2_000] * 100)
    found = look(node, glance=Glance(1_000, 60_000, whole=True))
    size_bytes = sum(ENTRY_BYTES + len(one["body"]) for one in found["messages"])
    assert 50_000 < size_bytes <= 60_000
    states = [one["state"] for one in found["messages"]]
    assert states.count("in_flight") >= 8
    assert states.count("queued") >= 8


def test_of_a_large_backlog_only_what_is_shown_is_looked_at() -> None:
    node = Node(store=False)
    node.channel("c")
    for _ in range(50):
        node.publish(*(b"%d" % number for number in range(1, 101)))
    look(node)
    batches = node.broker._registry.topics["t"].log.in_order()
    assert sum(batch._offsets is not None for batch in batches) == 1


def test_a_body_that_is_broken_is_said_to_be() -> None:
    node = Node(store=False)
    node.channel("c")
    node.broker.publish(node.now, 1, "t", 1, 2, b"\x82\x41", traits=Traits(), wall_ns=WALL_NS)
    node.turn()
    assert shown(look(node), "number", "broken", "body") == [(1, True, None), (2, True, None)]


def publish(node: Node, traits: Traits, *messages: bytes) -> None:
    node.token += 1
    body = bodies.encode(list(messages))
    node.broker.publish(node.now, node.token, "t", 1, len(messages), body, traits=traits, wall_ns=WALL_NS)
    node.turn()


def test_what_is_for_other_channels_only_is_not_shown_and_what_ends_or_has_a_key_says_so() -> None:
    node = Node(store=False)
    node.channel("c")
    node.channel("d")
    publish(node, Traits(), b"for all")
    publish(node, Traits(channels=("d",)), b"for d")
    publish(node, Traits(expires=node.now + 9.0, key="k"), b"nine seconds")
    assert shown(look(node, "d"), "body", "key") == [(b"for all", None), (b"for d", None), (b"nine seconds", "k")]
    assert shown(look(node), "body", "expires_s") == [(b"for all", None), (b"nine seconds", 9.0)]
    node.wait(9.4)
    assert b"nine seconds" not in [one["body"] for one in look(node)["messages"]]

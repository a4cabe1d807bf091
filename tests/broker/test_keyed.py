"""Ordering keys and lanes at one origin: which message may go next."""

from __future__ import annotations

import pytest

from meshq.broker.batch import Traits
from meshq.broker.effects import Hand
from meshq.machine.effects import Load, Store
from meshq.names import DISK, LANES, Epoch
from meshq.sim.shelf import Shelf
from meshq.wire import bodies
from tests.broker.test_origin import WALL_NS, Node
from tests.broker.test_retention import Shelved


def publish(node: Node, *messages: bytes, key: str = "", lane: int = 0) -> None:
    node.token += 1
    body = bodies.encode(list(messages))
    traits = Traits(level=DISK, key=key, lane=lane)
    node.broker.publish(node.now, node.token, "t", 1, len(messages), body, traits=traits, wall_ns=WALL_NS)
    node.turn()


def ready() -> Node:
    node = Node()
    node.channel("c")
    return node


def finish_all(node: Node) -> list[bytes]:
    """Finish what is in hand until nothing comes any more; the bodies in the order in which they came."""
    came: list[bytes] = []
    while node.hands:
        hands, node.hands = node.hands, []
        for hand in hands:
            came += [one for one in bodies.decode(hand.body) if isinstance(one, bytes)]
            node.broker.consumers.finish(node.now, hand.consumer, [hand[1:4]])
        node.turn()
    return came


def test_of_a_key_one_message_is_handed_out_at_a_time_and_in_order() -> None:
    node = ready()
    node.consume("c")
    publish(node, b"1", b"2", b"3", key="k")
    assert node.bodies() == [b"1"]
    assert finish_all(node) == [b"1", b"2", b"3"]


def test_keys_do_not_hold_each_other_nor_messages_without_one() -> None:
    node = ready()
    node.consume("c")
    publish(node, b"a1", b"a2", key="a")
    publish(node, b"b1", b"b2", key="b")
    publish(node, b"x", b"y")
    assert sorted(node.bodies()) == [b"a1", b"b1", b"x", b"y"]


def test_a_message_that_failed_holds_its_key_back() -> None:
    node = ready()
    node.consume("c")
    publish(node, b"1", b"2", key="k")
    publish(node, b"other")
    first = node.hands[0]
    node.broker.consumers.requeue(node.now, first.consumer, first.log, first.start, first.stop, 5.0, "requeue")
    node.turn()
    assert node.bodies() == [b"1", b"other"], "2 waits for 1, which waits for its time"
    node.hands.clear()
    node.wait(6.0)
    assert node.bodies() == [b"1"]
    assert finish_all(node) == [b"1", b"2"]


def test_a_consumer_that_leaves_gives_the_key_to_the_next() -> None:
    node = ready()
    node.consume("c", 1)
    publish(node, b"1", b"2", key="k")
    node.consume("c", 2)
    node.broker.consumers.left(node.now, 1)
    node.turn()
    assert [(hand.consumer, bodies.decode(hand.body)) for hand in node.hands] == [(1, [b"1"]), (2, [b"1"])]


def test_every_channel_keeps_the_order_for_itself() -> None:
    node = ready()
    node.channel("d")
    node.consume("c", 1)
    node.consume("d", 2)
    publish(node, b"1", b"2", key="k")
    node.broker.consumers.finish(node.now, 1, [hand[1:4] for hand in node.hands if hand.consumer == 1])
    node.turn()
    assert [(hand.consumer, bodies.decode(hand.body)) for hand in node.hands] == [(1, [b"1"]), (2, [b"1"]), (1, [b"2"])]


def test_what_waits_behind_a_key_can_be_finished_by_a_late_finish() -> None:
    node = ready()
    node.consume("c")
    publish(node, b"1", b"2", b"3", key="k")
    cursor = next(iter(node.broker._registry.channels.values())).cursors[node.hands[0].log]
    cursor.finish(2, 3)
    assert finish_all(node) == [b"1", b"3"]
    assert node.broker.messages_left() == 0


def test_an_urgent_lane_goes_first_and_the_lowest_is_not_starved() -> None:
    node = ready()
    for number in range(40):
        publish(node, b"low%d" % number)
    for number in range(40):
        publish(node, b"high%d" % number, lane=LANES - 1)
    node.consume("c", messages=1)
    order = [one.rstrip(b"0123456789") for one in finish_all(node)]
    assert order.count(b"high") == order.count(b"low") == 40
    assert order[:10].count(b"high") >= 9
    assert b"low" in order[: LANES * 10 - 5], "a low one comes before the last high one"


def test_lanes_next_to_each_other_share_eight_to_one() -> None:
    node = ready()
    for number in range(90):
        publish(node, b"a%d" % number, lane=1)
        publish(node, b"b%d" % number)
    node.consume("c", messages=1)
    order = [one[:1] for one in finish_all(node)[:90]]
    assert 78 <= order.count(b"a") <= 82


def start_again(before: Node) -> tuple[Node, Shelf]:
    """Another node that finds in its store what the first one wrote there."""
    shelf = Shelf()
    for store in before.stores:
        shelf.apply(store.rows)
    node = Node(store=False)
    node.broker.raise_epoch(Epoch(2, 2))
    node.broker.recover(node.now, WALL_NS, shelf.recovered().logs)
    node.broker.channel_born(node.now, "t", "c", 1, 60.0, False)
    node.broker.recovered(node.now)
    return node, shelf


def turn(node: Node, shelf: Shelf) -> list[bytes]:
    """End the turn, answering loads, until nothing happens; the bodies that were handed out."""
    came: list[bytes] = []
    while effects := node.broker.effects():
        for effect in effects:
            match effect:
                case Hand():
                    came += [one for one in bodies.decode(effect.body) if isinstance(one, bytes)]
                    node.broker.consumers.finish(node.now, effect.consumer, [effect[1:4]])
                case Load():
                    node.broker.loaded(node.now, effect.token, shelf.load(effect))
                case Store():
                    node.broker.stored(node.now, effect.token)
    return came


def test_after_a_restart_what_was_accepted_before_it_comes_first_within_its_key() -> None:
    before = ready()
    publish(before, b"1", b"2", key="k")
    publish(before, b"other")
    publish(before, b"3", key="k")
    node, shelf = start_again(before)
    publish(node, b"4", key="k")
    node.broker.consumers.joined(node.now, 1, "t", "c", 1, 100, 1 << 20, 60.0)
    came = turn(node, shelf)
    assert sorted(came) == [b"1", b"2", b"3", b"4", b"other"]
    assert [one for one in came if one != b"other"] == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("finished", [1, 2, 3])
def test_a_key_is_not_held_up_by_what_an_earlier_start_has_in_flight(finished: int) -> None:
    before = Shelved()
    before.begin("c")
    before.publish(b"1", b"2", b"3")
    before.consume("c")
    before.broker.consumers.finish(before.now, 1, [(before.hands[0].log, finished, finished + 1)])
    before.turn()
    before.wait(1.0)
    node = before.again("c")
    node.consume("c")
    assert len(node.bodies()) == 2
    publish(node, b"keyed", key="k")
    assert node.bodies()[2:] == [b"keyed"]


def test_a_key_goes_on_in_the_turn_in_which_the_last_of_an_earlier_start_is_lent() -> None:
    before = Shelved()
    before.begin("c")
    before.publish(b"1")
    before.wait(1.0)
    node = before.again("c")
    publish(node, b"keyed", key="k")
    node.consume("c")
    assert node.bodies() == [b"1", b"keyed"]

"""What the stateful model of topic and channel found wrong, each as it is when made small."""

from __future__ import annotations

from typing import Any

from meshq.broker.batch import Traits
from meshq.machine.effects import Store
from meshq.machine.store import BatchRow
from meshq.names import DISK, MEMORY, Epoch
from meshq.sim.shelf import Shelf
from meshq.wire import bodies
from tests.broker.test_keyed import publish, turn
from tests.broker.test_origin import WALL_NS, Node
from tests.broker.test_settings import configure, stats


def shelf_of(node: Node) -> Shelf:
    shelf = Shelf()
    for store in node.stores:
        shelf.apply(store.rows)
    return shelf


def restarted(shelf: Shelf, *channels: tuple[str, int], epoch: int = 2) -> Node:
    """A start that finds what the shelf has, and is told of these channels (name and generation)."""
    node = Node(store=False)
    node.broker.raise_epoch(Epoch(epoch, 2))
    node.broker.recover(node.now, WALL_NS, shelf.recovered().logs)
    for name, generation in channels:
        node.channel(name, 60.0, local=False, generation=generation)
    node.broker.recovered(node.now)
    node.turn()
    return node


def gather(node: Node, *messages: bytes, **traits: Any) -> None:
    node.token += 1
    body = bodies.encode(list(messages))
    node.broker.publish(
        node.now, node.token, "t", 1, len(messages), body, traits=Traits(**traits), wall_ns=WALL_NS
    )  # fmt: skip
    node.turn()


def test_a_deferred_message_behind_others_is_counted_as_deferred() -> None:
    node = Node()
    node.channel("c")
    node.publish(b"waits")
    node.publish(b"1", b"2", delay_s=5.0)
    assert (stats(node, "c")["depth"], stats(node, "c")["deferred"]) == (1, 2)
    node.wait(6.0)
    node.broker.tick(node.now)
    assert (stats(node, "c")["depth"], stats(node, "c")["deferred"]) == (3, 0)


def test_what_is_emptied_in_flight_does_not_hide_what_waits() -> None:
    node = Node()
    node.channel("c")
    node.consume("c", messages=2)
    node.publish(b"1", b"2")
    configure(node, "c", emptied_ns=WALL_NS)
    node.publish(b"3", b"4", b"5")
    assert (stats(node, "c")["depth"], stats(node, "c")["in_flight"]) == (3, 2)


def test_a_late_channel_gets_nothing_of_a_young_lane_from_before_its_time() -> None:
    node = Node()
    node.channel("c")
    node.wait(20.0)
    publish(node, b"before", lane=1)
    node.channel("d")
    node.consume("d")
    assert node.bodies() == []
    publish(node, b"after", lane=1)
    assert node.bodies() == [b"after"]


def test_the_first_channel_has_a_key_in_order_though_a_restart_lies_between() -> None:
    before = Node()
    publish(before, b"1", key="k")
    shelf = shelf_of(before)
    node = restarted(shelf)
    publish(node, b"2", key="k")
    node.channel("c")
    node.broker.consumers.joined(node.now, 1, "t", "c", 1, 100, 1 << 20, 60.0)
    assert turn(node, shelf) == [b"1", b"2"]


def test_what_was_finished_in_memory_only_is_not_subtracted_after_a_restart() -> None:
    before = Node()
    before.channel("c")
    gather(before, b"1", b"2", level=DISK)
    before.channel("d")
    gather(before, b"3", b"4", level=MEMORY, channels=("d",))
    before.wait(1.0)
    node = restarted(shelf_of(before), ("c", 1), ("d", 1))
    assert stats(node, "c")["depth"] == 2


def test_messages_of_the_last_channel_do_not_come_back_after_it_ended() -> None:
    before = Node()
    before.channel("c")
    before.consume("c")
    before.publish(b"finished", b"not")
    before.broker.consumers.finish(before.now, 1, [(before.hands[0].log, 1, 2)])
    before.turn()
    before.broker.channel_ended(before.now, "t", "c", 1)
    before.turn()
    shelf = shelf_of(before)
    node = restarted(shelf)
    node.channel("c", generation=2)
    assert node.broker.messages_left() == 0


def test_a_deferred_message_that_the_store_refuses_does_not_outlive_its_channel() -> None:
    node = Node()
    node.channel("c")
    node.publish(b"later", delay_s=100.0)
    store: Store = node.stores[-1]
    assert isinstance(store.rows[-1], BatchRow)
    node.broker.channel_ended(node.now, "t", "c", 1)
    node.turn()
    node.broker.unstored(node.now, store.token, "full")
    node.turn()
    assert (node.broker.messages_left(), node.broker.memory_bytes) == (0, 0)


def test_an_id_used_again_in_memory_after_its_window_leaves_the_store() -> None:
    node = Node(dedupe_window_s=10.0)
    for level in (DISK, MEMORY):
        node.token += 1
        traits = Traits(level=level)
        body = bodies.encode([b"x"])
        node.broker.publish(
            node.now, node.token, "t", 1, 1, body, traits=traits, wall_ns=WALL_NS, publish_id="i"
        )  # fmt: skip
        node.turn()
        node.broker.stored(node.now, node.stores[-1].token)
        node.turn()
        node.now += 10.5
    node.wait(10.0)
    assert not shelf_of(node).puts


def test_the_attempts_of_a_spared_message_are_written_down() -> None:
    node = Node()
    node.channel("c")
    node.consume("c")
    configure(node, "c", attempts_max=1)
    gather(node, b"x", level=DISK)
    (hand,) = node.hands
    node.broker.consumers.requeue(node.now, 1, hand.log, hand.start, hand.stop, 0.0, "requeue")
    node.turn()
    node.broker.spare(node.now, "t.dead")
    node.turn()
    place = shelf_of(node).place("t", hand.log, "c", 1)
    assert place is not None
    assert [row.attempts for row in place.tried] == [1]


def test_a_channel_born_beyond_what_was_kept_has_no_less_than_nothing() -> None:
    before = Node()
    before.channel("c")
    gather(before, b"1", level=DISK)
    gather(before, b"2", b"3", level=MEMORY)
    before.wait(20.0)
    before.channel("d")
    node = restarted(shelf_of(before), ("c", 1), ("d", 1))
    assert stats(node, "d")["depth"] == 0


def test_an_emptied_backlog_is_not_counted_again_after_a_restart() -> None:
    before = Node()
    before.broker.recovered(before.now)
    before.publish(b"1", b"2")
    configure(before, emptied_ns=WALL_NS)
    assert restarted(shelf_of(before)).broker.messages_left() == 0


def test_two_channels_heard_of_late_have_what_came_before_another_ended() -> None:
    node = Node()
    node.channel("ends")
    node.publish(b"while both were there")
    node.wait(1.0)
    node.broker.channel_ended(node.now, "t", "ends", 1)
    node.channel("c", 2.0, local=False)
    node.channel("d", 2.0, local=False)
    assert (stats(node, "c")["depth"], stats(node, "d")["depth"]) == (1, 1)


def test_an_old_channel_heard_of_after_a_young_one_has_what_came_before_another_ended() -> None:
    node = Node()
    node.channel("ends")
    node.wait(20.0)
    node.publish(b"while the old one was there")
    node.wait(1.0)
    node.broker.channel_ended(node.now, "t", "ends", 1)
    node.channel("young", 0.5, local=False)
    node.channel("old", 15.0, local=False)
    assert (stats(node, "young")["depth"], stats(node, "old")["depth"]) == (0, 1)

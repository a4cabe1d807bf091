"""Emptying a channel, or the backlog of a topic: what was accepted by a moment is gone, and nothing later."""

from __future__ import annotations

from random import Random
from typing import Any

from meshq.broker.broker import Broker
from meshq.broker.effects import Hand
from meshq.config import BrokerConfig, Config
from meshq.machine.effects import Load, Store
from meshq.machine.store import BatchRow, Born, ChannelKept, Finished, Gone, LogKept, LogOver
from meshq.names import Epoch
from meshq.wire import bodies
from tests.broker.mesh import KEY, Mesh
from tests.broker.test_origin import WALL_NS, Node, durable
from tests.broker.test_settings import configure, handed, stats


class Kept(Node):
    """A node whose messages say when they were accepted, and whose store keeps and answers."""

    def __init__(self, **limits: Any) -> None:
        super().__init__(**limits)
        self.broker.recovered(self.now)
        self.rows: list[BatchRow] = []
        self.told: list[Any] = []

    @property
    def wall_ns(self) -> int:
        return WALL_NS + round((self.now - 100.0) * 1e9)

    def gather(self, *messages: bytes, **more: Any) -> int:
        self.token += 1
        body = bodies.encode(list(messages))
        traits = self.traits(**more)
        self.broker.publish(self.now, self.token, "t", 1, len(messages), body, traits=traits, wall_ns=self.wall_ns)
        return self.token

    def traits(self, delay_s: float = 0.0) -> Any:
        return durable(self.now, delay_s)

    def turn(self) -> None:
        while effects := self.broker.effects():
            for effect in effects:
                match effect:
                    case Store(token, rows):
                        self.rows += [row for row in rows if isinstance(row, BatchRow)]
                        self.told += [row for row in rows if not isinstance(row, BatchRow)]
                        self.broker.stored(self.now, token)
                    case Load(token, _, log, start, stop):
                        wanted = [row for row in self.rows if row.log == log and row.due_ns == 0]
                        found = [row for row in wanted if row.first + row.messages > start and row.first < stop]
                        self.broker.loaded(self.now, token, found[:1])
                    case Hand():
                        self.hands.append(effect)
            self.broker.check()

    def empty(self, channel: str, at_ns: int | None = None) -> None:
        configure(self, channel, emptied_ns=self.wall_ns if at_ns is None else at_ns)


def test_an_emptied_channel_has_nothing_left_and_the_others_keep_theirs() -> None:
    node = Kept()
    for name in ("c", "d"):
        node.channel(name)
    node.publish(b"1", b"2")
    node.empty("c")
    assert (stats(node, "c")["depth"], stats(node, "c")["emptied"]) == (0, 2)
    assert (stats(node, "d")["depth"], stats(node, "d")["emptied"]) == (2, 0)
    node.wait(1.0)
    node.publish(b"3")
    for number, name in enumerate(("c", "d"), 1):
        node.consume(name, number)
    assert node.bodies(1) == [b"3"]
    assert node.bodies(2) == [b"1", b"2", b"3"]


def test_what_came_back_what_is_deferred_and_what_is_lent_goes_too_and_a_late_finish_means_nothing() -> None:
    node = Kept()
    node.channel("c")
    node.consume("c", messages=2)
    node.publish(b"back")
    node.publish(b"lent")
    back = node.hands[0]
    node.publish(b"deferred", delay_s=5.0)
    node.broker.consumers.capacity(node.now, 1, 1, 1 << 20)
    node.broker.consumers.requeue(node.now, 1, back.log, back.start, back.stop, 9.0, "requeue")
    node.turn()
    node.empty("c")
    assert stats(node, "c")["emptied"] == 3
    assert stats(node, "c")["deferred"] == stats(node, "c")["depth"] == 0
    node.finish()
    node.wait(20.0)
    assert stats(node, "c")["finished"] == 0
    assert (stats(node, "c")["in_flight"], node.broker.messages_left()) == (0, 0)
    assert handed(node) == [b"back", b"lent"]


def test_an_empty_that_is_heard_late_spares_what_was_accepted_since() -> None:
    node = Kept()
    node.channel("c")
    node.publish(b"before")
    at_ns = node.wall_ns
    node.wait(3.0)
    node.publish(b"after")
    node.empty("c", at_ns)
    node.consume("c")
    assert handed(node) == [b"after"]
    assert stats(node, "c")["emptied"] == 1


def test_the_same_empty_told_again_does_nothing_more() -> None:
    node = Kept()
    node.channel("c")
    later_ns = node.wall_ns + 10**15  # a clock that is ahead
    node.publish(b"1")
    node.empty("c", later_ns)
    node.publish(b"2")
    configure(node, "c", emptied_ns=later_ns, attempts_max=5)
    assert stats(node, "c")["emptied"] == 1
    node.consume("c")
    assert handed(node) == [b"2"]


def test_the_backlog_of_a_topic_without_channels_is_emptied_and_its_first_channel_begins_after_it() -> None:
    node = Kept()
    node.publish(b"1", b"2", b"3")
    node.empty("")
    assert node.broker.messages_left() == 0
    assert node.broker.counters.emptied == 3
    node.publish(b"4")
    node.channel("c", age_s=5.0, local=False)  # as old as the window: it reaches back no further than the empty
    node.consume("c")
    assert handed(node) == [b"4"]


def test_a_topic_with_channels_has_no_backlog_to_empty() -> None:
    node = Kept()
    node.channel("c")
    node.publish(b"1")
    node.empty("")
    node.consume("c")
    assert handed(node) == [b"1"]


def test_what_lies_in_the_store_only_is_emptied_without_being_loaded() -> None:
    node = Kept(memory_bytes_max=4_000, window_topic_bytes_max=1, window_bytes_max=1)
    node.channel("c")
    for number in range(40):
        node.publish(b"%03d" % number * 100)
        node.wait(0.1)
    (topic,) = node.broker.stats()
    assert topic["stored"] > 20
    node.empty("c")
    assert (stats(node, "c")["depth"], node.broker.messages_left()) == (0, 0)
    node.wait(1.0)
    gone = [row for row in node.told if isinstance(row, Gone)]
    assert gone[-1][2:] == (1, 41)
    node.publish(b"later")
    node.consume("c")
    assert handed(node) == [b"later"]


def test_an_empty_heard_late_of_a_spilled_backlog_takes_what_was_accepted_before_and_no_more() -> None:
    node = Kept(memory_bytes_max=4_000, window_topic_bytes_max=1, window_bytes_max=1)
    node.channel("c")
    at_ns = 0
    for number in range(40):
        node.publish(b"%03d" % number * 100)
        if number == 19:
            at_ns = node.wall_ns
        node.wait(0.1)
    node.empty("c", at_ns)
    node.consume("c", messages=100)
    assert [body[:3] for body in handed(node)] == [b"%03d" % number for number in range(20, 40)]
    assert node.broker.messages_left() == 20


def recovered(at_ns: int, *, channels: bool = True) -> Kept:
    """A start that finds two messages of channel c in its store, and hears from its catalog how the names are set."""
    first = Kept()
    if channels:
        first.channel("c")
    first.publish(b"1", b"2")
    log = first.rows[0].log
    born = [each.number for each in first.told if isinstance(each, Born)]
    node = Kept()
    node.rows = first.rows
    node.broker = Broker(Config(name="a", broker=BrokerConfig()), Epoch(2, 2), Random(1))
    node.now = 200.0
    channel = [ChannelKept("c", 1, number, 0, [], []) for number in born]
    node.broker.recover(node.now, node.wall_ns, [LogKept("t", log, 3, [(1, 3)], [], 20, channel)])
    node.broker.topic_born(node.now, "t", 1)
    node.broker.configured(node.now, "t", "", {"emptied_ns": at_ns})
    if channels:
        node.broker.channel_born(node.now, "t", "c", 1, 100.0, False)
        node.broker.configured(node.now, "t", "c", {"emptied_ns": at_ns})
    node.broker.recovered(node.now)
    node.turn()
    return node


def test_a_start_that_had_not_written_down_what_was_emptied_does_it_again_as_it_loads() -> None:
    node = recovered(WALL_NS + 10**9)
    node.consume("c")
    assert node.hands == []
    assert node.broker.messages_left() == 0
    node.wait(1.0)
    assert [row for row in node.told if isinstance(row, Finished | LogOver)]


def test_an_empty_after_a_start_takes_all_that_it_found_without_loading_it() -> None:
    node = recovered(0)
    node.rows = []
    node.empty("c")
    assert node.broker.messages_left() == 0
    assert recovered(WALL_NS + 100 * 10**9, channels=False).broker.messages_left() == 0


def test_a_start_leaves_alone_what_a_clock_ahead_of_its_own_emptied_before() -> None:
    assert recovered(WALL_NS + 10**18).broker.messages_left() == 2
    assert recovered(WALL_NS + 10**18, channels=False).broker.messages_left() == 2


def test_a_topics_empty_takes_nothing_from_a_channel_that_a_start_is_still_to_hear_of() -> None:
    first = recovered(0)
    assert first.broker.messages_left() == 2


def test_between_nodes_every_origin_empties_its_own_and_the_holder_may_finish_what_it_has() -> None:
    mesh = Mesh("a", "b")
    mesh.connect("a", "b")
    consumer = mesh.consume("b", 2)
    mesh.settle()
    mesh.publish("a", b"1", b"2", b"3")
    mesh.settle()
    for name in "ab":
        mesh.brokers[name].configured(mesh.now, KEY.topic, KEY.channel, {"emptied_ns": 10**18})
        mesh.turn(name)
    mesh.settle()
    mesh.beat("b", "a")  # the audit: what is emptied is still lent
    mesh.settle()
    assert mesh.left() == 0
    mesh.finish(consumer)
    mesh.publish("a", b"4")
    mesh.settle()
    mesh.beat("b", "a")
    mesh.settle()
    assert mesh.broken == []
    assert mesh.bodies(consumer) == [b"1", b"2", b"4"]

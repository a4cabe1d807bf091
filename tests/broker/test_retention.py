"""What is finished and kept for channels to come, and where those begin."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from meshq.broker.batch import Traits
from meshq.broker.broker import Broker
from meshq.broker.effects import CarryOver, Hand
from meshq.config import BrokerConfig, Config
from meshq.machine.effects import Load, LoadDue, Store
from meshq.machine.store import BatchRow
from meshq.names import DISK, MEMORY, Epoch
from meshq.sim.shelf import Shelf
from meshq.wire import bodies
from tests.broker.test_emptying import Kept
from tests.broker.test_origin import Node
from tests.broker.test_settings import configure

WINDOW_S = 11.0
"""Recent batches stay in memory for so long, whatever else keeps them."""


class Shelved(Kept):
    """A node that keeps its rows on a shelf and may start again; ``level`` is that of its messages."""

    def __init__(self, shelf: Shelf | None = None, now: float = 100.0, **limits: Any) -> None:
        self.shelf = shelf if shelf is not None else Shelf()
        self.level = DISK
        self.limits = {"window_s": 1.0, "first_channels_s": 0.0, **limits}
        Node.__init__(self, store=False, **self.limits)
        if shelf is not None:
            self.broker = Broker(Config(name="a", broker=BrokerConfig(**self.limits)), Epoch(2, 3), Random(1))
        self.now = now
        self.broker.recover(self.now, self.wall_ns, self.shelf.recovered().logs)
        self.broker.topic_born(self.now, "t", 1)
        if shelf is None:
            self.broker.recovered(self.now)

    def traits(self, delay_s: float = 0.0, **more: Any) -> Traits:
        return Traits(due=self.now + delay_s if delay_s else 0.0, level=self.level, **more)

    def turn(self) -> None:
        while effects := self.broker.effects():
            for effect in effects:
                match effect:
                    case Store(token, rows):
                        self.shelf.apply(rows)
                        self.broker.stored(self.now, token)
                    case Load(token):
                        self.broker.loaded(self.now, token, self.shelf.load(effect))
                    case LoadDue(token):
                        self.broker.loaded(self.now, token, self.shelf.load_due(effect))
                    case Hand():
                        self.hands.append(effect)
                    case CarryOver(topic, publishings):
                        self.broker.carry_over(self.now, topic, 2, publishings)
            self.broker.check()

    def wait(self, seconds: float) -> None:
        """Time passes in steps, as it does."""
        until = self.now + seconds
        while self.now < until:
            super().wait(min(0.5, until - self.now))

    def retain(self, **settings: Any) -> None:
        configure(self, "", **settings)

    def begin(self, name: str, start: str | int = "", age_s: float = 0.0, *, local: bool = True) -> None:
        settings = {"start": start} if start != "" else {}
        self.broker.channel_born(self.now, "t", name, 1, age_s, local, settings)
        self.broker.configured(self.now, "t", name, settings)
        self.turn()

    def use_up(self, channel: str, number: int) -> list[bytes]:
        """Everything that the channel has is consumed; what it was."""
        self.consume(channel, number)
        seen = 0
        while (hands := sum(hand.consumer == number for hand in self.hands)) > seen:
            seen = hands
            self.finish(number)
        self.broker.consumers.left(self.now, number)
        self.turn()
        return self.bodies(number)

    def again(self, *names: str, after_s: float = 0.0, **settings: Any) -> Shelved:
        """The node starts again with its store, and hears of its topic's settings and of these channels."""
        node = Shelved(self.shelf, self.now + after_s, **self.limits)
        node.broker.configured(node.now, "t", "", settings)
        for name in names:
            node.broker.channel_born(node.now, "t", name, 1, 100.0, False, {})
        node.broker.recovered(node.now)
        node.turn()
        return node

    def kept(self) -> tuple[int, int]:
        """Messages and bytes that the topic retains, as ``stats`` shows it."""
        (topic,) = self.broker.stats()
        return topic["retained"], topic["retained_bytes"]


def retaining(count: int = 4, **settings: Any) -> Shelved:
    """A node whose channel c has finished so many messages, one each second, which left memory."""
    node = Shelved()
    node.retain(**settings)
    node.begin("c")
    for number in range(count):
        node.publish(b"%d" % number)
        node.use_up("c", 1)
        node.wait(1.0)
    node.wait(1.0)
    return node


def test_without_retention_what_is_finished_is_gone() -> None:
    node = retaining()
    node.wait(WINDOW_S)
    node.begin("late", "earliest")
    assert node.use_up("late", 2) == []
    assert node.shelf.recovered().logs[0].ready == []


def test_an_earliest_channel_gets_what_is_retained_and_a_latest_one_does_not() -> None:
    node = retaining(retention_s=60.0)
    node.begin("latest", "latest")
    node.begin("plain")
    node.begin("earliest", "earliest")
    node.publish(b"new")
    assert node.use_up("earliest", 2) == [b"0", b"1", b"2", b"3", b"new"]
    assert node.use_up("latest", 3) == node.use_up("plain", 4) == [b"new"]


def test_a_deferred_batch_that_cannot_be_read_is_counted_as_lost_and_ends() -> None:
    node = Shelved()
    node.begin("c")
    node.publish(b"later", delay_s=120.0)
    node.publish(b"much later", delay_s=150.0)
    load_due = node.shelf.load_due

    def damaged(ask: LoadDue) -> list[BatchRow]:
        return [row._replace(body=b"") if row.first == 1 else row for row in load_due(ask)]

    node.shelf.load_due = damaged  # type: ignore[method-assign]
    node.consume("c")
    node.wait(200.0)
    assert node.bodies() == [b"much later"]
    assert node.broker.counters.absent == 1
    assert node.broker.messages_left() == 1


def test_a_row_of_which_one_channel_has_finished_the_first_part_counts_nothing_as_absent() -> None:
    before = Shelved()
    before.begin("c")
    before.begin("d")
    before.publish(b"1", b"2")
    before.publish(b"3", b"4")
    before.consume("c")
    before.broker.consumers.finish(before.now, 1, [(before.hands[0].log, 1, 4)])
    before.turn()
    before.wait(1.0)
    node = before.again("c", "d")
    node.consume("c")
    node.finish()
    assert node.bodies() == [b"4"]
    node.consume("d", 2)
    node.finish(2)
    assert node.broker.counters.absent == 0
    assert node.broker.messages_left() == 0


def test_what_is_retained_takes_no_memory_when_there_is_a_store() -> None:
    node = retaining(retention_s=60.0)
    assert node.broker.memory_bytes == 0
    assert node.broker.messages_left() == 0


def test_what_is_retained_goes_when_it_is_old_and_not_before() -> None:
    node = retaining(retention_s=20.0)
    node.wait(14.0)  # the first was accepted 19 s ago, the last 16 s
    node.begin("early", "earliest")
    assert node.use_up("early", 2) == [b"0", b"1", b"2", b"3"]
    node.wait(2.5)
    assert node.kept()[0] == 2
    node.begin("late", "earliest")
    assert node.use_up("late", 3) == [b"2", b"3"]
    node.wait(5.0)
    assert node.kept() == (0, 0)
    node.wait(1.0)
    assert node.shelf.recovered().logs[0].ready == []


def test_what_a_replay_finished_again_is_no_younger_for_it() -> None:
    node = retaining(retention_s=20.0)
    node.wait(10.0)
    node.begin("c2", "earliest")
    node.use_up("c2", 2)
    node.wait(8.0)
    node.wait(2.0)
    assert node.kept() == (0, 0)


def test_what_is_more_than_the_bytes_allow_goes_oldest_first() -> None:
    node = retaining(8, retention_bytes=3 * len(bodies.encode([b"0"])))
    messages, size_bytes = node.kept()
    assert messages == 3
    assert size_bytes <= 3 * len(bodies.encode([b"0"]))
    node.begin("late", "earliest")
    assert node.use_up("late", 2) == [b"5", b"6", b"7"]


def test_a_channel_begins_at_a_time_of_the_wall_clock() -> None:
    node = retaining(retention_s=60.0)
    second = (node.wall_ns - 3_000_000_000) // 1_000_000  # the third was accepted then
    node.begin("late", second)
    assert node.use_up("late", 2) == [b"2", b"3"]


def test_a_start_that_is_still_to_come_leaves_out_what_is_accepted_before_it() -> None:
    node = retaining(retention_s=60.0)
    node.begin("soon", (node.wall_ns + 5_000_000_000) // 1_000_000)
    node.publish(b"too early")
    node.wait(6.0)
    node.publish(b"in time")
    assert node.use_up("soon", 2) == [b"in time"]


def test_a_first_channel_that_begins_at_a_time_leaves_the_backlog_before_it() -> None:
    node = Shelved()
    node.publish(b"old")
    node.wait(5.0)
    at_ms = node.wall_ns // 1_000_000
    node.publish(b"new")
    node.begin("c", at_ms)
    assert node.use_up("c", 1) == [b"new"]
    assert node.broker.messages_left() == 0


def test_a_restart_keeps_what_is_retained_and_goes_on_counting_its_age() -> None:
    node = retaining(retention_s=20.0).again("c", after_s=5.0, retention_s=20.0)
    assert node.kept()[0] == 4
    assert node.broker.messages_left() == 0
    node.begin("late", "earliest", age_s=2.0, local=False)  # heard of from another node
    assert node.use_up("late", 2) == [b"0", b"1", b"2", b"3"]
    node.wait(14.0)
    assert node.kept() == (0, 0)


def test_after_a_restart_bytes_count_as_before() -> None:
    one = len(bodies.encode([b"0"]))
    node = retaining(8, retention_s=60.0).again("c", retention_s=60.0, retention_bytes=2 * one)
    assert node.kept() == (2, 2 * one)


def test_a_start_holds_over_a_restart_of_the_origin_and_is_not_made_again() -> None:
    node = retaining(retention_s=60.0)
    node.begin("late", "earliest")
    node.consume("late", 2, messages=2)
    node.finish(2)
    node.wait(1.0)
    node = node.again("c", "late", retention_s=60.0)
    node.broker.configured(node.now, "t", "late", {"start": "earliest"})
    left = node.use_up("late", 2)
    assert left
    assert set(left) < {b"0", b"1", b"2", b"3"}
    node.wait(1.0)
    node = node.again("c", "late", retention_s=60.0)
    node.broker.configured(node.now, "t", "late", {"start": "earliest"})
    assert node.use_up("late", 2) == []


def test_a_restart_between_two_channels_does_not_make_a_backlog_of_what_was_finished() -> None:
    node = retaining(retention_s=60.0)
    node.broker.channel_ended(node.now, "t", "c", 1)
    node.turn()
    node = node.again(retention_s=60.0)
    assert node.broker.messages_left() == 0
    node.publish(b"new")
    node.begin("plain")
    assert node.use_up("plain", 1) == [b"new"]
    node.begin("late", "earliest")
    assert sorted(node.use_up("late", 2)) == [b"0", b"1", b"2", b"3", b"new"]


def test_what_a_channel_had_not_finished_when_it_ended_is_retained_too() -> None:
    node = Shelved()
    node.retain(retention_s=60.0)
    node.begin("c")
    node.publish(b"1")
    node.broker.channel_ended(node.now, "t", "c", 1)
    node.turn()
    node.begin("late", "earliest")
    assert node.use_up("late", 2) == [b"1"]


def test_emptying_the_topic_forgets_what_is_retained_and_emptying_a_channel_does_not() -> None:
    node = retaining(retention_s=60.0)
    node.empty("c")
    assert node.kept()[0] == 4
    node.retain(retention_s=60.0, emptied_ns=node.wall_ns - 3_500_000_000)
    assert node.kept()[0] == 2
    node.begin("late", "earliest")
    assert node.use_up("late", 2) == [b"2", b"3"]
    node.wait(3.0)
    node.retain(retention_s=60.0, emptied_ns=node.wall_ns)
    assert node.kept() == (0, 0)


def test_retention_that_is_taken_back_takes_what_was_kept() -> None:
    node = retaining(retention_s=60.0)
    node.retain()
    node.wait(1.0)
    assert node.kept() == (0, 0)
    assert node.shelf.recovered().logs[0].ready == []


def test_what_the_first_channels_may_still_want_outlives_a_retention_that_is_taken_back() -> None:
    node = Shelved(first_channels_s=10.0)
    node.retain(retention_s=60.0)
    node.publish(b"1")
    node.begin("c")
    node.use_up("c", 1)
    node.wait(2.0)
    node.retain()
    node.begin("sister")
    assert node.use_up("sister", 2) == [b"1"]
    node.wait(20.0)
    assert node.shelf.recovered().logs[0].ready == []


def test_a_deleted_topic_retains_nothing() -> None:
    node = retaining(retention_s=60.0)
    node.broker.topic_ended(node.now, "t", 1)
    node.turn()
    assert node.shelf.recovered().logs == []
    assert node.broker.memory_bytes == 0


def test_a_topic_that_ends_holds_nothing_in_memory_either_and_the_next_begins_anew() -> None:
    node = in_memory()
    node.publish(b"1")
    node.use_up("c", 1)
    node.wait(3.0)
    node.publish(b"2")  # recent, when the topic ends
    node.use_up("c", 2)
    node.broker.topic_ended(node.now, "t", 1)
    node.turn()
    assert node.broker.memory_bytes == 0
    assert (node.broker._retentions.held_bytes, node.broker._retentions.size_bytes) == (0, 0)
    node.broker.topic_born(node.now, "t", 2)
    assert node.kept() == (0, 0)


def test_messages_for_some_channels_are_replayed_to_those_alone() -> None:
    node = Shelved()
    node.retain(retention_s=60.0)
    node.begin("c")
    node.begin("d")
    node.gather(b"for c", channels=("c",))
    node.publish(b"for all")
    node.use_up("c", 1)
    node.use_up("d", 2)
    node.wait(5.0)
    node.begin("late", "earliest")
    assert node.use_up("late", 3) == [b"for all"]


def test_neither_what_expired_nor_what_was_deferred_is_replayed() -> None:
    node = Shelved()
    node.retain(retention_s=60.0)
    node.begin("c")
    node.gather(b"brief", expires=node.now + 5.0)
    node.publish(b"later", delay_s=2.0)
    node.publish(b"plain")
    node.wait(3.0)
    node.use_up("c", 1)
    node.wait(0.1)
    assert sorted(node.use_up("c", 1)) == [b"brief", b"later", b"plain"]
    node.wait(5.0)
    node.begin("late", "earliest")
    assert node.use_up("late", 2) == [b"plain"]
    assert node.broker.counters.absent == 0


def test_a_slow_channel_keeps_its_own_and_the_rest_is_retained() -> None:
    node = Shelved()
    node.retain(retention_s=10.0)
    for name in ("c", "slow"):
        node.begin(name)
    for number in range(3):
        node.publish(b"%d" % number)
    node.use_up("c", 1)
    node.wait(20.0)
    assert node.use_up("slow", 2) == [b"0", b"1", b"2"]
    node.wait(5.0)
    assert node.kept() == (0, 0)


# in memory


def in_memory(**limits: Any) -> Shelved:
    node = Shelved(**limits)
    node.level = MEMORY
    node.retain(retention_s=60.0)
    node.begin("c")
    return node


def test_what_the_store_does_not_have_is_held_in_memory_and_replayed_from_there() -> None:
    node = in_memory()
    for number in range(3):
        node.publish(b"%d" % number)
    node.use_up("c", 1)
    node.wait(5.0)
    assert node.kept()[0] == 3
    assert node.broker.messages_left() == 0
    for name, number in (("late", 2), ("later", 3)):
        node.begin(name, "earliest")
        assert node.use_up(name, number) == [b"0", b"1", b"2"]
    node.wait(60.0)
    assert node.kept() == (0, 0)
    assert node.broker.memory_bytes == 0


def test_what_is_held_in_memory_has_a_limit_of_its_own_and_the_oldest_goes() -> None:
    node = in_memory(retained_memory_bytes_max=5_000, window_bytes_max=1)
    for number in range(20):
        node.publish(b"%d" % number)
        node.use_up("c", 1)
    assert node.broker.memory_bytes <= 6_000
    node.begin("late", "earliest")
    assert node.use_up("late", 2)[-1] == b"19"
    assert 4 <= len(node.bodies(2)) < 10


def test_what_is_held_goes_before_a_publish_is_refused() -> None:
    node = in_memory(memory_bytes_max=10_000, window_bytes_max=1, retained_memory_bytes_max=1 << 20)
    node.broker.store_health(node.now, "")
    for number in range(40):
        node.publish(b"%d" % number)
        node.use_up("c", 1)
    assert node.broker.memory_bytes <= 10_000 // 4 + 1_000


def test_a_message_that_is_finished_before_the_store_has_it_is_retained_once_it_does() -> None:
    node = Shelved(window_bytes_max=1)
    node.retain(retention_s=60.0)
    node.begin("c")
    node.consume("c")
    node.gather(b"1")
    effects = node.broker.effects()
    store = next(effect for effect in effects if isinstance(effect, Store))
    node.hands += [effect for effect in effects if isinstance(effect, Hand)]
    node.broker.consumers.finish(node.now, 1, [hand[1:4] for hand in node.hands])
    node.broker.effects()
    assert node.kept()[0] == 1
    assert node.broker.memory_bytes > 0
    node.shelf.apply(store.rows)
    node.broker.stored(node.now, store.token)
    node.turn()
    assert node.kept()[0] == 1
    assert node.broker.memory_bytes == 0
    node.begin("late", "earliest")
    assert node.use_up("late", 2) == [b"1"]


# the node's limits


def test_all_topics_together_retain_so_much_and_the_oldest_goes() -> None:
    one = len(bodies.encode([b"0"]))
    node = Shelved(retained_bytes_max=3 * one)
    node.retain(retention_s=60.0)
    node.begin("c")
    for number in range(6):
        node.publish(b"%d" % number)
        node.use_up("c", 1)
        node.wait(1.0)
    node.wait(5.0)
    assert node.kept()[0] == 3
    node.begin("late", "earliest")
    assert node.use_up("late", 2) == [b"3", b"4", b"5"]


@pytest.mark.parametrize("memory_bytes_max", [3_000, 1 << 20])
def test_what_expires_is_not_retained_wherever_it_lies(memory_bytes_max: int) -> None:
    node = Shelved(memory_bytes_max=memory_bytes_max)
    node.retain(retention_s=600.0)
    node.begin("c")
    for number in range(20):
        body, traits = bodies.encode([b"%d" % number * 1_000]), node.traits(expires=node.now + 5.0)
        node.broker.publish(node.now, number, "t", 1, 1, body, traits=traits, wall_ns=node.wall_ns)
        node.turn()
        if number < 2:
            node.use_up("c", 1)
    node.wait(30.0)
    assert node.broker.messages_left() == 0
    assert node.kept()[0] == 2, "what was finished before its time is"


def test_a_full_disk_takes_what_is_retained_half_by_half() -> None:
    node = retaining(8, retention_s=60.0)
    node.broker.store_health(node.now, "the disk is full", full=True)
    node.turn()
    assert 3 <= node.kept()[0] <= 4
    node.wait(10.0)
    assert node.kept() == (0, 0)
    node.broker.store_health(node.now, "")
    node.publish(b"kept")
    node.use_up("c", 9)
    node.wait(5.0)
    assert node.kept()[0] == 1


def test_other_trouble_with_the_store_takes_nothing_of_what_is_retained() -> None:
    node = retaining(8, retention_s=60.0)
    before = node.kept()
    node.broker.store_health(node.now, "disk I/O error")
    node.wait(10.0)
    assert node.kept() == before


def test_a_clock_that_was_far_ahead_keeps_nothing_for_ever() -> None:
    node = Shelved()
    node.retain(retention_s=20.0)
    node.begin("c")
    body, ahead_ns = bodies.encode([b"1"]), node.wall_ns + 10**18
    node.broker.wall(node.now, ahead_ns)
    node.broker.publish(node.now, 1, "t", 1, 1, body, traits=node.traits(), wall_ns=ahead_ns)
    node.turn()
    node.broker.wall(node.now, node.wall_ns)
    node.use_up("c", 1)
    node.wait(30.0)
    assert node.kept() == (0, 0)

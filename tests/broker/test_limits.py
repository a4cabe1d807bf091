"""Limits of topics and channels at an origin: what is refused, what makes room, what is counted."""

from __future__ import annotations

import pytest

from meshq.broker.sizes import STEPS_MAX, Sizes
from meshq.errors import EXCEEDS, Overloaded
from tests.broker.test_emptying import Kept
from tests.broker.test_settings import configure, handed, stats


def test_a_publish_above_a_channels_limit_is_refused_and_names_it_until_something_is_finished() -> None:
    node = Kept()
    node.channel("c")
    node.channel("d")
    configure(node, "c", messages_max=3)
    node.publish(b"1", b"2")
    with pytest.raises(Overloaded, match=r"channel t/c has 2 unfinished messages .*meshq channels configure t c") as no:
        node.gather(b"3", b"4")
    assert no.value.limit == "messages_max"
    node.turn()
    node.publish(b"3")
    with pytest.raises(Overloaded):
        node.gather(b"4")
    node.consume("c", messages=1)
    node.finish()
    node.publish(b"4")
    assert node.broker.counters.refused == 2
    assert node.broker.counters.published == 4


def test_a_publish_that_is_above_a_limit_alone_is_refused_for_good_and_told_whose_limit_it_is() -> None:
    node = Kept()
    node.channel("c")
    configure(node, messages_max=3)
    with pytest.raises(Overloaded, match=r"5 messages, and messages_max of topic t is 3: .*`meshq topics conf") as no:
        node.gather(*[b"x"] * 5)
    assert (no.value.code, no.value.limit) == (EXCEEDS, "messages_max")
    node.publish(b"1", b"2", b"3")
    with pytest.raises(Overloaded, match=r"channel c of topic t has 3 .*, and the topic's messages_max is 3") as full:
        node.gather(b"4")
    assert full.value.code == "FULL"
    configure(node, "c", bytes_max=100)
    with pytest.raises(Overloaded, match=r"bytes_max of channel t/c is 100: .*`meshq channels conf") as no:
        node.gather(b"x" * 200)
    assert (no.value.code, no.value.limit) == (EXCEEDS, "bytes_max")


def test_what_is_published_in_one_turn_counts_together() -> None:
    node = Kept()
    node.channel("c")
    configure(node, "c", messages_max=2)
    node.gather(b"1")
    node.gather(b"2")
    with pytest.raises(Overloaded):
        node.gather(b"3")


def test_a_topics_limit_holds_for_its_backlog_and_for_each_of_its_channels() -> None:
    node = Kept()
    configure(node, messages_max=2)
    node.publish(b"1", b"2")
    with pytest.raises(Overloaded, match=r"topic t has 2 unfinished messages .*meshq topics configure t messages_max"):
        node.gather(b"3")
    for number, name in enumerate(("c", "d"), 1):
        node.channel(name)
        node.consume(name, number)
    node.finish(1)
    with pytest.raises(Overloaded, match="channel d of topic t has 2"):
        node.gather(b"3")
    node.finish(2)
    node.publish(b"3")


def test_bytes_are_limited_as_well() -> None:
    node = Kept()
    node.channel("c")
    node.publish(b"x" * 400)  # before there was a limit
    configure(node, "c", bytes_max=1000)
    node.publish(b"x" * 400)
    with pytest.raises(Overloaded, match=r"unfinished bytes .* bytes_max is 1,000") as no:
        node.gather(b"x" * 400)
    assert no.value.limit == "bytes_max"
    node.consume("c", messages=1)
    node.finish()
    node.publish(b"x" * 400)


def test_a_limit_that_drops_the_oldest_lets_everything_in_and_keeps_the_latest() -> None:
    node = Kept()
    node.channel("c")
    node.channel("d")
    configure(node, "c", messages_max=3, full="drop_oldest")
    for number in range(10):
        node.publish(b"%d" % number)
    assert (stats(node, "c")["depth"], stats(node, "c")["dropped_oldest"]) == (3, 7)
    assert (stats(node, "d")["depth"], stats(node, "d")["dropped_oldest"]) == (10, 0)
    node.publish(b"a", b"b", b"c", b"d", b"e")  # more at once than there may be
    node.consume("c")
    assert handed(node) == [b"c", b"d", b"e"]
    assert node.broker.counters.dropped_oldest == 12


def test_what_is_in_flight_is_not_dropped_and_what_waits_or_is_deferred_is() -> None:
    node = Kept()
    node.channel("c")
    node.consume("c", messages=2)
    configure(node, "c", messages_max=1, full="drop_oldest")
    node.publish(b"lent 1")
    node.publish(b"lent 2")
    node.publish(b"deferred", delay_s=60.0)
    node.publish(b"waits")
    assert stats(node, "c")["dropped_oldest"] == 1
    assert (stats(node, "c")["in_flight"], stats(node, "c")["deferred"], stats(node, "c")["depth"]) == (2, 0, 1)
    node.publish(b"newest")
    node.finish()
    assert handed(node) == [b"lent 1", b"lent 2", b"newest"]


def test_with_everything_in_flight_nothing_is_dropped_and_the_latest_waits_behind_it() -> None:
    node = Kept()
    node.channel("c")
    node.consume("c", messages=4)
    configure(node, "c", messages_max=2, full="drop_oldest")
    for number in range(7):
        node.publish(b"%d" % number)
    assert (stats(node, "c")["in_flight"], stats(node, "c")["depth"], stats(node, "c")["dropped_oldest"]) == (4, 2, 1)
    node.finish()
    assert handed(node) == [b"0", b"1", b"2", b"3", b"5", b"6"]


def test_the_backlog_of_a_topic_keeps_its_latest_messages_for_the_first_channel() -> None:
    node = Kept()
    configure(node, messages_max=3, full="drop_oldest")
    node.publish(b"1", b"2", b"3", b"4", b"5")
    node.publish(b"6")
    assert node.broker.counters.dropped_oldest == 3
    node.channel("c")
    node.consume("c", 1)
    node.channel("d")
    node.consume("d", 2)
    assert node.bodies(1) == node.bodies(2) == [b"4", b"5", b"6"]
    node.finish(1)
    node.finish(2)
    assert node.broker.messages_left() == 0


def test_the_oldest_bytes_go_as_far_as_they_must() -> None:
    node = Kept()
    node.channel("c")
    configure(node, "c", bytes_max=1000, full="drop_oldest")
    for number in range(20):
        node.publish(b"%02d" % number * 50)
    kept = 20 - stats(node, "c")["dropped_oldest"]
    assert kept * 100 <= 1000 < (kept + 1) * 105
    node.consume("c")
    assert handed(node)[0][:2] == b"%02d" % (20 - kept)


def test_a_spilled_backlog_makes_room_without_being_loaded() -> None:
    node = Kept(memory_bytes_max=4_000, window_topic_bytes_max=1, window_bytes_max=1)
    node.channel("c")
    for number in range(40):
        node.publish(b"%03d" % number * 100)
        node.wait(0.1)
    configure(node, "c", messages_max=10, full="drop_oldest")
    node.publish(b"040" * 100)
    assert (stats(node, "c")["depth"], node.broker.counters.loaded) == (10, 0)
    node.consume("c", messages=100)
    assert [body[:3] for body in handed(node)] == [b"%03d" % number for number in range(31, 41)]


def test_a_limit_taken_back_limits_nothing() -> None:
    node = Kept()
    node.channel("c")
    configure(node, "c", messages_max=1)
    configure(node, "c")
    node.publish(b"1", b"2", b"3")
    assert stats(node, "c")["depth"] == 3


def test_sizes_are_exact_at_the_edges_of_what_was_added_and_bounded() -> None:
    sizes = Sizes(1)
    total = 0
    for number in range(1, 5 * STEPS_MAX):
        total += number
        sizes.add(1 + 10 * number, number)
    assert sizes.between(1, 1 + 10 * (5 * STEPS_MAX - 1)) == total
    last = 1 + 10 * (5 * STEPS_MAX - 2)
    assert sizes.between(last, last + 10) == 5 * STEPS_MAX - 1
    assert sizes.between(last, last + 5) == (5 * STEPS_MAX - 1) / 2
    assert len(sizes._numbers) <= STEPS_MAX
    assert sizes.of([(1, 11), (11, 21)]) == sizes.between(1, 21)
    assert sizes.between(0, 1) == sizes.between(10**9, 10**9 + 5) == 0

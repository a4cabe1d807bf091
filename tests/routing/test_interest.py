"""Interest: copies of other nodes' maps, the index over them, masks and limits. Parts in, answers out."""

from __future__ import annotations

import tracemalloc

from meshq.config import RoutingConfig
from meshq.names import Epoch
from meshq.routing.counters import Counters
from meshq.routing.interest import Index, Interest, Outcome
from meshq.wire.interest import Entry

FIRST, SECOND = Epoch(1, 1), Epoch(2, 1)
KEY = ("t", "c")


def entry(channel: str = "c", consumers: int = 1, version: int = 1) -> Entry:
    return Entry("t", channel, consumers, version, 0)


def interest(**settings: int) -> Interest:
    maps = Interest(RoutingConfig(**settings), Counters())
    maps.show("b", FIRST)
    return maps


def test_the_index_lists_nodes_by_name_and_tells_what_changed_once() -> None:
    index = Index()
    for name in ("b", "c", "a", "b"):
        index.add(KEY, name)
    assert index.interested(KEY) == ("a", "b", "c")
    index.remove(KEY, "b")
    index.remove(KEY, "x")
    assert index.interested(KEY) == ("a", "c")
    assert index.changes() == {KEY: True}
    index.remove(KEY, "a")
    assert index.changes() == {KEY: False}
    assert index.changes() == {}


def test_a_part_is_taken_once_and_in_order() -> None:
    maps = interest()
    assert maps.apply("b", FIRST, 0, 1, 2, [entry(version=2)]) is Outcome.GAP
    assert maps.apply("b", FIRST, 0, 0, 1, [entry("d")]) is Outcome.TAKEN
    assert maps.apply("b", FIRST, 0, 0, 1, [entry("d")]) is Outcome.KNOWN
    assert maps.apply("b", FIRST, 0, 1, 2, [entry(version=2)]) is Outcome.TAKEN
    assert maps.index.interested(KEY) == ("b",)
    assert maps.apply("b", FIRST, 0, 2, 3, [entry(consumers=0, version=3)]) is Outcome.TAKEN
    assert maps.index.interested(KEY) == ()
    assert maps.pairs == 1


def test_a_part_that_overlaps_does_not_take_back_what_is_newer() -> None:
    maps = interest()
    maps.apply("b", FIRST, 0, 0, 5, [entry(consumers=3, version=5)])
    assert maps.apply("b", FIRST, 0, 2, 9, [entry(consumers=1, version=4), entry("d", 1, 9)]) is Outcome.TAKEN
    assert maps.consumers("b", KEY) == 3
    assert maps.index.interested(("t", "d")) == ("b",)


def test_the_interest_of_the_dead_is_masked_and_comes_back_without_a_message() -> None:
    maps = interest()
    maps.apply("b", FIRST, 0, 0, 1, [entry()])
    maps.mask("b")
    assert maps.index.interested(KEY) == ()
    maps.show("b", FIRST)
    assert maps.index.interested(KEY) == ("b",)
    assert maps.version("b", FIRST) == 1


def test_what_the_dead_are_heard_to_say_is_kept_behind_the_mask() -> None:
    maps = interest()
    maps.mask("b")
    assert maps.apply("b", FIRST, 0, 0, 1, [entry()]) is Outcome.TAKEN
    assert maps.index.interested(KEY) == ()
    maps.show("b", FIRST)
    assert maps.index.interested(KEY) == ("b",)


def test_a_later_epoch_voids_the_earlier_ones_interest_at_once() -> None:
    maps = interest()
    maps.apply("b", FIRST, 0, 0, 1, [entry()])
    maps.show("b", SECOND)
    assert maps.index.interested(KEY) == ()
    assert maps.apply("b", FIRST, 0, 1, 2, [entry(version=2)]) is Outcome.KNOWN
    assert (maps.version("b", FIRST), maps.version("b", SECOND), maps.pairs) == (0, 0, 0)


def test_a_forgotten_member_leaves_nothing() -> None:
    maps = interest()
    maps.apply("b", FIRST, 0, 0, 1, [entry()])
    maps.forget("b")
    assert (maps.index.interested(KEY), maps.pairs, maps.holding("b", FIRST)) == ((), 0, None)


def test_who_missed_forgotten_removals_takes_the_map_from_the_beginning() -> None:
    maps = interest()
    maps.apply("b", FIRST, 0, 0, 3, [entry("gone"), entry("kept", 1, 3)])
    assert maps.apply("b", FIRST, 5, 3, 8, [entry("new", 1, 8)]) is Outcome.GAP
    assert maps.since("b", FIRST, 5) == 0
    assert maps.apply("b", FIRST, 5, 0, 3, [entry("kept", 1, 3)]) is Outcome.TAKEN
    assert maps.index.interested(("t", "gone")) == ()
    assert maps.apply("b", FIRST, 5, 3, 8, [entry("new", 1, 8)]) is Outcome.TAKEN
    assert [maps.index.interested(("t", name)) for name in ("kept", "new")] == [("b",), ("b",)]
    assert maps.pairs == 2


def test_a_doubted_map_is_replaced_by_a_fresh_copy() -> None:
    maps = interest()
    maps.apply("b", FIRST, 0, 0, 3, [entry("wrong", 1, 3)])
    maps.doubt("b", FIRST, 3)
    assert maps.since("b", FIRST, 0) == 0
    assert maps.apply("b", FIRST, 0, 0, 3, [entry("right", 1, 3)]) is Outcome.TAKEN
    assert maps.index.interested(("t", "wrong")) == ()
    assert maps.index.interested(("t", "right")) == ("b",)


def test_more_interest_than_a_node_may_have_is_refused_whole() -> None:
    maps = interest(interest_max=4)
    assert maps.apply("b", FIRST, 0, 0, 5, [entry(f"c{n}", 1, n) for n in range(1, 6)]) is Outcome.TAKEN
    assert maps.apply("b", FIRST, 0, 5, 6, [entry("c6", 1, 6)]) is Outcome.REFUSED
    assert (maps.version("b", FIRST), maps.pairs) == (5, 5)
    assert maps.apply("b", FIRST, 0, 5, 6, [entry("c1", 2, 6)]) is Outcome.TAKEN


def test_the_pairs_of_the_whole_mesh_are_bounded() -> None:
    maps = interest(pairs_max=3)
    maps.apply("b", FIRST, 0, 0, 2, [entry("x", 1, 1), entry("y", 1, 2)])
    maps.show("c", FIRST)
    assert maps.apply("c", FIRST, 0, 0, 2, [entry("x", 1, 1), entry("y", 1, 2)]) is Outcome.REFUSED
    assert maps.apply("c", FIRST, 0, 0, 1, [entry("x", 1, 1)]) is Outcome.TAKEN


def test_strangers_are_kept_masked_until_they_are_members() -> None:
    maps = interest()
    assert maps.apply("new", FIRST, 1, 0, 1, [entry()]) is Outcome.TAKEN
    assert maps.index.interested(KEY) == ()
    assert maps.strangers(["b"]) == ["new"]
    maps.show("new", FIRST)
    assert maps.index.interested(KEY) == ("new",)


def test_a_pair_costs_about_two_hundred_bytes() -> None:
    nodes, channels = 40, 500
    tracemalloc.start()
    maps = interest()
    for node in range(nodes):
        entries = [Entry(f"topic-{n}", "channel", 1, n + 1, 0) for n in range(channels)]
        maps.show(f"node-{node}", FIRST)
        maps.apply(f"node-{node}", FIRST, 0, 0, channels, entries)
        del entries
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert maps.pairs == nodes * channels
    assert used / maps.pairs < 250

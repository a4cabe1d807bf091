"""Publish ids at the origin."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.broker.batch import Traits
from meshq.errors import InvalidMessage
from meshq.machine.store import Put
from meshq.names import DISK, MEMORY
from meshq.wire import bodies
from tests.broker.test_origin import WALL_NS, Node


def publish(node: Node, publish_id: str, *messages: bytes, level: int = DISK, topic: str = "t") -> int:
    node.token += 1
    traits = Traits(level=level)
    node.broker.publish(
        node.now,
        node.token,
        topic,
        1,
        len(messages),
        bodies.encode(list(messages)),
        traits=traits,
        wall_ns=WALL_NS,
        publish_id=publish_id,
    )
    node.turn()
    return node.token


def stored(node: Node) -> None:
    for store in node.stores:
        node.broker.stored(node.now, store.token)
    node.turn()


def puts(node: Node) -> list[Put]:
    return [row for store in node.stores for row in store.rows if isinstance(row, Put) and row.kind == "publish"]


def answers(node: Node) -> list[tuple[int, int, bool]]:
    return [(one.token, one.first, one.duplicate) for one in node.confirmed]


def test_a_second_publish_with_an_id_adds_nothing_and_is_confirmed_as_the_first() -> None:
    node = Node()
    publish(node, "", b"0")
    publish(node, "x", b"1", b"2")
    stored(node)
    publish(node, "x", b"1", b"2")
    assert answers(node) == [(1, 1, False), (2, 2, False), (3, 2, True)]
    assert node.broker.messages_left() == 3
    assert node.broker.counters.duplicates == 1


def test_it_waits_while_the_first_is_under_way() -> None:
    node = Node()
    publish(node, "x", b"1")
    publish(node, "x", b"1")
    assert answers(node) == []
    stored(node)
    assert answers(node) == [(1, 1, False), (2, 1, True)]


def test_what_could_not_be_kept_is_refused_to_both_and_may_be_published_again() -> None:
    node = Node()
    publish(node, "x", b"1")
    publish(node, "x", b"1")
    node.broker.unstored(node.now, node.stores[0].token, "disk full")
    effects = node.broker.effects()
    assert [getattr(effect, "token", 0) for effect in effects if type(effect).__name__ == "Unkept"] == [1, 2]
    publish(node, "x", b"1")
    assert node.broker.messages_left() == 2
    assert [put.value is None for put in puts(node)] == [False, True, False]


def test_an_id_is_given_up_with_a_batch_that_the_store_refuses() -> None:
    node = Node()
    publish(node, "x", b"1")
    assert puts(node)
    assert node.stores[0].without_batches() == []


def test_an_id_is_forgotten_when_its_window_is_over() -> None:
    node = Node(dedupe_window_s=10.0)
    publish(node, "x", b"1", level=MEMORY)
    node.wait(9.0)
    publish(node, "x", b"1", level=MEMORY)
    node.wait(2.5)
    publish(node, "x", b"1", level=MEMORY)
    assert [duplicate for _, _, duplicate in answers(node)] == [False, True, False]


def test_a_topic_may_have_another_window_or_none() -> None:
    node = Node()
    node.broker.configured(node.now, "t", "", {"dedupe_window_s": 0})
    for _ in range(2):
        publish(node, "x", b"1", level=MEMORY)
    assert [duplicate for _, _, duplicate in answers(node)] == [False, False]


def test_the_oldest_id_is_forgotten_above_the_limit_and_counted() -> None:
    node = Node(dedupe_ids_max=2)
    for name in ("x", "y", "z", "x"):
        publish(node, name, b"1", level=MEMORY)
    assert [duplicate for _, _, duplicate in answers(node)] == [False] * 4
    assert node.broker.counters.ids_forgotten == 2


def test_an_id_within_a_long_window_stays_while_later_ones_of_short_windows_go() -> None:
    node = Node(dedupe_ids_max=10, dedupe_window_s=1.0)
    node.broker.topic_born(node.now, "long", 1)
    node.broker.configured(node.now, "long", "", {"dedupe_window_s": 3_600.0})
    publish(node, "first", b"1", level=MEMORY, topic="long")
    for number in range(9):
        publish(node, f"short-{number}", b"1", level=MEMORY)
    node.now += 30.0  # no tick: the driver was late
    publish(node, "new", b"1", level=MEMORY)
    publish(node, "first", b"1", level=MEMORY, topic="long")
    assert node.broker.counters.duplicates == 1
    assert node.broker.counters.ids_forgotten == 0
    node.wait(2.0)
    assert len(node.broker._turn.ids._known) == 1


def test_an_id_for_another_number_of_messages_is_refused() -> None:
    node = Node()
    publish(node, "x", b"1")
    with pytest.raises(InvalidMessage, match="was used for 1 messages") as caught:
        publish(node, "x", b"1", b"2")
    assert caught.value.code == "BAD_ID"


def test_an_id_is_kept_with_its_batch_and_known_after_a_restart() -> None:
    node = Node()
    publish(node, "x", b"1")
    stored(node)
    assert [type(row).__name__ for row in node.stores[0].rows if type(row).__name__ in ("BatchRow", "Put")] == [
        "BatchRow",
        "Put",
    ]
    again = Node()
    again.broker.recover_ids(again.now, puts(node))
    publish(again, "x", b"1")
    ((_, first, duplicate),) = answers(again)
    assert (first, duplicate) == (1, True)
    assert again.broker.messages_left() == 0


def test_an_id_of_messages_in_memory_only_ends_with_them() -> None:
    node = Node()
    publish(node, "x", b"1", level=MEMORY)
    assert puts(node) == []


def test_a_forgotten_id_leaves_the_store_as_well() -> None:
    node = Node(dedupe_window_s=10.0)
    publish(node, "x", b"1")
    stored(node)
    node.wait(12.0)
    assert [put.value is None for put in puts(node)] == [False, True]


def test_rows_of_a_later_version_are_passed_over() -> None:
    node = Node()
    rows: list[Any] = [
        Put("publish", "t/1/x", b"\xff"),
        Put("publish", "t/1/y", bodies.encode([b"1"])),
        Put("z", "", b""),
    ]
    node.broker.recover_ids(node.now, rows)
    assert publish(node, "x", b"1") == 1
    assert node.broker.messages_left() == 1

"""What an ended life of a topic has in the store only, and was accepted after its end elsewhere."""

from __future__ import annotations

import pytest

from meshq.machine.effects import Load
from meshq.machine.store import BatchRow
from tests.broker.test_retention import Shelved


def stored(*delays_s: float) -> Shelved:
    """A node that was started again, with thirty publishes of a hundred messages, one each second from 100 s on."""
    before = Shelved()
    for number in range(30):
        for delay_s in delays_s:
            before.publish(*[b"%d" % number] * 100, delay_s=delay_s)
        before.wait(1.0)
    return before.again()


def ended(node: Shelved, at: float) -> list[Load]:
    """The topic was deleted then, which is heard now; the questions to the store."""
    asked: list[Load] = []
    load = node.shelf.load

    def loads(ask: Load) -> list[BatchRow]:
        asked.append(ask)
        return load(ask)

    node.shelf.load = loads  # type: ignore[method-assign]
    assert node.broker.accepted_since("t", 1, at) == []
    node.broker.topic_ended(node.now, "t", 1)
    node.turn()
    return asked


def lives(node: Shelved) -> list[int]:
    """The lives of which the store has logs."""
    return [log.generation for _, log in node.shelf.logs]


def test_what_was_accepted_after_the_end_is_read_and_goes_over_and_the_store_forgets_the_rest() -> None:
    node = stored(0.0)
    asked = ended(node, at=119.5)
    assert node.broker.messages_left() == 10 * 100
    assert lives(node) == [2]
    assert sum(ask.size_bytes == 1 for ask in asked) == len(asked) - 1, "where it begins is found by single rows"
    node.begin("c")
    assert set(node.use_up("c", 1)) == {b"%d" % number for number in range(20, 30)}


def test_what_is_deferred_goes_over_as_well() -> None:
    node = stored(0.0, 600.0)
    ended(node, at=109.5)
    assert node.broker.messages_left() == 2 * 20 * 100
    assert lives(node) == [2]


@pytest.mark.parametrize("at", [1_000.0, 129.5])
def test_what_was_accepted_before_the_end_is_gone(at: float) -> None:
    node = stored(0.0)
    ended(node, at)
    assert node.broker.messages_left() == 0
    assert lives(node) == []


def test_a_drain_waits_for_a_store_that_cannot_be_read_now() -> None:
    node = stored(0.0)
    load, node.shelf.load = node.shelf.load, lambda _: None  # type: ignore[method-assign, assignment, return-value]
    node.broker.accepted_since("t", 1, 119.5)
    node.broker.topic_ended(node.now, "t", 1)
    node.turn()
    assert node.broker.messages_left() == 30 * 100
    node.shelf.load = load  # type: ignore[method-assign]
    node.wait(2.0)
    assert node.broker.messages_left() == 10 * 100


def test_what_would_go_over_into_a_life_that_ends_as_well_is_gone() -> None:
    node = stored(0.0)
    node.broker.accepted_since("t", 1, 119.5)
    node.broker.topic_ended(node.now, "t", 2)
    node.turn()
    assert node.broker.messages_left() == 0
    assert lives(node) == []

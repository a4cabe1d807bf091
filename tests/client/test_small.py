"""The small parts: waits, addresses, receipts."""

from __future__ import annotations

import random

import pytest

from meshq.client.addresses import LEARNED_MAX, AddressBook
from meshq.client.backoff import Backoff
from meshq.client.batch import milliseconds, text_bytes
from meshq.client.mesh import connect
from meshq.client.receipts import Receipt
from meshq.errors import ConfigError, InvalidMessage
from meshq.names import LogId, message_id

LOG = LogId("a", 1, 2, 1, 0)


@pytest.mark.parametrize(
    ("attempts", "middle_s"), [(0, 1.0), (1, 1.0), (2, 2.0), (5, 16.0), (11, 900.0), (5000, 900.0)]
)
def test_backoff_doubles_up_to_fifteen_minutes_and_spreads_by_a_fifth(attempts: int, middle_s: float) -> None:
    backoff = Backoff(rng=random.Random(1))
    waits = [backoff(attempts) for _ in range(200)]
    assert 0.8 * middle_s <= min(waits) < 0.9 * middle_s
    assert 1.1 * middle_s < max(waits) <= 1.2 * middle_s


def test_a_backoff_without_spread_is_exact() -> None:
    backoff = Backoff(0.5, 3.0, spread=0)
    assert [backoff(attempts) for attempts in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_given_addresses_come_before_learned_ones_and_the_last_to_fail_comes_last() -> None:
    book = AddressBook([("a", 1), ("b", 1), ("a", 1)])
    book.learn([["c", 1], ["b", 1], ["c", 1]])
    assert book.round() == [("a", 1), ("b", 1), ("c", 1)]
    book.put_last(("a", 1))
    assert book.round() == [("b", 1), ("c", 1), ("a", 1)]
    book.put_last(("c", 1))
    assert book.round() == [("a", 1), ("b", 1), ("c", 1)]
    assert book.has_other(("a", 1))


def test_an_address_book_ignores_what_is_no_list_of_addresses_and_stays_bounded() -> None:
    book = AddressBook([("a", 1)])
    for peers in (None, 7, "b", {"b": 1}, [["b"], ["b", "1"], [1, 2], "b", None]):
        book.learn(peers)
        assert book.round() == [("a", 1)]
    assert not book.has_other(("a", 1))
    book.learn([[f"h{number}", 1] for number in range(1000)])
    assert len(book.round()) == 1 + LEARNED_MAX


def test_a_receipt_names_its_messages_node_and_level() -> None:
    receipt = Receipt("t", LOG, 7, 1, "memory")
    assert (receipt.id, receipt.count, receipt.node, receipt.level) == (message_id("t", LOG, 7), 1, "a", "memory")
    assert receipt.ids == [receipt.id]
    assert receipt.id in repr(receipt)


def test_a_receipt_of_several_batches_lists_every_id_in_order() -> None:
    receipt = Receipt("t", LOG, 7, 5, "memory", ((LOG, 20, 2), (LOG, 40, 1)))
    assert receipt.ids == [message_id("t", LOG, number) for number in (7, 8, 20, 21, 40)]


def test_headers_that_are_no_mapping_are_refused_with_what_they_are() -> None:
    with pytest.raises(InvalidMessage, match="mapping of text to text, not"):
        text_bytes([("a", "b")])  # type: ignore[arg-type]


def test_a_delay_beyond_every_limit_is_refused_with_the_limit_of_nodes() -> None:
    for wrong in (1e12, float("nan"), "5"):
        with pytest.raises(InvalidMessage, match="0 to 31,536,000, unless the node's"):
            milliseconds(wrong)  # type: ignore[arg-type]


def test_an_address_that_is_no_text_is_refused_as_one() -> None:
    with pytest.raises(ConfigError, match="5 is no address"):
        connect(5)  # type: ignore[arg-type]

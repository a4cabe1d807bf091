"""Which names are allowed, and the identities built from them."""

from __future__ import annotations

import pytest

from meshq.errors import InvalidName
from meshq.names import (
    NAME_CHARACTERS_MAX,
    Epoch,
    LogId,
    check_channel,
    check_node,
    check_topic,
    is_ephemeral,
    message_id,
)

GOOD = ["a", "orders", "Orders.eu-1_x", ".", "9", "x" * NAME_CHARACTERS_MAX, "scratch#ephemeral"]
BAD = [
    "", " ", "a b", "a/b", "a\n", "\n", "é", "x" * (NAME_CHARACTERS_MAX + 1), "#ephemeral", "a#", "a#ephemera",
    "#ephemerala", "a#ephemeral#ephemeral", "a#ephemeral ", "x" * 60 + "#ephemeral", "\ud800", "a\x00",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_comes_back_as_it_was(name: str) -> None:
    assert check_topic(name) == check_channel(name) == name


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_with_the_code_of_what_it_should_name(name: str) -> None:
    for check, code in ((check_topic, "BAD_TOPIC"), (check_channel, "BAD_CHANNEL"), (check_node, "BAD_NAME")):
        with pytest.raises(InvalidName) as caught:
            check(name)
        assert caught.value.code == code


@pytest.mark.parametrize("name", [None, 5, b"orders", ["orders"]])
def test_what_is_no_text_is_no_name(name: object) -> None:
    with pytest.raises(InvalidName):
        check_topic(name)  # type: ignore[arg-type]


def test_a_long_bad_name_makes_a_short_error() -> None:
    with pytest.raises(InvalidName) as caught:
        check_topic("/" * 1_000_000)
    assert len(str(caught.value)) < 250


def test_a_node_has_no_ephemeral_name() -> None:
    with pytest.raises(InvalidName):
        check_node("node#ephemeral")


def test_only_the_suffix_makes_a_name_ephemeral() -> None:
    assert is_ephemeral("a#ephemeral")
    assert not is_ephemeral("ephemeral")


def test_a_later_start_is_greater_and_the_nonce_breaks_ties() -> None:
    assert Epoch(2, 0) > Epoch(1, 99)
    assert Epoch(1, 2) > Epoch(1, 1)


def test_a_message_id_is_16_hex_digits_and_the_same_every_time() -> None:
    log = LogId("billing-1", 1_700_000_000_000, 7, 1, 0)
    assert message_id("t", log, 1) == message_id("t", log, 1)
    assert len(message_id("t", log, 1)) == 16
    assert int(message_id("t", log, 1), 16) & 0xFF_FFFF_FFFF == 1
    assert len(message_id("t", log, 1 << 41)) == 16


def test_message_ids_differ_by_number_by_topic_and_by_log() -> None:
    log = LogId("billing-1", 1, 7, 1, 0)
    assert message_id("t", log, 1) != message_id("t", log, 2)
    assert message_id("t", log, 1) != message_id("t", log._replace(epoch_nonce=8), 1)
    assert message_id("t", log, 1) != message_id("u", log, 1)
    assert message_id("t", log, 1) != message_id("t", log._replace(generation=2), 1)

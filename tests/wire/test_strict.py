"""CBOR from strangers: what is refused, each with the bytes that do it."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from cbor2 import CBORSimpleValue, dumps, undefined

from meshq.errors import LocalProtocolError, RemoteProtocolError
from meshq.wire import strict

REFUSED = {
    "nothing": b"",
    "trailing bytes": b"\x00\x00",
    "tag 0, a date": b"\xc0\x74" + b"2013-03-21T20:04:00Z",
    "tag 2, a large number": b"\xc2\x49" + b"\x01" * 9,
    "tag 25, a string reference": b"\xd8\x19\x00",
    "tag 28, a shared value": b"\xd8\x1c\x81\x01",
    "tag 28 and 29, a list that contains itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "tag 29, a reference to nothing": b"\xd8\x1d\x00",
    "tag 35, a regular expression": b"\xd8\x23\x61a",
    "tag 256, a namespace of strings": b"\xd9\x01\x00\x82\x61a\x61a",
    "tag 258, a set": b"\xd9\x01\x02\x81\x01",
    "tag 260, an address": b"\xd9\x01\x04\x44\x7f\x00\x00\x01",
    "tag 55799, self-described": b"\xd9\xd9\xf7\x00",
    "a tag nobody knows": b"\xd9\x99\x99\x00",
    "duplicate keys": b"\xa2\x61a\x01\x61a\x02",
    "a number as a key": b"\xa1\x01\x01",
    "a list as a key": b"\xa1\x80\x01",
    "a surrogate in text": b"\x63\xed\xa0\x80",
    "an overlong character": b"\x62\xc0\x80",
    "text that is no UTF-8": b"\x61\xff",
    "an array without end": b"\x9f\x01\xff",
    "a string without end": b"\x5f\x41a\xff",
    "a map without end": b"\xbf\xff",
    "a break": b"\xff",
    "a reserved head": b"\x1c",
    "an array shorter than announced": b"\x82\x01",
    "a text shorter than announced": b"\x62a",
    "too deep": b"\x81" * (strict.DEPTH_MAX + 1) + b"\x00",
    "much too deep": b"\x81" * 60_000 + b"\x00",
    "maps too deep": b"\xa1\x61a" * (strict.DEPTH_MAX + 1) + b"\x00",
    "tags too deep": b"\xc6" * 60_000 + b"\x00",
}

HUGE = {
    "bytes": b"\x5b\x00\x00\x00\x7f\xff\xff\xff\xff",
    "more bytes than there are": b"\x5b" + b"\xff" * 8,
    "text": b"\x7b\x00\x00\x00\x7f\xff\xff\xff\xff",
    "an array": b"\x9b\x00\x00\x00\x00\x7f\xff\xff\xff",
    "an array of 2^64 - 1": b"\x9b" + b"\xff" * 8,
    "a map": b"\xbb\x00\x00\x00\x00\x7f\xff\xff\xff",
    "arrays in arrays": b"\x9a\x00\xff\xff\xff" * strict.DEPTH_MAX,
    "a million empty maps": b"\x9a\x00\x0f\x42\x40" + b"\xa0" * 1_000_000,
    "eight million empty arrays": b"\x9a\x00\x7a\x12\x00" + b"\x80" * 8_000_000,
    "a million texts": b"\x9a\x00\x0f\x42\x40" + b"\x61a" * 1_000_000,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        strict.decode(data)
    assert caught.value.code == "BAD_CBOR"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("data", HUGE.values(), ids=HUGE.keys())
def test_a_huge_announcement_costs_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError):
            strict.decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_large_data_of_few_values_is_fine() -> None:
    value = [1, "x" * 300_000, b"y" * 3_000_000, {"k": [None, True, 2.5, -1]}]
    assert strict.decode(strict.encode(value)) == value


def test_as_many_values_as_are_allowed_are_fine() -> None:
    value = list(range(strict.ITEMS_MAX - 1))
    assert strict.decode(strict.encode(value)) == value


def test_the_deepest_that_is_allowed_is_fine() -> None:
    assert strict.decode(b"\x81" * strict.DEPTH_MAX + b"\x00")


@pytest.mark.parametrize("data", [b"\xf7", b"\xe0", b"\xf8\x20", b"\x82\x01\xf7", b"\xa1\x61a\xf7", b"\xa1\x41a\x01"])
def test_what_the_decoder_lets_through_is_caught_by_check_plain(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        strict.check_plain(strict.decode(data))


@pytest.mark.parametrize("value", [0, -1, "a", b"a", True, None, 1.5, [1, [2]], {"a": {"b": []}}])
def test_plain_values_are_plain(value: Any) -> None:
    strict.check_plain(value)
    assert strict.decode(strict.encode(value)) == value


def test_longer_forms_of_a_number_are_read_as_the_number() -> None:
    assert strict.decode(b"\x18\x01") == strict.decode(b"\x1b" + b"\x00" * 7 + b"\x01") == 1


@pytest.mark.parametrize("value", [object(), "\ud800", {"a": object()}])
def test_what_has_no_plain_form_is_the_callers_mistake(value: Any) -> None:
    with pytest.raises(LocalProtocolError):
        strict.encode(value)


@pytest.mark.parametrize("value", [undefined, CBORSimpleValue(99), 1 << 64, {1, 2}])
def test_what_only_cbor_knows_does_not_come_back(value: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        strict.check_plain(strict.decode(dumps(value)))

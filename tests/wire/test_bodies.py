"""The body of a batch: what the door accepts, and taking it apart again."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from cbor2 import dumps

from meshq.errors import InvalidMessage, RemoteProtocolError
from meshq.wire import bodies

LIMIT = 1024 * 1024


def refused(body: bytes, count: int, limit: int = LIMIT) -> str:
    with pytest.raises(InvalidMessage) as caught:
        bodies.check(body, count, limit)
    assert len(str(caught.value)) < 250
    return caught.value.code


@pytest.mark.parametrize("size", [1, 23, 24, 255, 256, 65_535, 65_536, LIMIT])
def test_a_message_of_any_allowed_size_is_accepted(size: int) -> None:
    body = bodies.encode([bodies.item(b"x" * size, size_bytes_max=LIMIT)])
    bodies.check(body, 1, LIMIT)
    assert bodies.decode(body) == [b"x" * size]


@pytest.mark.parametrize("count", [1, 23, 24, 255, 256, 300, 65_535, 65_536])
def test_any_number_of_messages_is_accepted(count: int) -> None:
    bodies.check(bodies.encode([b"x"] * count), count, LIMIT)


def test_messages_with_and_without_headers_stand_side_by_side() -> None:
    items = [b"plain", bodies.item(b"headed", {"a": "1", "é": "ü" * 200}, size_bytes_max=LIMIT)]
    body = bodies.encode(items)
    bodies.check(body, 2, LIMIT)
    assert bodies.decode(body) == [b"plain", [b"headed", {"a": "1", "é": "ü" * 200}]]


def test_no_headers_make_a_plain_message() -> None:
    assert bodies.item(b"x", {}, size_bytes_max=LIMIT) == b"x"


@pytest.mark.parametrize("announced", [0, 1, 3, 24, 300])
def test_a_count_that_differs_is_refused(announced: int) -> None:
    assert refused(bodies.encode([b"a", b"b"]), announced) in ("BAD_BODY", "EMPTY")


def test_a_batch_of_nothing_is_refused() -> None:
    assert refused(b"\x80", 0) == "EMPTY"


def test_an_empty_message_is_refused_as_empty() -> None:
    assert refused(bodies.encode([b"a", b""]), 2) == "EMPTY"
    assert refused(bodies.encode([[b"", {"a": "b"}]]), 1) == "EMPTY"


def test_a_message_over_the_limit_is_refused_as_too_big() -> None:
    assert refused(bodies.encode([b"x" * 11]), 1, 10) == "TOO_BIG"
    assert refused(bodies.encode([b"x" * 300]), 1, 299) == "TOO_BIG"
    assert refused(bodies.encode([[b"x" * 11, {"a": "b"}]]), 1, 10) == "TOO_BIG"


def test_a_message_that_announces_terabytes_is_refused() -> None:
    assert refused(b"\x81\x5a\xff\xff\xff\xff" + b"x", 1) == "TOO_BIG"
    assert refused(b"\x81\x5b" + b"\xff" * 8, 1) == "BAD_BODY"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x01", b"\x61a", b"\x81", b"\x81\x01", b"\x81\x61a", b"\x81\x80", b"\x81\xf6", b"\x81\xa0",
        b"\x9f\x41a\xff", b"\x81\x5f\x41a\xff", b"\x81\xc2\x41a", b"\xd8\x1c\x81\x41a",
    ],
)  # fmt: skip
def test_what_is_no_array_of_byte_strings_is_refused(body: bytes) -> None:
    assert refused(body, 1) == "BAD_BODY"


@pytest.mark.parametrize(
    "body",
    [
        b"\x98\x01\x41a", b"\x99\x00\x01\x41a", b"\x81\x58\x01a", b"\x81\x59\x00\x01a", b"\x81\x5a\x00\x00\x00\x01a",
        b"\x81\x82\x58\x01a\xa1\x61a\x61b", b"\x81\x82\x41a\xb8\x01\x61a\x61b", b"\x81\x82\x41a\xa1\x78\x01a\x61b",
        b"\x81\x98\x02\x41a\xa1\x61a\x61b",
    ],
)  # fmt: skip
def test_lengths_in_a_longer_form_are_refused(body: bytes) -> None:
    assert refused(body, 1) == "BAD_BODY"


@pytest.mark.parametrize(
    "entry",
    [
        [], [b"x"], [b"x", 1], ["x", {}], [b"x", {}, 1], [b"x", [1]], [b"x", {1: "a"}], [b"x", {"a": 1}],
        [b"x", {"a": b"b"}], [b"x", {b"a": "b"}], [[b"x", {}], {}],
    ],
)  # fmt: skip
def test_headers_of_another_shape_are_refused(entry: Any) -> None:
    body = dumps([entry])
    assert refused(body, 1) == "BAD_BODY"
    with pytest.raises(RemoteProtocolError):
        bodies.decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"\x81\x82\x41x\xa2\x61a\x61b\x61a\x61c",  # the same name twice
        b"\x81\x82\x41x\xa1\x61a\x63\xed\xa0\x80",  # a surrogate
        b"\x81\x82\x41x\xa1\x61a\x61\xff",
        b"\x81\x82\x41x\xa1\x61a\x7f\x61b\xff",
        b"\x81\x82\x41x\xa1\x61a\x7b" + b"\xff" * 8,
        b"\x81\x82\x41x\xbb" + b"\xff" * 8,
        b"\x81\x82\x41x\xbf\x61a\x61b\xff",
    ],
)
def test_headers_that_are_no_text_are_refused(body: bytes) -> None:
    assert refused(body, 1) == "BAD_BODY"


def test_headers_have_limits_by_number_and_bytes() -> None:
    fits = {str(number): "" for number in range(bodies.HEADERS_MAX)}
    large = {"a": "x" * (bodies.HEADERS_BYTES_MAX - 1)}
    for headers in (fits, large):
        bodies.check(bodies.encode([bodies.item(b"x", headers, size_bytes_max=LIMIT)]), 1, LIMIT)
    for headers in ({**fits, "more": ""}, {"ab": large["a"]}, {"a": "é" * 5000}):
        with pytest.raises(InvalidMessage):
            bodies.item(b"x", headers, size_bytes_max=LIMIT)
        assert refused(dumps([[b"x", headers]]), 1) == "BAD_BODY"


@pytest.mark.parametrize("headers", [{"a": 1}, {1: "a"}, {"a": b"b"}, {"a": "\ud800"}, {"\ud800": "a"}])
def test_headers_that_are_not_text_are_the_callers_mistake(headers: Any) -> None:
    with pytest.raises(InvalidMessage):
        bodies.item(b"x", headers, size_bytes_max=LIMIT)


@pytest.mark.parametrize("body", ["text", None, 5, bytearray(b"x")])
def test_a_message_that_is_not_bytes_is_the_callers_mistake(body: Any) -> None:
    with pytest.raises(InvalidMessage, match="encode it first"):
        bodies.item(body, size_bytes_max=LIMIT)


def test_every_truncation_and_every_addition_is_refused() -> None:
    body = bodies.encode([b"a" * 30, [b"b", {"k": "v" * 30}], b"c" * 300])
    for length in range(len(body)):
        assert refused(body[:length], 3) == "BAD_BODY"
    assert refused(body + b"\x00", 3) == "BAD_BODY"


def test_megabytes_of_tiny_values_cost_no_memory() -> None:
    for body, count in ((b"\x9a\x00\x50\x00\x00" + b"\x80" * 0x500000, 0x500000), (b"\x81" * 5_000_000, 1)):
        tracemalloc.start()
        try:
            refused(body, count)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 100_000


def test_a_part_is_taken_out() -> None:
    body = bodies.encode([b"a", b"b", [b"c", {"k": "v"}], b"d"])
    assert bodies.decode(bodies.split(body, 1, 3)) == [b"b", [b"c", {"k": "v"}]]


def test_joined_bodies_are_the_body_of_all_messages() -> None:
    parts: list[list[bodies.Item]] = [[b"a"] * 20, [b"b"] * 5, [[b"c", {"k": "v"}]]]
    merged = bodies.merge([bodies.encode(part) for part in parts], [20, 5, 1])
    assert merged == bodies.encode([item for part in parts for item in part])


@pytest.mark.parametrize(
    "body", [b"", b"\x01", b"\x81", b"\x81\xc0\x61a", b"\x82\xd8\x1c\x80\xd8\x1d\x00", b"\x81\x01"]
)
def test_a_broken_body_is_found_when_it_is_decoded(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        bodies.decode(body)
    assert caught.value.code == "BAD_BODY"

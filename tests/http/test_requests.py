"""What is read of a request before a node is asked: counted bodies and the room for all of them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshq.config import BrokerConfig
from meshq.http.publish import counted
from meshq.http.requests import Refusal, Room

LIMITS = BrokerConfig()


def framed(*bodies: bytes) -> bytes:
    return struct.pack(">I", len(bodies)) + b"".join(struct.pack(">I", len(body)) + body for body in bodies)


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=10), st.binary(max_size=5))
def test_counted_messages_come_out_whole_and_what_follows_is_ignored(bodies: list[bytes], rest: bytes) -> None:
    assert counted(framed(*bodies) + rest, LIMITS) == bodies


@given(st.binary(max_size=64))
def test_any_bytes_are_messages_or_a_refusal(data: bytes) -> None:
    try:
        found = counted(data, LIMITS)
    except Refusal as exc:
        assert exc.code in ("BAD_BODY", "BAD_MESSAGE")  # noqa: PT017
    else:
        assert all(found)


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5), st.data())
def test_every_truncation_is_refused(bodies: list[bytes], data: st.DataObject) -> None:
    whole = framed(*bodies)
    with pytest.raises(Refusal):
        counted(whole[: data.draw(st.integers(0, len(whole) - 1))], LIMITS)


def test_a_count_that_no_body_can_hold_is_refused_before_anything_is_made_of_it() -> None:
    with pytest.raises(Refusal, match="BAD_BODY"):
        counted(struct.pack(">I", (LIMITS.publish_bytes_max - 4) // 5 + 1) + bytes(100), LIMITS)


def test_room_is_refused_whole_and_given_back() -> None:
    room = Room(10)
    room.take(6)
    with pytest.raises(Refusal, match="FULL") as refused:
        room.take(5)
    assert refused.value.status == 503
    assert room.used_bytes == 6
    room.give(6)
    room.take(10)

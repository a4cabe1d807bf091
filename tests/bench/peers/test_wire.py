"""Counting answers in bytes that arrive in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshq.bench.crew import BenchError
from meshq.bench.peers.wire import Counter


@given(st.lists(st.sampled_from([b"PONG\r\n", b"PO", b"xxx", b"PONG\r"]), max_size=20), st.data())
def test_a_word_is_counted_once_wherever_the_bytes_are_parted(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    counter, rest, at = Counter(b"PONG\r\n"), b"", 0
    while at < len(whole):
        size = data.draw(st.integers(1, 9))
        piece = rest + whole[at : at + size]
        rest = piece[counter(piece) :]
        at += size
    assert counter.count == whole.count(b"PONG\r\n")


def test_a_complaint_of_the_broker_is_raised() -> None:
    with pytest.raises(BenchError, match="Unknown Protocol"):
        Counter(b"PONG\r\n")(b"PONG\r\n-ERR 'Unknown Protocol Operation'\r\n")

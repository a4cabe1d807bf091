"""Standard input cut into messages: the same lines, however the bytes were cut on their way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshq.cli.lines import Lines
from meshq.errors import InvalidMessage


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_lines_do_not_depend_on_how_the_bytes_were_cut(data: bytes, cuts: list[int]) -> None:
    lines = Lines(1000)
    found: list[bytes] = []
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        found += lines.feed(data[at:cut])
        at = max(at, cut)
    found += lines.end()
    assert found == [line for line in data.split(b"\n") if line]
    assert lines.empty == data.split(b"\n")[:-1].count(b"")


def test_a_last_line_without_a_newline_is_a_message() -> None:
    lines = Lines(10)
    assert lines.feed(b"one\ntwo") == [b"one"]
    assert lines.end() == [b"two"]
    assert lines.end() == []


def test_empty_lines_are_counted_and_a_carriage_return_stays() -> None:
    lines = Lines(10)
    assert lines.feed(b"\none\r\n\n\r\n") == [b"one\r", b"\r"]
    assert lines.empty == 2


def test_a_line_over_the_limit_is_refused_by_its_number() -> None:
    with pytest.raises(InvalidMessage, match="line 3 has 11 bytes"):
        Lines(10).feed(b"a\n\n" + b"x" * 11 + b"\n")


def test_a_line_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    lines = Lines(10)
    lines.feed(b"a\n12345")
    with pytest.raises(InvalidMessage, match="line 2"):
        lines.feed(b"6789012")

"""Streams are ordered, say truthfully how they ended, and tell when their writer is ahead of its reader."""

from __future__ import annotations

from meshq.machine.effects import Close, Dial, Write
from tests.conformance.stages import Player, Stage

MIB = 1024 * 1024
MARK = 256 * 1024
"""LinkConfig.write_buffer_bytes."""


def joined(stage: Stage) -> tuple[Player, Player, int]:
    """Two players with a stream: number 1 at the first, the returned number at the second."""
    a, b = stage.add("a"), stage.add("b")
    a.act(Dial(1, b.address))
    stage.until(lambda: bool(a.machine.named("connected")) and bool(b.machine.named("accepted")))
    return a, b, b.machine.named("accepted")[0][1]


def test_both_ends_know_each_others_address(stage: Stage) -> None:
    a, b, number = joined(stage)
    ((_, stream, local, peer),) = a.machine.named("connected")
    assert (stream, peer) == (1, b.address)
    assert b.machine.sources[number] == local
    assert local[0] == a.address[0]


def test_bytes_arrive_in_order_both_ways(stage: Stage) -> None:
    a, b, number = joined(stage)
    there = [bytes((n % 251,)) * (n * 37 % 3000 + 1) for n in range(300)]
    a.act(Write(1, there[:100]))
    a.act(Write(1, there[100:]), Write(1, [b"end"]))
    b.act(Write(number, [b"and ", b"back"]))
    expected = b"".join(there) + b"end"
    stage.until(lambda: len(b.machine.bytes[number]) == len(expected) and len(a.machine.bytes[1]) == 8)
    assert b.machine.bytes[number] == expected
    assert a.machine.bytes[1] == b"and back"


def test_a_close_lets_everything_written_arrive_and_then_says_eof(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Write(1, [b"z" * (2 * MIB)]), Close(1))
    stage.until(lambda: number in b.machine.closes)
    assert len(b.machine.bytes[number]) == 2 * MIB
    assert b.machine.closes[number] == "eof"
    assert b.machine.inputs[-1][0] == "closed", "nothing follows the end"


def test_who_closes_is_not_told_that_the_stream_closed(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Close(1))
    stage.until(lambda: number in b.machine.closes)
    a.act(Dial(2, b.address))  # a whole exchange later
    stage.until(lambda: len(a.machine.named("connected")) == 2)
    assert a.machine.closes == {}


def test_an_abort_reads_as_a_reset(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Close(1, abort=True))
    stage.until(lambda: number in b.machine.closes)
    assert b.machine.closes[number] == "reset"


def test_last_words_arrive_at_an_end_that_is_still_talking(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Write(1, [b"y" * MIB]))
    b.act(Write(number, [b"goodbye"]), Close(number))
    a.act(Write(1, [b"y" * MIB]))
    stage.until(lambda: 1 in a.machine.closes)
    assert a.machine.bytes[1] == b"goodbye"
    assert a.machine.closes[1] == "eof"


def test_a_dial_to_where_nobody_listens_is_refused(stage: Stage) -> None:
    a = stage.add("a")
    a.act(Dial(5, stage.nowhere()))
    stage.until(lambda: 5 in a.machine.closes)
    assert a.machine.closes[5] == "refused"
    assert a.machine.named("connected") == []


def test_a_write_or_close_to_a_stream_that_is_gone_is_ignored(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Close(1))
    stage.until(lambda: number in b.machine.closes)
    b.act(Write(number, [b"too late"]), Close(number))
    a.act(Write(1, [b"too late"]), Close(1), Write(99, [b"never was"]))
    a.act(Dial(2, b.address))
    stage.until(lambda: len(a.machine.named("connected")) == 2)


def test_a_dial_that_is_closed_before_it_succeeds_says_nothing_more(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.act(Dial(1, b.address), Close(1))
    a.act(Dial(2, b.address))
    stage.until(lambda: bool(a.machine.named("connected")))
    assert [stream for _, stream, _, _ in a.machine.named("connected")] == [2]


def test_a_full_write_buffer_is_told_and_its_draining_too(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Write(1, [b"w" * (32 * MIB)]))
    stage.until(lambda: bool(a.machine.named("buffered")))
    assert a.machine.named("buffered")[0][2] > MARK
    stage.until(lambda: a.machine.named("buffered")[-1][2] <= MARK)
    stage.until(lambda: len(b.machine.bytes[number]) == 32 * MIB)


def test_a_small_write_is_not_told_as_full(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Write(1, [b"w" * 1000]))
    stage.until(lambda: len(b.machine.bytes[number]) == 1000)
    assert a.machine.named("buffered") == []

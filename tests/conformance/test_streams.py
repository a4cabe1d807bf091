"""Streams are ordered, say truthfully how they ended, and tell when their writer is ahead of its reader."""

from __future__ import annotations

from meshq.machine.effects import Close, Dial, Stop, Write
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


def test_an_abort_with_bytes_under_way_brings_some_of_them_in_order_and_then_a_reset(stage: Stage) -> None:
    a, b, number = joined(stage)
    sent = b"".join(n.to_bytes(4, "big") for n in range(MIB))
    a.act(Write(1, [sent]))
    stage.until(lambda: len(b.machine.bytes[number]) > 0)
    a.act(Write(1, [b"more"]), Close(1, abort=True))
    stage.until(lambda: number in b.machine.closes)
    assert b.machine.closes[number] == "reset"
    assert (sent + b"more").startswith(b.machine.bytes[number])


def test_much_that_was_written_before_a_close_arrives_at_an_end_that_goes_on_talking(stage: Stage) -> None:
    a, b, number = joined(stage)

    def answer(now: float, stream: int, data: bytes) -> None:
        b.machine.pending.append(Write(stream, [b"!" * 10_000]))

    b.machine.on_received = answer
    a.act(Write(1, [b"z" * (4 * MIB)]), Close(1))
    stage.until(lambda: number in b.machine.closes)
    assert len(b.machine.bytes[number]) == 4 * MIB
    assert b.machine.closes[number] == "eof"
    assert not a.machine.bytes[1], "who has closed hears nothing more"


def test_two_ends_that_close_at_once_hear_nothing(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Close(1))
    b.act(Close(number))
    a.act(Dial(2, b.address))
    stage.until(lambda: len(b.machine.named("accepted")) == 2)
    a.act(Write(2, [b"a whole exchange later"]))
    stage.until(lambda: any(b.machine.bytes.values()))
    assert a.machine.closes == b.machine.closes == {}


def test_closing_twice_is_closing_once(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Write(1, [b"x" * MIB]), Close(1), Close(1, abort=True))
    stage.until(lambda: number in b.machine.closes)
    assert (len(b.machine.bytes[number]), b.machine.closes[number]) == (MIB, "eof")


def test_the_last_words_of_a_machine_that_stops_arrive_and_it_hears_nothing_more(stage: Stage) -> None:
    a, b, number = joined(stage)
    b.act(Write(number, [b"are you there?"] * 1000))
    a.act(Write(1, [b"w" * MIB]), Stop(None))
    stage.until(lambda: number in b.machine.closes)
    assert (len(b.machine.bytes[number]), b.machine.closes[number]) == (MIB, "eof")
    heard = len(a.machine.inputs)
    b.act(Dial(7, a.address))
    stage.until(lambda: 7 in b.machine.closes)
    assert b.machine.closes[7] == "refused"
    assert len(a.machine.inputs) == heard


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


def test_a_dial_to_where_no_way_leads_is_unreachable(stage: Stage) -> None:
    a = stage.add("a")
    a.act(Dial(5, ("255.255.255.255", 4155)))
    stage.until(lambda: 5 in a.machine.closes)
    assert a.machine.closes[5] == "unreachable"


def test_a_machine_can_dial_itself(stage: Stage) -> None:
    a = stage.add("a")
    a.act(Dial(1, a.address))
    stage.until(lambda: bool(a.machine.named("connected")) and bool(a.machine.named("accepted")))
    ((_, number, source),) = a.machine.named("accepted")
    ((_, _, local, peer),) = a.machine.named("connected")
    assert (source, peer) == (local, a.address)
    a.act(Write(1, [b"there"]), Write(number, [b"and back"]))
    stage.until(lambda: (len(a.machine.bytes[number]), len(a.machine.bytes[1])) == (5, 8))
    a.act(Close(number))
    stage.until(lambda: a.machine.closes == {1: "eof"})
    assert a.machine.bytes[number] == b"there"
    assert a.machine.bytes[1] == b"and back"


def test_both_ends_may_speak_first(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.machine.on_open = lambda stream: a.machine.pending.append(Write(stream, [b"hello from who dialled"]))
    b.machine.on_open = lambda stream: b.machine.pending.append(Write(stream, [b"hello from who was dialled"]))
    a.act(Dial(1, b.address))
    stage.until(lambda: list(map(bytes, a.machine.bytes.values())) == [b"hello from who was dialled"])
    stage.until(lambda: list(map(bytes, b.machine.bytes.values())) == [b"hello from who dialled"])
    for player, opened in ((a, "connected"), (b, "accepted")):
        verbs = [each[0] for each in player.machine.inputs]
        assert verbs.index(opened) < verbs.index("received")


def test_what_is_written_before_the_stream_is_connected_is_ignored(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.act(Dial(1, b.address), Write(1, [b"too early"]))
    stage.until(lambda: bool(a.machine.named("connected")))
    a.act(Write(1, [b"in time"]), Close(1))
    stage.until(lambda: bool(b.machine.closes))
    assert list(b.machine.bytes.values()) == [b"in time"]


def test_many_streams_at_once_keep_their_bytes_apart(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.machine.on_open = lambda stream: a.machine.pending.extend(
        [Write(stream, [b"%d," % stream] * 1000), Close(stream)]
    )
    a.act(*(Dial(number, b.address) for number in range(1, 51)))
    stage.until(lambda: len(b.machine.closes) == 50)
    expected = [b"%d," % number * 1000 for number in range(1, 51)]
    assert sorted(map(bytes, b.machine.bytes.values())) == sorted(expected)


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
    assert a.machine.named("buffered")[-1][2] == 0, "told again once all has left, not before"
    stage.until(lambda: len(b.machine.bytes[number]) == 32 * MIB)


def test_each_write_to_a_full_buffer_is_told(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Write(1, [b"w" * (32 * MIB)]), Write(1, [b"w"]), Write(1, [b"w"]))
    stage.until(lambda: len(b.machine.bytes[number]) == 32 * MIB + 2)
    stage.until(lambda: a.machine.named("buffered")[-1][2] == 0)
    sizes = [size for _, _, size in a.machine.named("buffered")]
    assert len(sizes) == 4
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_small_write_is_not_told_as_full(stage: Stage) -> None:
    a, b, number = joined(stage)
    a.act(Write(1, [b"w" * 1000]))
    stage.until(lambda: len(b.machine.bytes[number]) == 1000)
    assert a.machine.named("buffered") == []

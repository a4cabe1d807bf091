"""Datagrams arrive whole, with their sender's address, and one that nobody takes harms no other."""

from __future__ import annotations

import pytest

from meshq.machine.effects import Address, SendDatagram
from meshq.wire.prefix import DATAGRAM_BYTES_MAX
from tests.conformance.stages import Stage


def test_a_datagram_arrives_whole_with_the_senders_mesh_address(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.act(SendDatagram(b.address, b"x" * 1400))
    stage.until(lambda: bool(b.machine.named("datagram")))
    ((_, data, source),) = b.machine.named("datagram")
    assert (data, source) == (b"x" * 1400, a.address)


def test_a_datagram_to_oneself_comes_back(stage: Stage) -> None:
    a = stage.add("a")
    a.act(SendDatagram(a.address, b"echo"))
    stage.until(lambda: [(d, s) for _, d, s in a.machine.named("datagram")] == [(b"echo", a.address)])


def test_a_datagram_above_the_limit_never_arrives_and_the_largest_does(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.act(SendDatagram(b.address, b"x" * (DATAGRAM_BYTES_MAX + 1)), SendDatagram(b.address, b"x" * 60_000))
    a.act(SendDatagram(b.address, b"y" * DATAGRAM_BYTES_MAX))
    a.act(SendDatagram(b.address, b"end"))
    stage.until(lambda: len(b.machine.named("datagram")) >= 2)
    assert {data for _, data, _ in b.machine.named("datagram")} == {b"y" * DATAGRAM_BYTES_MAX, b"end"}


@pytest.mark.parametrize("to", [("::1", 9), ("255.255.255.255", 9), ("no address", 9), ("", 0)])
def test_a_datagram_to_where_no_way_leads_harms_no_later_one(stage: Stage, to: Address) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.act(SendDatagram(to, b"lost"), SendDatagram(b.address, b"kept"))
    stage.until(lambda: [data for _, data, _ in b.machine.named("datagram")] == [b"kept"])


def test_a_datagram_to_nobody_harms_no_later_one(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    nobody = stage.nowhere()
    for number in range(5):
        a.act(SendDatagram(nobody, b"lost"), SendDatagram(b.address, bytes((number,))))
        stage.until(lambda: len(b.machine.named("datagram")) == number + 1)  # noqa: B023
    assert [data for _, data, _ in b.machine.named("datagram")] == [bytes((n,)) for n in range(5)]


def test_a_burst_of_datagrams_arrives(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.act(*(SendDatagram(b.address, number.to_bytes(2, "big")) for number in range(1000)))
    stage.until(lambda: len(b.machine.named("datagram")) == 1000)
    assert {data for _, data, _ in b.machine.named("datagram")} == {n.to_bytes(2, "big") for n in range(1000)}


def test_an_answer_to_a_datagram_leaves_with_the_same_turn(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")

    def answer(now: float, data: bytes, source: Address) -> None:
        b.machine.pending.append(SendDatagram(source, data + b"!"))

    b.machine.on_datagram = answer
    a.act(SendDatagram(b.address, b"ping"))
    stage.until(lambda: [data for _, data, _ in a.machine.named("datagram")] == [b"ping!"])

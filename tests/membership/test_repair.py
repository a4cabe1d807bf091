"""Views compared over a stream: only what differs goes over, in parts, and the dead are taken as accused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshq.config import membership_profile
from meshq.machine.effects import Emit, ReplyPacket, SendPacket, StreamPacket
from meshq.machine.events import MemberFailed, MemberSuspected
from meshq.membership.member import State
from meshq.membership.repair import period_s
from meshq.membership.rumours import Kind
from meshq.membership.tables import parts
from meshq.names import Epoch
from meshq.wire import gossip
from meshq.wire.gossip import Claim
from tests.membership.desk import EPOCH, Desk, held, member


@pytest.mark.parametrize(
    ("members", "expected_s"), [(1, 30), (32, 30), (33, 60), (128, 90), (1_000, 180), (10_000, 300)]
)
def test_exchanges_without_occasion_are_rarer_in_a_large_mesh(members: int, expected_s: float) -> None:
    assert period_s(membership_profile("memberlist"), members) == expected_s


def acked(desk: Desk, digest: int) -> list[Any]:
    """The next probe is answered with this digest; returns what goes out on streams."""
    while True:
        desk.tick()
        effects = desk.machine.effects()
        pings = [(e.to, gossip.decode(e.packet)) for e in effects if isinstance(e, SendPacket)]
        for to, ping in pings:
            if isinstance(ping, gossip.Ping):
                desk.hear(gossip.ack(ping.number, ping.target, digest, ()), to)
                return desk.streamed()


def test_two_differing_digests_in_a_row_start_an_exchange() -> None:
    desk = Desk(others=5)
    mine = desk.machine.digest()
    assert acked(desk, 1) == []
    assert acked(desk, mine) == []
    assert acked(desk, 2) == []
    [(_, ask)] = acked(desk, 2)
    assert isinstance(ask, gossip.Ask)


def test_two_differing_digests_of_one_member_start_an_exchange_though_others_agree_between() -> None:
    desk = Desk(others=2)
    digests = {"m1": desk.machine.digest(), "m2": 5}
    asked: list[Any] = []
    for _ in range(6):
        desk.tick()
        for effect in desk.machine.effects():
            packet = gossip.decode(effect.packet) if isinstance(effect, SendPacket | StreamPacket) else None
            if isinstance(packet, gossip.Ping):
                ack = gossip.ack(packet.number, packet.target, digests[packet.target], ())
                desk.hear(ack, desk.machine.members[packet.target].address)
            elif packet is not None:
                asked.append(packet)
    assert isinstance(asked[0], gossip.Ask)


def exchanged(asker: Desk, other: Desk) -> list[Any]:
    """Let one ask the other and carry all packets between them; returns them decoded, in order."""
    asker.machine.effects()
    other.machine.effects()
    asker.machine._repair.ask(asker.now, asker.machine.members["m1"])
    [asking] = [e.packet for e in asker.machine.effects() if isinstance(e, StreamPacket)]
    carried: list[Any] = []
    sides, packets = [other, asker], [asking]
    while packets:
        here = sides[0]
        carried += [gossip.decode(packet) for packet in packets]
        for packet in packets:
            here.hear(packet, ("10.0.1.1", 40_000), 1)
        packets = [e.packet for e in here.machine.effects() if isinstance(e, ReplyPacket)]
        sides.reverse()
    return carried


def pair(others: int) -> tuple[Desk, Desk]:
    """A node that knows the other as m1, and that other, with equal views."""
    asker, other = Desk(others, name="m0"), Desk(others, name="m1", seed=2)
    members = [member(number) for number in range(others + 1)]
    for desk in (asker, other):
        desk.machine.prefill(desk.now, [each for each in members if each.name != desk.machine.me.name])
    for desk, me in ((asker, members[0]), (other, members[1])):
        desk.machine._view.renew(desk.now, Kind.JOIN, address=me.address)
    return asker, other


def test_equal_views_exchange_nothing_but_hashes() -> None:
    asker, other = pair(200)
    ask, answer = exchanged(asker, other)
    assert isinstance(ask, gossip.Ask)
    assert (answer.differing, answer.last, answer.records) == (0, True, [])


def test_both_sides_get_what_they_lack_and_only_the_buckets_that_differ_go_over() -> None:
    asker, other = pair(200)
    asker.hear(gossip.rows("m5", [member(300).row, member(7, incarnation=3).row]), ("10.0.1.5", 1), 1)
    other.hear(gossip.rows("m5", [member(301).row, member(8, incarnation=3).row]), ("10.0.1.5", 1), 1)
    _, answer, rows = exchanged(asker, other)
    assert len(answer.records) < 40
    assert {"m301", "m8"} <= {record.name for record in answer.records}
    assert sorted(record.name for record in rows.records) == ["m300", "m7"]
    assert asker.machine.digest() == other.machine.digest()
    assert asker.machine.members["m301"].address == member(301).address
    assert other.machine.members["m7"].incarnation == 3


def test_a_death_that_the_other_does_not_hold_is_taken_as_an_accusation() -> None:
    asker, other = pair(20)
    for state in (State.DEAD, State.LEFT):
        claim = Claim(int(state), f"m{int(state)}", EPOCH, 0, f"m{int(state)}")
        other.hear(gossip.gossip("m9", [gossip.encode_claim(claim)]), member(9).address)
    exchanged(asker, other)
    assert asker.machine.members["m2"].state is State.SUSPECT
    assert asker.machine.members["m3"].state is State.LEFT


@pytest.mark.parametrize("state", [State.DEAD, State.LEFT])
def test_the_death_of_a_later_start_of_one_who_is_gone_brings_nobody_back(state: State) -> None:
    """It started again and died where this view did not reach."""
    desk = Desk(others=3)
    by = "m1" if state is State.LEFT else "m2"
    claim = Claim(int(state), "m1", EPOCH, 0, by)
    desk.hear(gossip.gossip(by, [gossip.encode_claim(claim)]), member(int(by[1:])).address)
    desk.machine.effects()
    row = member(1, state=State.DEAD, epoch=Epoch(2_000, 1)).row
    desk.hear(gossip.rows("m3", [row]), ("10.0.1.3", 4_000), 3)
    effects = desk.machine.effects()
    assert not [effect for effect in effects if isinstance(effect, Emit)]
    assert desk.machine.members["m1"].epoch == Epoch(2_000, 1)
    assert held(desk) is State.DEAD
    told = [gossip.decode(e.packet) for e in effects if isinstance(e, SendPacket) and e.to == member(1).address]
    assert told == [gossip.Gossip("home", [Claim(State.DEAD, "m1", Epoch(2_000, 1), 0, "m3")])], "it may refute"


def test_nobody_comes_back_to_a_mesh_that_is_full() -> None:
    desk = Desk(settings=replace(membership_profile("lan"), members_max=5))
    for state, epoch in ((State.DEAD, EPOCH), (State.ALIVE, Epoch(2_000, 1))):
        rows = [member(number, state=state, epoch=epoch).row for number in range(1, 41)]
        desk.hear(gossip.rows("m1", rows), ("10.0.1.1", 4_000), 3)
    assert len(desk.machine.alive()) + 1 == 5
    assert desk.machine.counters.refused == 36


def test_the_accused_of_a_table_is_told_at_once() -> None:
    desk = Desk(others=20)
    desk.hear(gossip.rows("m1", [member(2, state=State.DEAD).row]), ("10.0.1.1", 40_000), 1)
    effects = desk.machine.effects()
    assert MemberSuspected("m2", "m1") in [getattr(e, "event", None) for e in effects]
    assert MemberFailed("m2", "m1") not in [getattr(e, "event", None) for e in effects]
    told = [(e.to, gossip.decode(e.packet)) for e in effects if isinstance(e, SendPacket)]
    assert told == [(member(2).address, gossip.Gossip("home", [Claim(1, "m2", EPOCH, 0, "m1")]))]


def test_who_is_behind_hears_so_on_the_same_stream() -> None:
    desk = Desk(others=5)
    desk.hear(gossip.rows("m1", [member(1, incarnation=6).row]), ("10.0.1.1", 40_000), 1)
    desk.machine.effects()
    desk.hear(gossip.rows("m3", [member(1, incarnation=5, state=State.SUSPECT).row]), ("10.0.1.3", 40_000), 2)
    [rows] = desk.replied()
    assert [(record.name, record.incarnation) for record in rows.records] == [("m1", 6)]


def test_a_held_dead_that_asks_hears_of_its_death_and_refutes() -> None:
    asker, other = pair(20)
    claim = Claim(2, "m0", EPOCH, 0, "m9")
    other.hear(gossip.gossip("m9", [gossip.encode_claim(claim)]), member(9).address)
    assert not other.machine.members["m0"].live
    exchanged(asker, other)
    assert other.machine.members["m0"].live
    assert asker.machine.me.incarnation == 1


def test_unknown_dead_in_a_table_are_remembered_silently() -> None:
    desk = Desk(others=5)
    desk.hear(gossip.rows("m1", [member(77, state=State.DEAD, epoch=Epoch(9, 9)).row]), ("10.0.1.1", 40_000), 1)
    assert desk.machine.effects() == []
    assert desk.machine.members["m77"].state is State.DEAD


def test_tables_go_out_in_parts_of_bounded_size() -> None:
    members = [member(number) for number in range(5_000)]
    cut = list(parts(members))
    assert [last for _, last in cut] == [False] * (len(cut) - 1) + [True]
    assert sum(len(rows) for rows, _ in cut) == 5_000
    for rows, last in cut:
        packet = gossip.answer(1, "home", (1 << 64) - 1, last, rows)
        assert len(packet) < 256 * 1024
        assert gossip.decode(packet) is not None
    assert list(parts([])) == [([], True)]


def test_an_exchange_without_an_answer_is_forgotten() -> None:
    desk = Desk(others=5)
    for name in ("m1", "m2"):
        desk.machine._repair.ask(desk.now, desk.machine.members[name])
    [first, _] = [packet.number for _, packet in desk.streamed()]
    desk.run(10.1)
    desk.machine.effects()
    desk.hear(gossip.answer(first, "m1", 1, True, [member(50).row]), ("10.0.1.1", 1), 1)
    assert "m50" not in desk.machine.members

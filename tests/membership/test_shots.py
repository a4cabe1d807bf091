"""A probe of meshq's own profile: several shots on each way, a sign of life of the relays, the accused told at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshq.config import membership_profile
from meshq.machine.effects import SendPacket
from meshq.membership.member import State
from meshq.membership.suspicion import bounds
from meshq.wire import gossip
from meshq.wire.gossip import Claim, Gossip, Nack, Ping, PingReq
from tests.membership.desk import EPOCH, Desk, held, member

LAN = replace(membership_profile("lan"), grace_s=0.0)


def sent(desk: Desk, for_s: float) -> list[tuple[float, Any, Any]]:
    """Let time pass; when, where to and what was sent."""
    found: list[tuple[float, Any, Any]] = []
    started = desk.now
    while (due := desk.machine.deadline()) is not None and due <= started + for_s:
        desk.tick()
        for effect in desk.machine.effects():
            if isinstance(effect, SendPacket):
                found.append((round(desk.now - started, 3), effect.to, gossip.decode(effect.packet)))
    desk.now = started + for_s
    return found


def first_ping(desk: Desk) -> Ping:
    """Let time pass until a probe begins."""
    while True:
        desk.tick()
        for _, packet in desk.sent():
            if isinstance(packet, Ping):
                return packet


def of_probe(packets: list[tuple[float, Any, Any]], number: int, kind: type[Any]) -> list[float]:
    """When packets of a kind left that belong to a probe."""
    return [at for at, _, packet in packets if isinstance(packet, kind) and packet.number == number]


def test_a_probe_has_three_shots_then_asks_relays_twice_and_the_member_twice_more() -> None:
    desk = Desk(others=9, settings=LAN)
    ping = first_ping(desk)
    packets = sent(desk, 0.599)
    assert of_probe(packets, ping.number, Ping) == [0.1, 0.2, 0.3, 0.45]
    assert of_probe(packets, ping.number, PingReq) == [0.3] * 3 + [0.45] * 3
    waits = [packet.wait_ms for _, _, packet in packets if isinstance(packet, PingReq)]
    assert waits == pytest.approx([300] * 3 + [150] * 3, abs=1)
    assert len({to for _, to, packet in packets if isinstance(packet, PingReq)}) == 3


def test_no_more_shots_are_sent_once_an_answer_has_come() -> None:
    desk = Desk(others=9, settings=LAN)
    ping = first_ping(desk)
    target = desk.machine.members[ping.target]
    before = sent(desk, 0.15)
    desk.hear(gossip.ack(ping.number, ping.target, desk.machine.digest(), ()), target.address)
    after = sent(desk, 0.5)
    assert of_probe(before, ping.number, Ping) == [0.1]
    assert of_probe(after, ping.number, Ping) == of_probe(after, ping.number, PingReq) == []


def test_without_a_sign_of_life_of_any_relay_others_are_asked_and_then_some_answer_is_waited_for() -> None:
    """Who hears nothing from anybody may be deaf: an answer to a later ping shows that it is not."""
    desk = Desk(others=9, settings=LAN)
    ping = first_ping(desk)
    packets = sent(desk, 0.65)
    assert of_probe(packets, ping.number, PingReq) == [0.3] * 3 + [0.45] * 3 + [0.6] * 3
    assert len({to for _, to, packet in packets if isinstance(packet, PingReq) and packet.number == ping.number}) == 6
    before = {packet.number for _, _, packet in sent(desk, 0.26) if isinstance(packet, Ping)}
    later = ping
    while later.number in {ping.number, *before}:
        later = first_ping(desk)
    assert held(desk, ping.target) is State.ALIVE
    desk.hear(gossip.ack(later.number, later.target, 0, ()), desk.machine.members[later.target].address)
    assert held(desk, ping.target) is State.SUSPECT


def test_who_never_hears_from_anybody_any_more_accuses_after_a_bounded_time() -> None:
    desk = Desk(others=9, settings=LAN)
    ping = first_ping(desk)
    sent(desk, 12.8)
    assert held(desk, ping.target) is State.ALIVE
    sent(desk, 0.2)
    assert held(desk, ping.target) is State.SUSPECT


def test_an_answer_that_comes_late_through_the_same_way_saves_the_accused() -> None:
    desk = Desk(others=9, settings=LAN)
    ping = first_ping(desk)
    sent(desk, 2.0)
    desk.hear(gossip.ack(ping.number, ping.target, 0, ()), desk.machine.members[ping.target].address)
    sent(desk, 12.0)
    assert held(desk, ping.target) is State.ALIVE


def test_one_nack_is_enough_and_makes_its_sender_an_accuser() -> None:
    desk = Desk(others=9, settings=LAN)
    ping = first_ping(desk)
    relays = {to: None for _, to, packet in sent(desk, 0.31) if isinstance(packet, PingReq)}
    relay = next(each for each in desk.machine.alive() if each.address in relays)
    desk.hear(gossip.nack(ping.number, relay.name), relay.address)
    sent(desk, 0.35)
    assert desk.machine.members[ping.target].state is State.SUSPECT
    assert desk.machine._view.suspicions[ping.target].accusers == ["home", relay.name]


def test_two_nodes_have_no_relays_and_find_a_death_all_the_same() -> None:
    desk = Desk(others=1, settings=LAN)
    ping = first_ping(desk)
    packets = sent(desk, 0.599)
    assert of_probe(packets, ping.number, Ping) == [0.1, 0.2, 0.3, 0.45]
    sent(desk, 0.01)
    assert desk.machine.members["m1"].state is State.SUSPECT


def test_each_copy_of_a_request_is_another_ping_and_a_nack_goes_out_twice() -> None:
    desk = Desk(others=3, settings=LAN)
    for _ in range(2):
        desk.hear(gossip.ping_req(77, "m1", "m2", 300, []), member(1).address)
    pings = [packet for _, packet in desk.sent() if isinstance(packet, Ping)]
    assert len(pings) == 2
    assert len({packet.number for packet in pings}) == 1
    assert desk.machine.counters.relayed == 1
    nacks = [at for at, to, packet in sent(desk, 0.3) if isinstance(packet, Nack) and to == member(1).address]
    assert nacks == [0.24, 0.24]


def test_the_accused_is_told_twice_at_once() -> None:
    desk = Desk(others=1, settings=LAN)
    first_ping(desk)
    packets = sent(desk, 0.7)
    claim = Claim(1, "m1", EPOCH, 0, "home")
    told = [at for at, _, p in packets if isinstance(p, Gossip) and claim in p.rumours]
    assert told[:2] == [0.6, 0.6]


def test_a_refutation_goes_to_six_at_once_and_has_half_as_many_copies_more() -> None:
    desk = Desk(others=30, settings=LAN)
    desk.machine.effects()
    claim = gossip.encode_claim(Claim(1, "home", EPOCH, 0, "m1"))
    desk.hear(gossip.gossip("m1", [claim]), member(1).address)
    told = [(at, to) for at, to, p in sent(desk, 2.0) if _refuted(p)]
    assert len({to for at, to in told if at == 0}) == 6
    assert len(told) == LAN.retransmit_min * LAN.refutation_share


def _refuted(packet: Any) -> bool:
    return any(rumour.name == "home" and rumour.incarnation == 1 for rumour in getattr(packet, "rumours", ()))


@pytest.mark.parametrize(("members", "expected_s"), [(3, 3.1), (8, 3.4), (50, 3.9), (1_000, 4.7), (10_000, 5.4)])
def test_a_suspicion_lasts_as_long_as_gossip_there_and_back_and_a_second(members: int, expected_s: float) -> None:
    limits = bounds(LAN, members)
    assert limits.min_s == limits.max_s == pytest.approx(expected_s, abs=0.06)

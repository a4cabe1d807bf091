"""One probe, step by step: the direct ping, the relays and the stream, the verdict; and the relay's side."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.machine.effects import Address, SendPacket, StreamPacket
from meshq.machine.events import MemberFailed, MemberRecovered, MemberSuspected
from meshq.membership.member import Member, State
from meshq.wire import gossip
from meshq.wire.gossip import Claim
from tests.membership.desk import EPOCH, Desk, member


def probed(desk: Desk) -> tuple[Address, gossip.Ping]:
    """Let time pass until the next ping is sent."""
    while True:
        desk.tick()
        for to, packet in desk.sent():
            if isinstance(packet, gossip.Ping):
                return to, packet


def ack(desk: Desk, number: int, source: str, to: Address, rumours: tuple[bytes, ...] = ()) -> None:
    """An ack with the right digest comes in."""
    desk.hear(gossip.ack(number, source, desk.machine.digest(), rumours), to)


def widened(desk: Desk) -> tuple[gossip.Ping, list[Any], list[Any]]:
    """Let a ping go unanswered; returns it, the ping-reqs and the stream pings."""
    _, ping = probed(desk)
    effects = desk.run(0.5001)
    reqs = [gossip.decode(e.packet) for e in effects if isinstance(e, SendPacket)]
    streams = [gossip.decode(e.packet) for e in effects if isinstance(e, StreamPacket)]
    return ping, [r for r in reqs if isinstance(r, gossip.PingReq)], streams


def asked(desk: Desk) -> tuple[gossip.Ping, list[Any], list[Member]]:
    """Let a ping go unanswered; returns it, the ping-reqs and the relays."""
    _, ping = probed(desk)
    effects = [e for e in desk.run(desk.machine._view.settings.probe_timeout_s + 0.0001) if isinstance(e, SendPacket)]
    reqs = [(e.to, gossip.decode(e.packet)) for e in effects]
    to = [address for address, packet in reqs if isinstance(packet, gossip.PingReq)]
    return ping, to, [each for each in desk.machine.alive() if each.address in to]


def test_an_answered_probe_is_over() -> None:
    desk = Desk(others=5)
    to, ping = probed(desk)
    assert desk.machine.members[ping.target].address == to
    ack(desk, ping.number, ping.target, to)
    effects = desk.run(0.6)
    assert not any(isinstance(e, StreamPacket) for e in effects)
    assert desk.machine.health == 0
    assert desk.machine.counters.probes_failed == 0


def test_an_unanswered_ping_goes_through_relays_and_over_a_stream_at_once() -> None:
    ping, reqs, streams = widened(Desk(others=9))
    assert len(reqs) == 3
    assert {(req.number, req.target) for req in reqs} == {(ping.number, ping.target)}
    assert all(495 <= req.wait_ms <= 500 for req in reqs)
    assert [(each.number, each.target) for each in streams] == [(ping.number, ping.target)]


def test_an_answer_over_the_stream_is_an_answer() -> None:
    desk = Desk(others=9)
    ping, _, _ = widened(desk)
    desk.hear(gossip.ack(ping.number, ping.target, 0, ()), ("10.0.1.1", 50_000), 7)
    desk.run(0.6)
    assert desk.machine.counters.probes_failed == 0


def test_a_round_without_any_answer_makes_a_suspect_and_tells_how_well_the_relays_are() -> None:
    desk = Desk(others=9)
    ping, reqs, relays = asked(desk)
    for relay in relays[:2]:
        desk.hear(gossip.nack(ping.number, relay.name), relay.address)
    desk.machine.effects()
    desk.run(0.3)
    before = desk.machine.members[ping.target].state
    events = [e.event for e in desk.run(0.3) if hasattr(e, "event")]
    assert (before, desk.machine.members[ping.target].state) == (State.ALIVE, State.SUSPECT)
    assert events[0] == MemberSuspected(ping.target, "home")
    assert desk.machine.health == len(reqs) - 2


def test_a_ping_to_a_suspect_carries_the_suspicion() -> None:
    desk = Desk(others=1)
    desk.hear(gossip.gossip("m1", []), ("10.0.1.1", 4155))
    ping, _, _ = widened(desk)
    desk.run(0.6)
    _, again = probed(desk)
    assert again.rumours[0] == Claim(1, "m1", EPOCH, 0, "home")
    refuted = member(1, incarnation=1)
    ack(desk, again.number, "m1", refuted.address, (refuted.row,))
    assert MemberRecovered("m1") in desk.events()
    assert ping.target == "m1"


def test_local_health_stretches_the_round_and_its_waits() -> None:
    desk = Desk(others=9)
    widened(desk)
    desk.run(0.6)
    assert desk.machine.health == 3
    _, ping = probed(desk)
    started = desk.now
    assert not [e for e in desk.run(1.9) if isinstance(e, StreamPacket)]
    assert [e for e in desk.run(0.2) if isinstance(e, StreamPacket)]
    assert desk.machine.members[ping.target].state is State.ALIVE
    desk.run(started + 3.9 - desk.now)
    assert desk.machine.members[ping.target].state is State.ALIVE
    desk.run(0.2)
    assert desk.machine.members[ping.target].state is State.SUSPECT


def test_more_accusers_bring_the_death_nearer() -> None:
    def died_after(accusers: int) -> float:
        desk = Desk(others=9)
        started = desk.now
        for number in range(2, 2 + accusers):
            claim = gossip.encode_claim(Claim(1, "m1", EPOCH, 0, f"m{number}"))
            desk.hear(gossip.gossip(f"m{number}", [claim]), member(number).address)
        while desk.machine.members["m1"].state is State.SUSPECT:
            desk.tick()
            for to, packet in desk.sent():
                if isinstance(packet, gossip.Ping):
                    desk.hear(gossip.ack(packet.number, packet.target, desk.machine.digest(), ()), to)
        return desk.now - started

    assert died_after(1) == pytest.approx(24.0)
    assert died_after(2) == pytest.approx(11.38, abs=0.01)
    assert died_after(3) == died_after(4) == pytest.approx(4.0)


def test_a_suspicion_of_a_higher_incarnation_starts_afresh() -> None:
    desk = Desk(others=1)
    for incarnation, wait_s in ((0, 3.0), (1, 3.9)):
        claim = gossip.encode_claim(Claim(1, "m1", EPOCH, incarnation, "m1"))
        desk.hear(gossip.gossip("m1", [claim]), member(1).address)
        desk.run(wait_s)
        assert desk.machine.members["m1"].state is State.SUSPECT
    effects = desk.run(0.2)
    assert MemberFailed("m1", "home") in [getattr(e, "event", None) for e in effects]


def test_time_in_which_the_node_stood_still_is_not_held_against_anybody() -> None:
    desk = Desk(others=9)
    probed(desk)
    claim = gossip.encode_claim(Claim(1, "m1", EPOCH, 0, "m2"))
    desk.hear(gossip.gossip("m2", [claim]), member(2).address)
    desk.now += 300.0
    desk.machine.tick(desk.now)
    desk.machine.effects()
    assert desk.machine.counters.pauses == 1
    assert desk.machine.counters.probes_failed == 0
    assert desk.machine.members["m1"].state is State.SUSPECT
    assert not [e for e in desk.run(0.4) if isinstance(e, StreamPacket)]


def test_a_relay_pings_for_a_member_and_passes_the_answer_on() -> None:
    desk = Desk(others=3)
    desk.hear(gossip.ping_req(77, "m1", "m2", 500, []), member(1).address)
    [(to, ping)] = desk.sent()
    assert to == member(2).address
    assert ping.target == "m2"
    assert ping.number != 77
    ack(desk, ping.number, "m2", to)
    [(to, answer)] = desk.sent()
    assert (to, answer.number, answer.source) == (member(1).address, 77, "home")


def test_a_relay_says_in_time_that_it_hears_nothing_and_still_passes_a_late_answer_on() -> None:
    desk = Desk(others=3)
    started = desk.now
    desk.hear(gossip.ping_req(77, "m1", "m2", 500, []), member(1).address)
    [(to, ping)] = desk.sent()
    nacks: list[Any] = []
    while not nacks:
        desk.tick()
        nacks = [(a, p) for a, p in desk.sent() if isinstance(p, gossip.Nack)]
    assert nacks == [(member(1).address, gossip.Nack(77, "home"))]
    assert desk.now - started == pytest.approx(0.4)
    ack(desk, ping.number, "m2", to)
    assert 77 in [packet.number for _, packet in desk.sent()]


def test_bytes_over_a_link_answer_a_probe_and_a_reset_is_a_reason_for_one() -> None:
    desk = Desk(others=9)
    ping, _, _ = widened(desk)
    desk.machine.path_evidence(desk.now, ping.target, heard=True)
    desk.run(0.6)
    assert desk.machine.counters.probes_failed == 0
    desk = Desk(others=9)
    desk.machine.path_evidence(desk.now, "m3", heard=False)
    desk.machine.path_evidence(desk.now, "nobody", heard=False)
    assert [packet.target for _, packet in desk.sent()] == ["m3"]

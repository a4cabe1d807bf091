"""How late a node reads: measured through its own socket, declared, allowed by others, and waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from meshq.config import membership_profile
from meshq.machine.effects import OWN, SendPacket
from meshq.membership.member import State
from meshq.wire import gossip
from meshq.wire.gossip import Claim, Loop, Ping
from tests.membership.desk import EPOCH, Desk, held, member

LAN = replace(membership_profile("lan"), grace_s=0.0, peers_asked=0)


class Reader(Desk):
    """A desk whose node reads what it sent to itself ``late_s`` after it was sent; timers are on time."""

    late_s = 0.0

    def pass_time(self, for_s: float) -> list[tuple[float, Any, Any]]:
        """Let time pass; when, where to and what was sent to others."""
        until, sent = self.now + for_s, []
        inbox: list[tuple[float, int]] = []
        while True:
            for effect in self.machine.effects():
                if isinstance(effect, SendPacket):
                    packet = gossip.decode(effect.packet)
                    if isinstance(packet, Loop):
                        assert effect.to == OWN
                        inbox.append((self.now + self.late_s, packet.number))
                    else:
                        sent.append((self.now, effect.to, packet))
            due = self.machine.deadline() or until
            if inbox and inbox[0][0] <= min(due, until):
                self.now, number = inbox.pop(0)
                self.hear(gossip.loop(number, "home"), OWN)
            elif due <= until:
                self.tick()
            else:
                self.now = until
                return sent


@pytest.mark.parametrize(
    ("late_s", "lag_ms"), [(0.0, 0), (0.2, 0), (0.3, 1000), (1.0, 1000), (2.5, 3000), (5.0, 6000), (11.0, 12_000)]
)
def test_late_reading_is_declared_once_as_a_lag(late_s: float, lag_ms: int) -> None:
    desk = Reader(others=5, settings=LAN)
    desk.pass_time(2.0)
    desk.late_s = late_s
    desk.pass_time(30.0)
    assert desk.machine.me.lag_ms == lag_ms
    assert desk.machine.me.incarnation <= 4


def test_a_lag_is_held_for_a_minute_after_the_last_evidence_of_it() -> None:
    desk = Reader(others=5, settings=LAN)
    desk.pass_time(2.0)
    desk.late_s = 2.5
    desk.pass_time(10.0)
    desk.late_s = 0.0
    desk.pass_time(57.0)
    assert desk.machine.me.lag_ms == 3000
    desk.pass_time(10.0)
    assert desk.machine.me.lag_ms == 0


def test_a_late_timer_tells_the_same() -> None:
    desk = Reader(others=5, settings=LAN)
    desk.pass_time(2.0)
    desk.now = (desk.machine.deadline() or 0.0) + 2.0
    desk.machine.tick(desk.now)
    assert desk.machine.me.lag_ms == 3000
    assert desk.machine.me.incarnation == 1


def test_a_node_whose_own_packets_never_come_back_calls_nobody_slow_and_accuses_all_the_same() -> None:
    desk = Desk(others=1, settings=LAN)
    desk.run(5.0)
    assert desk.machine.me.lag_ms == 0
    assert held(desk) is not State.ALIVE


def test_own_packets_that_come_back_no_more_delay_an_accusation_by_a_bounded_time() -> None:
    desk = Reader(others=1, settings=LAN)
    desk.pass_time(0.5)
    desk.late_s = 1e9
    desk.pass_time(8.0)
    assert held(desk) is State.ALIVE
    desk.pass_time(20.0)
    assert held(desk) is State.DEAD


def test_an_answer_that_waits_to_be_read_is_read_before_the_probe_counts_as_failed() -> None:
    desk = Reader(others=1, settings=LAN)
    sent = desk.pass_time(0.51)
    desk.late_s = 3.0
    sent += desk.pass_time(2.5)
    ping = next(packet for _, _, packet in sent if isinstance(packet, Ping))
    assert held(desk) is State.ALIVE
    desk.hear(gossip.ack(ping.number, "m1", desk.machine.digest(), ()), member(1).address)
    assert desk.machine.counters.probes_failed == 0


def test_a_member_that_calls_itself_slow_has_that_much_longer_with_a_limit() -> None:
    for lag_ms, longer_s in ((0, 0.0), (3000, 3.0), (1_000_000, 12.0)):
        desk = Reader(others=9, settings=LAN)
        slow = replace(member(1), incarnation=1, lag_ms=lag_ms)
        desk.hear(gossip.gossip("m1", [slow.row]), slow.address)
        claim = gossip.encode_claim(Claim(1, "m1", EPOCH, 1, "m2"))
        desk.hear(gossip.gossip("m2", [claim]), member(2).address)
        suspicion = desk.machine._view.suspicions["m1"]
        assert suspicion.due() - desk.now == pytest.approx(2 * (0.9 + 0.32) + 1 + longer_s, abs=0.01)


def test_probes_wait_longer_for_who_calls_itself_slow() -> None:
    desk = Reader(others=1, settings=LAN)
    slow = replace(member(1), incarnation=1, lag_ms=3000)
    desk.hear(gossip.gossip("m1", [slow.row]), slow.address)
    started = desk.now
    pings = [at - started for at, _, packet in desk.pass_time(7.0) if isinstance(packet, Ping)]
    assert [round(at - pings[0], 2) for at in pings[:3]] == [0.0, 1.1, 2.2]
    assert held(desk) is State.ALIVE


def test_a_refutation_carries_the_lag() -> None:
    desk = Reader(others=5, settings=LAN)
    desk.pass_time(2.0)
    desk.late_s = 2.0
    desk.pass_time(5.0)
    claim = gossip.encode_claim(Claim(1, "home", EPOCH, desk.machine.me.incarnation, "m1"))
    desk.hear(gossip.gossip("m1", [claim]), member(1).address)
    assert desk.machine.me.lag_ms == 3000
    rumours = [r for _, _, packet in desk.pass_time(0.2) for r in getattr(packet, "rumours", ())]
    assert (desk.machine.me.incarnation, 3000) in [(r.incarnation, getattr(r, "lag_ms", 0)) for r in rumours]


def test_a_newcomer_allows_everybody_a_lag_for_its_first_seconds_and_memberlist_nothing() -> None:
    desk = Desk(others=9, settings="lan")
    assert desk.machine._view.allowance_s(desk.now, member(1)) == 3.0
    desk.run(2.0)
    assert desk.machine._view.allowance_s(desk.now + 4.0, member(1)) == 3.0
    assert desk.machine._view.allowance_s(desk.now + 6.1, member(1)) == 0.0
    reference = Desk(others=9)
    assert reference.machine._view.allowance_s(reference.now, replace(member(1), lag_ms=3000)) == 0.0


@pytest.mark.parametrize(("others", "lag_ms"), [(9, 3000), (3, 0)])
def test_answers_that_are_all_late_are_this_nodes_lag_where_there_are_enough_to_tell(others: int, lag_ms: int) -> None:
    desk = Desk(others=others, settings=LAN)
    late: list[tuple[float, Any, Ping]] = []
    until = desk.now + 12.0
    while desk.now < until:
        if late and late[0][0] <= (desk.machine.deadline() or 0.0):
            desk.now, to, ping = late.pop(0)
            desk.hear(gossip.ack(ping.number, ping.target, desk.machine.digest(), ()), to)
        else:
            desk.tick()
        late += [(desk.now + 1.5, to, packet) for to, packet in desk.sent() if isinstance(packet, Ping)]
    assert desk.machine.me.lag_ms == lag_ms
    assert all(each.state is State.ALIVE for each in desk.machine.alive()) or others == 3


def test_late_answers_tell_nothing_new_of_a_node_that_declares_what_its_own_packets_showed() -> None:
    desk = Reader(others=9, settings=LAN)
    desk.late_s = 2.5
    desk.pass_time(10.0)
    for took_s in (2.8, 3.4, 2.9):  # some of it on the way
        desk.machine._lag.answered(desk.now, took_s)
    assert desk.machine.me.lag_ms == 3000
    for took_s in (3.2, 3.4, 3.3):
        desk.machine._lag.answered(desk.now, took_s)
    assert desk.machine.me.lag_ms == 6000

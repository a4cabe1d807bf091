"""From the end of a suspicion to the death: peers are asked whether they know better."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meshq.config import membership_profile
from meshq.membership.member import State
from meshq.membership.suspicion import bounds
from meshq.wire import gossip
from meshq.wire.gossip import Account, Claim, Doubt
from tests.membership.desk import EPOCH, Desk, held, member

LAN = replace(membership_profile("lan"), grace_s=0.0, probe_interval_s=1000.0)
CLAIM = gossip.encode_claim(Claim(1, "m1", EPOCH, 0, "m2"))


def tried(others: int = 9) -> tuple[Desk, list[tuple[Any, Doubt]]]:
    """A desk at which the suspicion of m1 has run out just now, and whom it asks."""
    desk = Desk(others=others, settings=LAN)
    desk.hear(gossip.gossip("m1", [CLAIM]), member(1).address)
    size = others + 1
    desk.run(bounds(LAN, size).min_s - 0.05)
    assert held(desk) is State.SUSPECT
    return desk, doubts(desk, 0.1)


def doubts(desk: Desk, for_s: float) -> list[tuple[Any, Doubt]]:
    """Let time pass; the questions that were asked, and whom."""
    packets = [(e.to, gossip.decode(e.packet)) for e in desk.run(for_s) if hasattr(e, "packet")]
    return [(to, packet) for to, packet in packets if isinstance(packet, Doubt)]


def test_two_others_are_asked_and_an_answer_without_news_lets_the_death_stand() -> None:
    desk, asked = tried()
    assert len(asked) == 2
    (to, packet), _ = asked
    assert (packet.name, packet.epoch, packet.incarnation) == ("m1", EPOCH, 0)
    assert held(desk) is State.SUSPECT
    peer = next(each for each in desk.machine.alive() if each.address == to)
    desk.hear(gossip.account(packet.number, peer.name, []), to)
    assert held(desk) is State.DEAD


def test_who_knows_of_a_refutation_saves_the_accused() -> None:
    desk, asked = tried()
    to, packet = asked[0]
    peer = next(each for each in desk.machine.alive() if each.address == to)
    refuted = replace(member(1), incarnation=1, lag_ms=3000)
    desk.hear(gossip.account(packet.number, peer.name, [refuted.row]), to)
    desk.run(20.0)
    assert held(desk) is State.ALIVE
    assert desk.machine.members["m1"].lag_ms == 3000


def test_without_an_answer_others_are_asked_more_and_more_slowly_and_then_the_death_stands() -> None:
    desk, asked = tried()
    asked += doubts(desk, 30.0)
    assert len(asked) == 2 * LAN.peer_tries
    assert held(desk) is State.DEAD


def test_two_nodes_ask_nobody() -> None:
    desk, asked = tried(others=1)
    assert asked == []
    assert held(desk) is State.DEAD


def test_a_pause_during_the_question_begins_it_anew() -> None:
    desk, _ = tried()
    desk.now += 30.0
    desk.machine.tick(desk.now)
    assert held(desk) is State.SUSPECT
    assert len(doubts(desk, 0.1)) in (0, 2)
    doubts(desk, 40.0)
    assert held(desk) is State.DEAD


def test_the_answer_is_a_later_account_or_nothing_and_is_given_to_members_only() -> None:
    desk = Desk(others=3, settings=LAN)

    def told(incarnation: int, asker: str = "m2") -> list[Any]:
        desk.machine.effects()
        question = gossip.doubt(Doubt(7, asker, "m1", EPOCH, incarnation))
        desk.hear(question, member(2).address)
        return [packet for _, packet in desk.sent() if isinstance(packet, Account)]

    refuted = replace(member(1), incarnation=4, lag_ms=1000)
    desk.hear(gossip.gossip("m1", [refuted.row]), refuted.address)
    [account] = told(3)
    assert [(each.incarnation, each.lag_ms) for each in account.rumours] == [(4, 1000)]
    assert [account.rumours for account in told(4)] == [[]]
    assert told(3, asker="stranger") == []


def test_memberlist_asks_nobody() -> None:
    desk = Desk(others=9)
    claims = [gossip.encode_claim(Claim(1, "m1", EPOCH, 0, f"m{number}")) for number in (2, 3, 4)]
    for claim in claims:
        desk.hear(gossip.gossip("m2", [claim]), member(2).address)
    assert doubts(desk, 4.1) == []
    assert held(desk) is State.DEAD

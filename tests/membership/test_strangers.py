"""What a packet from anybody else brings about: nothing, and at most an answer no longer than itself."""

from __future__ import annotations

import pytest

from meshq.errors import RemoteProtocolError
from meshq.machine.effects import SendPacket
from meshq.membership.member import State
from meshq.names import Epoch
from meshq.wire import gossip, strict
from meshq.wire.gossip import Claim, Join
from tests.membership.desk import EPOCH, Desk, member

STRANGER = ("192.0.2.9", 4155)
CLAIM = gossip.encode_claim(Claim(2, "m1", EPOCH, 0, "m2"))
JOIN = Join(5, "new", Epoch(2000, 1), "192.0.2.9", 4155, "10.0.0.1", 4155, False)


@pytest.mark.parametrize("digest", [0, 23, 1 << 31, 1 << 33, (1 << 64) - 1])
@pytest.mark.parametrize("source", ["x", "m2", "a-name-of-a-stranger-that-is-much-longer-than-that"])
def test_a_ping_is_answered_plainly_and_never_at_greater_length(source: str, digest: int) -> None:
    desk = Desk(others=3)
    desk.hear(gossip.gossip("m3", [member(9).row]), member(3).address)
    desk.machine.effects()
    ping = gossip.ping(1, source, "home", digest, 0, 0, [CLAIM])
    desk.hear(ping, STRANGER)
    [effect] = desk.machine.effects()
    assert isinstance(effect, SendPacket)
    assert effect.to == STRANGER
    assert len(effect.packet) <= len(ping)
    assert desk.machine.members["m1"].state is State.ALIVE
    assert desk.machine.counters.strangers == 1


@pytest.mark.parametrize(
    "packet",
    [
        gossip.ping(1, "m2", "somebody-else", 1, 0, 0, [CLAIM]),
        gossip.ack(1, "m2", 1, [CLAIM]),
        gossip.ping_req(1, "m2", "m1", 500, [CLAIM]),
        gossip.nack(1, "m2"),
        gossip.gossip("m2", [CLAIM, member(9).row]),
        gossip.gossip("nobody", [CLAIM]),
        gossip.gossip("home", [CLAIM]),
        gossip.join(JOIN),
        gossip.welcome(1, "m2", "10.0.0.1", Epoch(9, 9), True, [member(9).row]),
        gossip.refusal(gossip.Refusal(1, "m2", "NAME", "10.0.0.1", 1)),
        gossip.ask(1, "m2", [1] * 64),
        gossip.answer(1, "m2", 1, True, [member(9).row]),
        gossip.rows("m2", [member(9).row]),
        strict.encode([31, "of a later version", {}]),
    ],
)
def test_anything_else_brings_nothing_about(packet: bytes) -> None:
    desk = Desk(others=3)
    members = dict(desk.machine.members)
    desk.hear(packet, STRANGER)
    assert desk.machine.effects() == []
    assert desk.machine.members == members


def test_nobody_is_pinged_for_a_member_unless_known() -> None:
    desk = Desk(others=3)
    for target in ("nobody", "home"):
        desk.hear(gossip.ping_req(1, "m1", target, 500, []), member(1).address)
    assert desk.machine.effects() == []


def test_an_answer_goes_to_the_address_known_though_the_port_was_translated() -> None:
    desk = Desk(others=3)
    desk.hear(gossip.ping(1, "m2", "home", 1, 0, 0, []), ("10.0.1.2", 61_000))
    assert [to for to, _ in desk.sent()] == [member(2).address]


def test_an_unasked_answer_on_a_stream_changes_nothing() -> None:
    desk = Desk(others=3)
    for packet in (
        gossip.welcome(1, "x", "10.0.0.1", Epoch(9, 9), True, [member(9).row]),
        gossip.refusal(gossip.Refusal(1, "x", "NAME", "10.0.0.1", 1)),
        gossip.answer(1, "x", 1, True, [member(9).row]),
        gossip.gossip("x", [member(9).row]),
    ):
        desk.hear(packet, STRANGER, 4)
    assert desk.machine.effects() == []
    assert "m9" not in desk.machine.members


@pytest.mark.parametrize("packet", [b"", b"\xff", b"\x80", b"\x81\x01", strict.encode([5, "a b", [], {}])])
def test_malformed_bytes_are_the_senders_trouble_only(packet: bytes) -> None:
    desk = Desk(others=1)
    with pytest.raises(RemoteProtocolError):
        desk.hear(packet, member(1).address)
    assert desk.machine.effects() == []


def test_a_bad_rumour_costs_the_whole_packet() -> None:
    desk = Desk(others=3)
    bad = strict.encode([1, "m1"])
    with pytest.raises(RemoteProtocolError):
        desk.hear(gossip.gossip("m2", [CLAIM, bad]), member(2).address)
    assert desk.machine.members["m1"].state is State.ALIVE


def test_nobody_says_of_another_that_it_left() -> None:
    desk = Desk(others=3)
    left = gossip.encode_claim(Claim(3, "m1", EPOCH, 0, "m2"))
    desk.hear(gossip.gossip("m2", [left]), member(2).address)
    assert desk.machine.members["m1"].state is State.ALIVE


def test_a_member_is_known_at_another_host_once_a_stream_came_from_there() -> None:
    desk = Desk(others=3)
    elsewhere = ("10.0.7.2", 4155)
    left = gossip.encode_claim(Claim(3, "m2", EPOCH, 0, "m2"))
    desk.hear(gossip.gossip("m2", [left]), elsewhere)
    assert desk.machine.members["m2"].state is State.ALIVE
    desk.hear(gossip.rows("m2", []), ("10.0.7.2", 41_000), 5)
    desk.hear(gossip.gossip("m3", [CLAIM]), elsewhere)
    assert desk.machine.members["m1"].state is State.ALIVE
    desk.hear(gossip.gossip("m2", [left]), elsewhere)
    assert not desk.machine.members["m2"].live


def test_a_member_is_known_at_another_host_once_it_answered_a_ping_from_there() -> None:
    desk = Desk(others=1)
    elsewhere = ("10.0.7.1", 4155)
    pings: list[gossip.Ping] = []
    while not pings:
        desk.tick()
        pings = [packet for _, packet in desk.sent() if isinstance(packet, gossip.Ping)]
    desk.hear(gossip.ack(pings[0].number + 1, "m1", 1, []), elsewhere)
    desk.hear(gossip.ping(1, "m1", "home", 1 << 40, 0, 0, []), elsewhere)
    assert [to for to, _ in desk.sent()] == [elsewhere]
    desk.hear(gossip.ack(pings[0].number, "m1", 1, []), elsewhere)
    desk.hear(gossip.ping(2, "m1", "home", 1 << 40, 0, 0, []), elsewhere)
    assert [to for to, _ in desk.sent()] == [member(1).address]


def test_an_answer_whose_number_relays_know_shows_no_host() -> None:
    desk = Desk(others=4)
    asked: dict[str, int] = {}
    while not asked:
        desk.tick()
        asked = {packet.target: packet.number for _, packet in desk.sent() if isinstance(packet, gossip.PingReq)}
    [(name, number)] = asked.items()
    desk.hear(gossip.ack(number, name, 1, []), ("10.0.7.1", 4155))
    desk.hear(gossip.ping(1, name, "home", 1 << 40, 0, 0, []), ("10.0.7.1", 4155))
    assert [to for to, packet in desk.sent() if isinstance(packet, gossip.Ack)] == [("10.0.7.1", 4155)]


def test_a_later_start_of_a_member_is_not_known_where_the_earlier_one_was_seen() -> None:
    desk = Desk(others=2)
    desk.hear(gossip.rows("m2", []), ("10.0.7.2", 41_000), 5)
    desk.hear(gossip.gossip("m1", [member(2, epoch=Epoch(2000, 1)).row]), member(1).address)
    left = gossip.encode_claim(Claim(3, "m2", Epoch(2000, 1), 0, "m2"))
    desk.hear(gossip.gossip("m2", [left]), ("10.0.7.2", 4155))
    assert desk.machine.members["m2"].state is State.ALIVE

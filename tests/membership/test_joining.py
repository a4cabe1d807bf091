"""The way in, step by step: which address and epoch a node announces, and who is refused."""

from __future__ import annotations

import pytest

from meshq.config import MembershipConfig
from meshq.errors import ConfigError, Fenced
from meshq.machine.effects import Address, Resolve, Stop
from meshq.machine.events import Alone, SeedFailed
from meshq.membership.effects import EpochRaised, MemberForgotten
from meshq.membership.member import State
from meshq.names import Epoch
from meshq.wire import gossip
from meshq.wire.gossip import Claim, Join
from tests.membership.desk import EPOCH, Desk, member

NOTHING = Epoch(0, 0)


def asked(desk: Desk) -> Join:
    """The one Join that was sent."""
    [(_, join)] = desk.streamed()
    assert isinstance(join, Join)
    return join


def welcome(desk: Desk, join: Join, *, observed: str = "10.0.0.1", highest: Epoch = NOTHING) -> None:
    """A seed answers with m1 as its whole table."""
    desk.hear(gossip.welcome(join.number, "m1", observed, highest, True, [member(1).row]), ("10.0.1.1", 4155), 3)


def join_of(name: str, *, number: int = 9, host: str = "10.0.9.9", again: bool = False) -> bytes:
    """A Join to ``home``."""
    return gossip.join(Join(number, name, Epoch(2000, 1), host, 4155, "10.0.0.1", 4155, again))


def test_without_seeds_a_node_is_alone_at_once_and_says_nothing() -> None:
    desk = Desk()
    assert desk.machine.alone
    assert not desk.machine.joined
    assert desk.machine.effects() == []


def test_a_node_is_joined_by_the_last_part_of_a_table_and_announces_itself_on_that_stream() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    join = asked(desk)
    assert not desk.machine.joined
    desk.hear(gossip.welcome(join.number, "m1", "10.0.0.1", NOTHING, False, [member(1).row]), ("10.0.1.1", 4155), 3)
    assert not desk.machine.joined
    desk.hear(gossip.welcome(join.number, "m1", "10.0.0.1", NOTHING, True, [member(2).row]), ("10.0.1.1", 4155), 3)
    assert desk.machine.joined
    [rows] = desk.replied()
    assert [record.name for record in rows.records] == ["home"]
    assert sorted(desk.machine.members) == ["home", "m1", "m2"]


def test_a_table_with_an_earlier_start_of_the_joiner_is_answered_by_this_start() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    join = asked(desk)
    earlier = member(9, epoch=Epoch(500, 1)).with_(name="home")
    rows = [member(1).row, earlier.row]
    desk.hear(gossip.welcome(join.number, "m1", "10.0.0.1", Epoch(500, 1), True, rows), ("10.0.1.1", 4155), 3)
    [told] = desk.replied()
    assert [(record.name, record.epoch) for record in told.records] == [("home", EPOCH)]


def test_nothing_is_said_about_a_node_before_it_is_joined() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    desk.hear(gossip.rows("m1", [member(1).row]), ("10.0.1.1", 40_000), 5)
    desk.hear(join_of("m2"), ("10.0.9.9", 40_000), 6)
    replies = desk.replied()
    assert all(record.name != "home" for reply in replies for record in reply.records)
    assert not [e for e in desk.run(1.9) if type(e).__name__ == "SendPacket"]


@pytest.mark.parametrize(
    ("bound", "advertised", "observed", "told"),
    [
        (("10.0.0.1", 4155), None, "203.0.113.5", "203.0.113.5"),
        (("10.0.0.1", 4155), None, "127.0.0.1", "10.0.0.1"),
        (("10.0.0.1", 4155), None, "", "10.0.0.1"),
        (("127.0.0.1", 4155), None, "127.0.0.1", "127.0.0.1"),
        (("0.0.0.0", 4155), None, "10.0.0.8", "10.0.0.8"),
        (("0.0.0.0", 4155), None, "127.0.0.1", "127.0.0.1"),
        (("::", 4155), None, "fd00::5", "fd00::5"),
        (("10.0.0.1", 4155), ("198.51.100.1", 4155), "203.0.113.5", "198.51.100.1"),
    ],
)
def test_the_address_told_is_the_advertised_else_the_observed_else_the_bound(
    bound: Address, advertised: Address | None, observed: str, told: str
) -> None:
    desk = Desk(seeds=("10.0.1.1",), bound=bound, advertised=advertised)
    welcome(desk, asked(desk), observed=observed)
    assert desk.machine.me.address == (told, 4155)
    [rows] = desk.replied()
    assert rows.records[0].host == told


def test_a_node_bound_to_all_learns_its_address_from_who_reached_it() -> None:
    desk = Desk(bound=("0.0.0.0", 4155))
    local = Join(9, "m1", Epoch(2000, 1), "127.0.0.1", 4255, "127.0.0.1", 4155, False)
    desk.hear(gossip.join(local), ("127.0.0.1", 40_000), 6)
    assert desk.machine.me.address == ("127.0.0.1", 4155)
    desk.hear(join_of("m2"), ("10.0.9.9", 40_000), 6)
    assert desk.machine.me.address == ("10.0.0.1", 4155)
    assert desk.machine.me.incarnation == 2
    assert [record.host for record in desk.replied()[-1].records] == ["10.0.0.1"]


def test_a_name_is_resolved_at_every_attempt_and_all_its_addresses_are_asked() -> None:
    desk = Desk(seeds=("seed:5000",))
    assert desk.machine.effects() == [Resolve(0, "seed", 5000)]
    desk.machine.resolved(desk.now, 0, [("10.0.1.1", 5000), ("10.0.1.2", 5000), ("10.0.0.1", 4155)])
    assert [to for to, _ in desk.streamed()] == [("10.0.1.1", 5000), ("10.0.1.2", 5000)]
    effects = desk.run(1.1)
    assert Resolve(0, "seed", 5000) in effects
    desk.machine.resolved(desk.now, 99, [("10.0.1.1", 5000)])


def test_a_node_whose_only_seed_is_itself_is_alone_at_once() -> None:
    desk = Desk(seeds=("10.0.0.1", "me"))
    desk.machine.effects()
    desk.machine.resolved(desk.now, 1, [("127.0.0.1", 4155)])
    assert not desk.machine.alone
    join = asked(desk)
    assert join.reached_host == "127.0.0.1"
    desk.hear(gossip.refusal(gossip.Refusal(join.number, "home", "SELF", "10.0.0.1", 4155)), ("127.0.0.1", 4155), 2)
    assert desk.machine.alone


def test_a_seed_knows_itself() -> None:
    desk = Desk()
    me = desk.machine.me
    desk.hear(gossip.join(Join(9, "home", me.epoch, "10.0.0.1", 4155, "", 0, False)), ("10.0.0.1", 1), 6)
    assert [reply.code for reply in desk.replied()] == ["SELF"]


def test_alone_is_said_once_and_ends_with_an_answer() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    join = asked(desk)
    events = [getattr(e, "event", None) for e in desk.run(10)]
    assert events.count(Alone(3.0)) == 1
    assert desk.machine.alone
    welcome(desk, join)
    assert desk.machine.joined
    assert not desk.machine.alone


def test_an_epoch_below_the_one_remembered_is_raised_before_it_is_announced() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    welcome(desk, asked(desk), highest=Epoch(5000, 3))
    raised = Epoch(5001, EPOCH.nonce)
    effects = desk.machine.effects()
    assert EpochRaised(raised) in effects
    assert desk.machine.me.epoch == raised


def test_an_epoch_in_use_is_never_raised_the_node_stops() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    join = asked(desk)
    desk.run(4)
    assert desk.machine.alone
    later = member(9, epoch=Epoch(5000, 3)).with_(name="home")
    desk.hear(gossip.welcome(join.number, "m1", "", Epoch(5000, 3), True, [later.row]), ("10.0.1.1", 1), 3)
    [stop] = [e for e in desk.machine.effects() if isinstance(e, Stop)]
    assert isinstance(stop.error, Fenced)
    assert desk.machine.me.epoch == EPOCH
    assert desk.machine.deadline() is None
    desk.hear(gossip.ping(1, "m1", "home", 1, 0, 0, []), member(1).address)
    assert desk.machine.effects() == []


def test_a_refused_node_says_whose_the_name_is() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    refusal = gossip.Refusal(asked(desk).number, "m1", "NAME", "fd00::7", 4155)
    desk.hear(gossip.refusal(refusal), ("10.0.1.1", 4155), 3)
    [stop] = desk.machine.effects()
    assert isinstance(stop, Stop)
    assert isinstance(stop.error, ConfigError)
    assert str(stop.error) == "name 'home' is in use by [fd00::7]:4155; give this one another (--name)"


def test_a_joiner_is_told_how_it_was_seen_and_the_latest_epoch_of_its_name() -> None:
    desk = Desk(others=3)
    desk.hear(join_of("m2", host=""), ("10.0.1.2", 40_000), 6)
    [reply] = desk.replied()
    assert (reply.observed_host, reply.highest, reply.last) == ("10.0.1.2", EPOCH, True)
    assert [record.name for record in reply.records] == ["m1", "m2", "m3", "home"]


@pytest.mark.parametrize("state", [State.DEAD, State.LEFT])
def test_the_name_of_one_that_is_gone_is_free(state: State) -> None:
    desk = Desk(others=3)
    claim = Claim(int(state), "m2", EPOCH, 0, "m2")
    desk.hear(gossip.gossip("m2", [gossip.encode_claim(claim)]), member(2).address)
    desk.machine.effects()
    desk.hear(join_of("m2"), ("10.0.9.9", 40_000), 6)
    assert [type(reply).__name__ for reply in desk.replied()] == ["Welcome"]


def test_a_contested_name_is_decided_by_asking_its_holder() -> None:
    desk = Desk(others=3)
    desk.hear(join_of("m2", number=8), ("10.0.9.9", 40_000), 6)
    [(to, ping)] = desk.sent()
    assert to == member(2).address
    desk.hear(join_of("m2", number=9), ("10.0.9.9", 40_001), 7)
    assert desk.machine.effects() == []
    desk.hear(gossip.ack(ping.number, "m2", 0, ()), to)
    [reply] = desk.replied()
    assert (reply.number, reply.code, reply.host, reply.port) == (9, "NAME", *member(2).address)


def test_a_contested_name_whose_holder_is_silent_is_given_away() -> None:
    desk = Desk(others=3)
    desk.hear(join_of("m2"), ("10.0.9.9", 40_000), 6)
    answers = [gossip.decode(e.packet) for e in desk.run(1.2) if type(e).__name__ == "ReplyPacket"]
    assert [type(answer).__name__ for answer in answers] == ["Welcome"]


def test_joins_that_waited_for_a_holder_while_the_node_stood_still_are_asked_again() -> None:
    desk = Desk(others=3)
    desk.hear(join_of("m2", number=8), ("10.0.9.9", 40_000), 6)
    desk.machine.effects()
    desk.now += 20.0
    desk.tick()
    desk.machine.effects()
    desk.hear(join_of("m2", number=9), ("10.0.9.9", 40_001), 7)
    [ping] = [packet for to, packet in desk.sent() if to == member(2).address]
    desk.hear(gossip.ack(ping.number, "m2", 0, ()), member(2).address)
    assert [reply.number for reply in desk.replied()] == [9]


def test_a_name_that_several_hold_for_gone_is_given_away_at_once() -> None:
    desk = Desk(others=9)
    for by in (3, 4):
        claim = gossip.encode_claim(Claim(1, "m2", EPOCH, 0, f"m{by}"))
        desk.hear(gossip.gossip(f"m{by}", [claim]), member(by).address)
    desk.machine.effects()
    desk.hear(join_of("m2"), ("10.0.9.9", 40_000), 6)
    assert [type(reply).__name__ for reply in desk.replied()] == ["Welcome"]


def test_a_running_member_that_finds_another_mesh_is_let_in_and_epochs_decide() -> None:
    desk = Desk(others=3)
    desk.hear(join_of("m2", again=True), ("10.0.9.9", 40_000), 6)
    assert [type(reply).__name__ for reply in desk.replied()] == ["Welcome"]


def test_a_full_table_takes_nobody_in() -> None:
    desk = Desk(others=3, settings=MembershipConfig(members_max=4))
    desk.hear(gossip.rows("m9", [member(9).row]), ("10.0.9.9", 40_000), 6)
    assert "m9" not in desk.machine.members
    assert desk.machine.counters.refused == 1
    desk.machine.effects()
    desk.hear(join_of("m9"), ("10.0.9.9", 40_000), 6)
    desk.hear(join_of("m3", host="10.0.1.3"), ("10.0.1.3", 40_000), 7)
    assert [getattr(reply, "code", "") for reply in desk.replied()] == ["FULL", ""]


def test_a_joiner_of_a_full_mesh_says_so_and_tries_on() -> None:
    desk = Desk(seeds=("10.0.1.1",))
    refusal = gossip.Refusal(asked(desk).number, "m1", "FULL", "10.0.1.1", 4155)
    desk.hear(gossip.refusal(refusal), ("10.0.1.1", 4155), 3)
    assert desk.events() == [SeedFailed("10.0.1.1", "the mesh is full (members_max)", 0.5)]
    assert [type(e).__name__ for e in desk.run(0.6)] == ["StreamPacket"]


def test_the_dead_are_remembered_by_count() -> None:
    desk = Desk(others=5, settings=MembershipConfig(dead_max=2))
    for number in (3, 1, 2):
        claim = gossip.encode_claim(Claim(2, f"m{number}", EPOCH, 0, "m5"))
        desk.hear(gossip.gossip("m5", [claim]), member(5).address)
    assert sorted(desk.machine.members) == ["home", "m1", "m2", "m4", "m5"]
    assert [e.name for e in desk.machine.effects() if isinstance(e, MemberForgotten)] == ["m3"]


def test_a_leave_is_told_to_several_at_once_and_only_once() -> None:
    desk = Desk(others=20)
    desk.machine.leave(desk.now)
    sent = desk.sent()
    assert len({to for to, _ in sent}) == 8
    assert all(packet.rumours == [Claim(3, "home", EPOCH, 0, "home")] for _, packet in sent)
    desk.machine.leave(desk.now)
    assert desk.machine.effects() == []
    desk.hear(gossip.gossip("m1", [gossip.encode_claim(Claim(2, "home", EPOCH, 0, "m1"))]), member(1).address)
    assert desk.machine.me.state is State.LEFT
    assert desk.machine.me.incarnation == 0


def test_a_refutation_outbids_the_accusation_and_goes_out_at_once() -> None:
    desk = Desk(others=9)
    accused = gossip.encode_claim(Claim(2, "home", EPOCH, 4, "m1"))
    desk.hear(gossip.gossip("m1", [accused]), member(1).address)
    assert desk.machine.me.incarnation == 5
    assert desk.machine.health == 1
    assert desk.machine.deadline() == desk.now
    desk.tick()
    sent = desk.sent()
    assert len(sent) == 3
    assert all(packet.rumours[0].incarnation == 5 for _, packet in sent)
    stale = gossip.encode_claim(Claim(1, "home", EPOCH, 4, "m1"))
    desk.hear(gossip.gossip("m1", [stale]), member(1).address)
    assert desk.machine.me.incarnation == 5

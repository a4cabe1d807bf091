"""Laws of membership: accounts of a member merge the same in any order, a view ends where the merge does, digests tell
views apart, and whatever bytes come in a machine takes them or refuses them.
"""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from meshq.errors import RemoteProtocolError
from meshq.machine.effects import SendPacket
from meshq.membership.member import Member, State, merge, record_of
from meshq.names import Epoch
from meshq.wire import gossip
from meshq.wire.gossip import Head
from tests.membership.desk import Desk, member
from tests.properties.strategies import mutated
from tests.properties.test_wire_packets import gossips

epochs = st.builds(Epoch, st.integers(1, 3), st.integers(0, 1))
states = st.sampled_from(list(State))


@st.composite
def accounts(draw: st.DrawFn) -> Member:
    """What somebody may hold of m1: one owner, so equal epochs and incarnations mean equal contents."""
    epoch, incarnation = draw(epochs), draw(st.integers(0, 3))
    head = Head(draw(st.integers(0, 3)))
    one = member(1, epoch=epoch, incarnation=incarnation, state=draw(states))
    return one.with_(head=head, address=(f"10.0.{epoch.ms}.{epoch.nonce + 1}", 4155))


@given(accounts(), accounts())
def test_merging_is_commutative(one: Member, other: Member) -> None:
    assert merge(one, other) == merge(other, one)


@given(accounts(), accounts(), accounts())
def test_merging_is_associative(one: Member, other: Member, third: Member) -> None:
    assert merge(merge(one, other), third) == merge(one, merge(other, third))


@given(accounts(), accounts())
def test_merging_is_idempotent_and_never_goes_back(one: Member, other: Member) -> None:
    assert merge(one, one) == one
    merged = merge(one, other)
    assert merge(merged, one) == merge(merged, other) == merged
    assert merged.precedence == max(one.precedence, other.precedence)


@given(st.lists(accounts(), min_size=1, max_size=6))
def test_a_view_holds_what_the_merge_of_all_it_heard_is_in_any_order(heard: list[Member]) -> None:
    start = member(1, epoch=Epoch(0, 0))
    expected = reduce(merge, heard, start)
    for order in (heard, heard[::-1], sorted(heard, key=lambda one: one.head)):
        desk = Desk()
        desk.machine.prefill(desk.now, [start])
        for one in order:
            desk.machine._view.hear_record(desk.now, record_of(one), "m2")
        held = desk.machine.members["m1"]
        assert held == expected
        assert (held.name in [each.name for each in desk.machine.alive()]) == held.live
        assert desk.machine.digest() == desk.machine.me.mark ^ held.mark


@given(st.lists(accounts(), max_size=8))
def test_tables_never_make_a_view_go_back(heard: list[Member]) -> None:
    desk = Desk()
    desk.machine.prefill(desk.now, [member(1, epoch=Epoch(0, 0))])
    before = desk.machine.members["m1"]
    for one in heard:
        desk.hear(gossip.rows("m2", [one.row]), ("10.0.9.9", 40_000), 1)
        after = desk.machine.members["m1"]
        assert after.precedence >= before.precedence
        assert (after.epoch, after.incarnation) >= (before.epoch, before.incarnation) or after.state is State.LEFT
        before = after


@given(st.lists(mutated(gossips), max_size=4), st.sampled_from([None, 3]))
def test_a_machine_takes_any_bytes_or_refuses_them(packets: list[bytes], via: int | None) -> None:
    desk = Desk(others=3, seeds=("10.0.1.1",))
    for packet in packets:
        try:
            desk.hear(packet, ("10.0.1.2", 4155), via)
        except RemoteProtocolError:
            continue
    desk.run(3.0)


@given(st.lists(gossips, max_size=4), st.sampled_from([None, 3]))
def test_a_machine_takes_any_valid_packets_from_a_member(packets: list[bytes], via: int | None) -> None:
    """The same with the sender's name put in, so that a member says all kinds of things."""
    desk = Desk(others=3)
    for packet in packets:
        decoded = gossip.decode(packet)
        assert decoded is not None
        desk.machine._packets[type(decoded)](desk.now, decoded._replace(source="m1"), ("10.0.1.1", 4155), via)
    desk.run(3.0)


@given(gossips)
def test_a_datagram_of_a_stranger_is_answered_to_itself_and_no_longer_than_it_was(packet: bytes) -> None:
    desk = Desk(others=3)
    before = dict(desk.machine.members)
    desk.hear(packet, ("192.0.2.9", 4155))
    for effect in desk.machine.effects():
        assert isinstance(effect, SendPacket)
        assert effect.to == ("192.0.2.9", 4155)
        assert len(effect.packet) <= len(packet)
    assert desk.machine.members == before


@given(
    st.integers(0, 2**64 - 1), st.text("abc", min_size=1, max_size=64), st.integers(0, 2**64 - 1), st.integers(0, 300)
)
def test_a_ping_of_a_stranger_is_answered_no_longer_than_it_was(number: int, name: str, digest: int, head: int) -> None:
    desk = Desk(others=3)
    packet = gossip.ping(number, name, "home", digest, head, 0, ())
    desk.hear(packet, ("192.0.2.9", 4155))
    [effect] = desk.machine.effects()
    assert isinstance(effect, SendPacket)
    assert len(effect.packet) <= len(packet)

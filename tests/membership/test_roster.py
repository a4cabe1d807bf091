"""Rounds of probes: everybody once a round, in a new order each time, newcomers and leavers included."""

from __future__ import annotations

from random import Random

from meshq.membership.roster import Roster


def full(count: int, seed: int = 1) -> Roster:
    """A roster of ``0`` to ``count - 1``."""
    roster = Roster(Random(seed))
    for number in range(count):
        roster.add(str(number))
    return roster


def test_every_round_goes_through_all_in_another_order() -> None:
    roster = full(50)
    rounds = [[roster.next() for _ in range(50)] for _ in range(3)]
    assert all(len(set(names)) == 50 for names in rounds)
    assert rounds[0] != rounds[1] != rounds[2]


def test_a_newcomer_takes_part_in_the_round_under_way() -> None:
    roster = full(10)
    first = [roster.next() for _ in range(4)]
    roster.add("new")
    rest = [roster.next() for _ in range(7)]
    assert "new" in rest
    assert len({*first, *rest}) == 11


def test_a_leaver_is_not_probed_and_nobody_is_left_out_for_it() -> None:
    for gone in range(10):
        roster = full(10)
        first = [roster.next() for _ in range(5)]
        roster.remove(str(gone))
        roster.remove("nobody")
        rest = [roster.next() for _ in range(9 - len([n for n in first if n != str(gone)]))]
        assert {n for n in (*first, *rest) if n != str(gone)} == {str(n) for n in range(10)} - {str(gone)}
        assert str(gone) not in rest


def test_an_empty_roster_has_nobody() -> None:
    roster = full(1)
    roster.remove("0")
    assert roster.next() is None
    assert roster.pick(3, ()) == []


def test_a_pick_is_of_different_members_and_leaves_out_whom_it_should() -> None:
    for count in (3, 8, 100):
        roster = full(count)
        for _ in range(50):
            picked = roster.pick(3, ("1",))
            assert len(set(picked)) == len(picked) == min(3, count - 1)
            assert "1" not in picked

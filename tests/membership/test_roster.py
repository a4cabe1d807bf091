"""Rounds of probes: everybody once a round, in a new order each time, newcomers and leavers included."""

from __future__ import annotations

from random import Random

from meshq.membership.roster import EvenRoster, Roster


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


def even(count: int) -> list[EvenRoster]:
    """The rosters of all members of a mesh."""
    names = [f"n{number}" for number in range(count)]
    rosters = [EvenRoster(Random(1), name) for name in names]
    for roster in rosters:
        roster.fill(names, {})
        roster.remove(roster._me)
    return rosters


def test_even_probes_reach_everybody_once_in_every_round_and_nobody_probes_itself() -> None:
    for count in (2, 3, 10, 57):
        rosters = even(count)
        for turn in (0, 1, 2, 1000, (1 << 32) - 1):
            probed = {name: roster.next(turn) for name, roster in zip(map(str, range(count)), rosters, strict=True)}
            assert len(set(probed.values())) == count
            assert all(roster.next(turn) != roster._me for roster in rosters)


def test_even_probes_go_from_each_to_each_other_once_in_as_many_rounds() -> None:
    for count in (2, 3, 4, 10, 31, 64):
        roster = even(count)[1]
        assert len({roster.next(turn) for turn in range(77, 77 + count - 1)}) == count - 1


def test_even_rosters_that_share_a_list_change_their_own_only() -> None:
    names = [f"n{number}" for number in range(9)]
    one, other = EvenRoster(Random(1), "n1"), EvenRoster(Random(1), "n2")
    for roster in (one, other):
        roster.share(names)
    one.remove("n5")
    one.remove("n1")
    other.add("n9")
    assert (len(one), len(other), len(names)) == (7, 9, 9)


def test_an_even_roster_takes_and_gives_up_names_in_any_order() -> None:
    roster = EvenRoster(Random(1), "m")
    assert roster.next(5) is None
    for name in ("b", "x", "a", "b"):
        roster.add(name)
    roster.remove("nobody")
    roster.remove("b")
    assert len(roster) == 2
    assert sorted(roster.pick(5, ())) == ["a", "x"]
    assert roster.pick(1, ("a",)) == ["x"]

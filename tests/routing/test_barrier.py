"""The subscribe barrier: members answer, die, refuse or stay silent; one BarrierDone comes out."""

from __future__ import annotations

from meshq.routing.barrier import Barrier, Barriers
from meshq.routing.effects import BarrierDone


def begun(*waiting: str, knows: tuple[str, ...] = ()) -> Barriers:
    barriers = Barriers()
    barriers.begin(0.0, 7, Barrier(5, waiting, knows), 1.0)
    return barriers


def test_alone_it_is_over_at_once() -> None:
    assert begun().done == [BarrierDone(7, 1, 1)]


def test_it_is_over_when_the_last_member_has_the_version() -> None:
    barriers = begun("a", "b", knows=("c",))
    barriers.acked("a", 9, 0)
    barriers.acked("b", 4, 0)
    barriers.acked("x", 9, 0)
    assert barriers.done == []
    barriers.acked("b", 5, 0)
    assert barriers.done == [BarrierDone(7, 4, 4)]
    assert (len(barriers), barriers.deadline()) == (0, None)


def test_a_member_that_dies_no_longer_counts_however_it_answered() -> None:
    barriers = begun("a", "b", "c")
    barriers.acked("a", 5, 0)
    barriers.gone("a")
    barriers.gone("b")
    assert barriers.done == []
    barriers.acked("c", 5, 0)
    assert barriers.done == [BarrierDone(7, 2, 2)]


def test_at_the_time_limit_it_ends_with_what_answered() -> None:
    barriers = begun("a", "b")
    barriers.acked("a", 5, 0)
    assert barriers.deadline() == 1.0
    barriers.tick(0.9)
    assert barriers.done == []
    barriers.tick(1.0)
    assert barriers.done == [BarrierDone(7, 2, 3)]
    barriers.acked("b", 5, 0)
    assert len(barriers.done) == 1


def test_a_member_without_room_for_the_channel_was_asked_and_did_not_answer() -> None:
    barriers = begun("a", "b")
    barriers.acked("a", 6, 6)
    barriers.acked("b", 6, 4)
    assert barriers.done == [BarrierDone(7, 2, 3)]

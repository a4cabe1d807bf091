"""The queue of rumours: copies, order, replacement, bound."""

from __future__ import annotations

import pytest

from meshq.config import membership_profile
from meshq.membership.rumours import Kind, Rumours, copies


@pytest.mark.parametrize(
    ("members", "times"), [(1, 4), (2, 4), (9, 4), (10, 8), (99, 8), (100, 12), (1_000, 16), (10_000, 20)]
)
def test_copies_grow_with_the_logarithm_of_the_mesh(members: int, times: int) -> None:
    assert copies(membership_profile("memberlist"), members) == times
    assert copies(membership_profile("lan"), members) == max(12, times)


def test_a_rumour_is_sent_as_often_as_allowed_and_no_more() -> None:
    queue = Rumours(10)
    queue.put("a", Kind.JOIN, b"x" * 20)
    assert [len(queue.take(1000, 3)) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert len(queue) == 0


def test_packets_are_filled_by_urgency() -> None:
    queue = Rumours(10)
    for kind in reversed(Kind):
        queue.put(kind.name, kind, kind.name.encode().ljust(20))
    assert [r.strip().decode() for r in queue.take(1000, 3)] == [kind.name for kind in Kind]
    assert [r.strip().decode() for r in queue.take(50, 3)] == ["REFUTATION", "DEATH"]


def test_among_equals_the_one_sent_least_often_goes_first() -> None:
    queue = Rumours(10)
    queue.put("a", Kind.DEATH, b"a" * 20)
    queue.take(1000, 9)
    queue.put("b", Kind.DEATH, b"b" * 20)
    assert queue.take(25, 9) == [b"b" * 20]
    assert queue.take(1000, 9) == [b"a" * 20, b"b" * 20]


def test_a_newer_rumour_replaces_the_older_one_about_the_same_member_but_not_its_head() -> None:
    queue = Rumours(10)
    queue.put("a", Kind.JOIN, b"old" * 7)
    queue.put("a", Kind.HEAD, b"head" * 5)
    queue.put("a", Kind.SUSPICION, b"new" * 7)
    assert queue.take(1000, 3) == [b"new" * 7, b"head" * 5]


def test_what_does_not_fit_is_passed_over_for_what_does() -> None:
    queue = Rumours(10)
    queue.put("a", Kind.DEATH, b"a" * 300)
    queue.put("b", Kind.DEATH, b"b" * 30)
    assert queue.take(100, 3) == [b"b" * 30]


def test_a_full_queue_gives_up_the_least_urgent_and_most_often_sent() -> None:
    queue = Rumours(3)
    queue.put("death", Kind.DEATH, b"d" * 20)
    queue.put("head1", Kind.HEAD, b"1" * 20)
    queue.take(1000, 9)
    queue.put("head2", Kind.HEAD, b"2" * 20)
    queue.put("join", Kind.JOIN, b"j" * 20)
    assert queue.dropped == 1
    assert queue.take(1000, 9) == [b"d" * 20, b"j" * 20, b"2" * 20]
    queue.clear()
    assert queue.take(1000, 9) == []

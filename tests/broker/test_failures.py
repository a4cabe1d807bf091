"""First and last errors of messages, as runs."""

from __future__ import annotations

from meshq.broker.failures import Failures


def test_the_first_error_stays_and_the_last_is_replaced() -> None:
    failures = Failures(10)
    failures.add(1, 5, "a", "a")
    failures.add(3, 4, "b", "b")
    assert [failures.of(number) for number in (1, 3, 4, 5)] == [("a", "a"), ("a", "b"), ("a", "a"), ("", "")]


def test_what_nobody_said_anything_of_is_a_piece_of_its_own() -> None:
    failures = Failures(10)
    failures.add(3, 5, "a", "b")
    assert failures.within(1, 7) == [(1, 3, "", ""), (3, 5, "a", "b"), (5, 7, "", "")]
    assert failures.within(4, 5) == [(4, 5, "a", "b")]


def test_a_gap_within_what_failed_before_begins_anew() -> None:
    failures = Failures(10)
    failures.add(1, 2, "a", "a")
    failures.add(3, 4, "a", "a")
    failures.add(1, 5, "b", "b")
    assert failures.within(1, 5) == [
        (1, 2, "a", "b"),
        (2, 3, "b", "b"),
        (3, 4, "a", "b"),
        (4, 5, "b", "b"),
    ]


def test_what_is_dropped_is_forgotten_part_by_part() -> None:
    failures = Failures(10)
    failures.add(1, 5, "a", "a")
    failures.drop(2, 3)
    assert failures.within(1, 5) == [(1, 2, "a", "a"), (2, 3, "", ""), (3, 5, "a", "a")]
    failures.drop(1, 5)
    assert not failures


def test_above_the_limit_the_lowest_numbers_are_forgotten() -> None:
    failures = Failures(2)
    for number in (1, 3, 5):
        failures.add(number, number + 1, "a", "a")
    assert len(failures) == 2
    assert failures.of(1) == ("", "")
    assert failures.of(5) == ("a", "a")

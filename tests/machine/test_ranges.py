"""Sets of numbers kept as ranges."""

from __future__ import annotations

import pytest

from meshq.machine.ranges import Ranges


def test_ranges_that_touch_become_one() -> None:
    ranges = Ranges([(1, 3), (5, 7)])
    assert ranges.add(3, 5) == 2
    assert list(ranges) == [(1, 7)]


def test_adding_what_is_there_adds_nothing() -> None:
    ranges = Ranges([(1, 10)])
    assert ranges.add(2, 5) == 0
    assert ranges.add(1, 10) == 0
    assert list(ranges) == [(1, 10)]


def test_a_range_over_several_swallows_them_and_counts_the_new_ones() -> None:
    ranges = Ranges([(1, 3), (5, 7), (9, 11)])
    assert ranges.add(2, 10) == 4
    assert list(ranges) == [(1, 11)]


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (5, 4)])
def test_an_empty_range_is_ignored_and_covered(start: int, stop: int) -> None:
    ranges = Ranges()
    assert ranges.add(start, stop) == 0
    assert len(ranges) == 0
    assert ranges.covers(start, stop)
    assert ranges.missing(start, stop) == []


def test_missing_tells_the_gaps_in_order() -> None:
    ranges = Ranges([(3, 5), (7, 8)])
    assert ranges.missing(1, 10) == [(1, 3), (5, 7), (8, 10)]
    assert ranges.missing(3, 5) == []
    assert ranges.missing(4, 8) == [(5, 7)]


def test_membership_is_half_open() -> None:
    ranges = Ranges([(3, 5)])
    assert [number in ranges for number in (2, 3, 4, 5)] == [False, True, True, False]


def test_count_counts_numbers_and_len_counts_ranges() -> None:
    ranges = Ranges([(1, 1_000_001), (2_000_000, 2_000_001)])
    assert ranges.count() == 1_000_001
    assert len(ranges) == 2


def test_equal_sets_are_equal_however_they_came_about() -> None:
    assert Ranges([(1, 2), (2, 4)]) == Ranges([(1, 4)])
    assert Ranges([(1, 2)]) != Ranges([(1, 3)])
    assert Ranges() != [(1, 2)]

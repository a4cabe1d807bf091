"""Ranges against a plain set of numbers."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from meshq.machine.ranges import Ranges

bounds = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(st.lists(bounds, max_size=30), bounds)
def test_ranges_behave_like_a_set_of_numbers(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    ranges, model = Ranges(), set[int]()
    for start, stop in added:
        new = {*range(start, stop)} - model
        assert ranges.add(start, stop) == len(new)
        model |= new
    assert ranges.count() == len(model)
    assert [number in ranges for number in range(41)] == [number in model for number in range(41)]
    start, stop = asked
    assert ranges.covers(start, stop) == model.issuperset(range(start, stop))
    missing = [number for low, high in ranges.missing(start, stop) for number in range(low, high)]
    assert missing == [number for number in range(start, stop) if number not in model]


@given(st.lists(bounds, max_size=30))
def test_ranges_are_sorted_disjoint_and_never_touch(added: list[tuple[int, int]]) -> None:
    edges = [edge for pair in Ranges(added) for edge in pair]
    assert all(low < high for low, high in pairwise(edges))


@given(st.lists(bounds, max_size=20), st.randoms())
def test_the_order_of_adding_does_not_matter(added: list[tuple[int, int]], chance: Random) -> None:
    shuffled = list(added)
    chance.shuffle(shuffled)
    assert Ranges(added) == Ranges(shuffled) == Ranges(Ranges(added))


@given(st.lists(bounds, max_size=20), bounds)
def test_adding_what_is_missing_makes_it_covered(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    ranges = Ranges(added)
    for start, stop in ranges.missing(*asked):
        assert ranges.add(start, stop) == stop - start
    assert ranges.covers(*asked)
    assert ranges.missing(*asked) == []

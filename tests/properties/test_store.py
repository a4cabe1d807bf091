"""A store says of any rows what ``meshq.machine.store`` says that they mean, whatever the order of what happens.

Played on every store there is: SQLite's file, and the simulator's shelf, as it is and as a copy of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshq.machine.effects import Load, LoadDue
from meshq.machine.ranges import Ranges
from meshq.machine.store import BatchRow, ChannelKept, LogKept
from meshq.runtime.store.rows import NEAR_NS
from meshq.sim.shelf import Shelf
from tests.properties.store_author import BORN_NS, SECOND_NS, Author, Keeper, Place, Writing, messages
from tests.runtime.store.keeper import SqlKeeper

EVERYTHING = 1 << 40
STORES: dict[str, Callable[[], Keeper]] = {"shelf": Shelf, "sqlite": SqlKeeper}

chance = st.randoms(use_true_random=False)
stores = pytest.mark.parametrize("store", STORES.values(), ids=STORES)


def written(author: Author, keeper: Keeper) -> None:
    """A dozen Stores of a few rows."""
    for _ in range(author.rng.randint(1, 12)):
        keeper.apply(author.rows(author.rng.randint(1, 8)))


@stores
@given(rng=chance)
def test_a_start_finds_what_the_rows_say(store: Callable[[], Keeper], rng: Random) -> None:
    author, keeper = Author(rng), store()
    written(author, keeper)
    found = keeper.recovered()
    assert sorted((put.kind, put.key, put.value) for put in found.puts) == sorted(
        (*key, value) for key, value in author.puts.items()
    )
    check_all(author, keeper)


@given(rng=chance)
def test_what_a_transaction_that_was_undone_was_to_keep_or_end_the_next_one_does(rng: Random) -> None:
    author, keeper = Author(rng), SqlKeeper()
    written(author, keeper)
    rows = author.rows(author.rng.randint(1, 8))
    keeper.fail(rows)
    keeper.apply(rows)
    check_all(author, keeper)


def check_all(author: Author, keeper: Keeper) -> None:
    found = keeper.recovered().logs
    kept = {(log.topic, log.log): log for log in found}
    assert len(kept) == len(found)
    for writing in author.logs:
        if writing.top > 1 or writing.channels:
            check_log(writing, kept.pop((writing.topic, writing.log)), keeper)
    assert all(not (log.ready or log.deferred or log.channels) for log in kept.values())


def check_log(writing: Writing, found: LogKept, keeper: Keeper) -> None:
    assert found.next == writing.top
    ready, deferred = Ranges(found.ready), Ranges(found.deferred)
    assert (list(ready), list(deferred)) == (found.ready, found.deferred), "sorted, disjoint, neighbours joined"
    for number, (_, _, due_ns, _, _) in writing.wanted().items():
        assert (number in ready, number in deferred) == (not due_ns, bool(due_ns))
    for number in (number for start, stop in (*ready, *deferred) for number in range(start, stop)):
        assert number in writing.messages
    rows = everything(writing, keeper)
    assert sum(len(row.body) for row in rows) == found.size_bytes
    assert not any(writing.gone.covers(row.first, row.first + row.messages) for row in rows)
    channels = {(each.channel, each.generation): each for each in found.channels}
    assert channels.keys() == writing.channels.keys()
    for key, place in writing.channels.items():
        check_channel(place, channels[key])


def check_channel(place: Place, found: ChannelKept) -> None:
    assert (found.number, found.since_ns) == (place.number, place.since_ns)
    assert found.finished == list(place.finished)
    tried = {number: said for number, said in place.tried.items() if said[:2] != (0, 0)}
    told = {number: tuple(row[6:]) for row in found.tried for number in range(row.start, row.stop)}
    assert sum(row.stop - row.start for row in found.tried) == len(told), "disjoint"
    assert {number: said for number, said in told.items() if number not in place.finished} == {
        number: said for number, said in tried.items() if number not in place.finished
    }


def everything(writing: Writing, keeper: Keeper) -> list[BatchRow]:
    """All rows of a log."""
    ready = keeper.load(Load(1, writing.topic, writing.log, 1, writing.next, EVERYTHING))
    due = keeper.load_due(LoadDue(1, 1, EVERYTHING * EVERYTHING, EVERYTHING))
    return ready + [row for row in due if (row.topic, row.log) == (writing.topic, writing.log)]


@stores
@given(rng=chance)
def test_a_load_brings_the_batches_of_its_log_in_order_and_about_so_many_bytes(
    store: Callable[[], Keeper], rng: Random
) -> None:
    author, keeper = Author(rng), store()
    written(author, keeper)
    for writing in author.logs:
        start = rng.randint(1, writing.next)
        stop = rng.randint(start, writing.next + 1)
        size_bytes = rng.choice((0, 620, 1_900, EVERYTHING))
        rows = keeper.load(Load(1, writing.topic, writing.log, start, stop, size_bytes))
        every = keeper.load(Load(1, writing.topic, writing.log, start, stop, EVERYTHING))
        check_size(rows, every, size_bytes)
        assert all(row.first < stop and row.first + row.messages > start and not row.due_ns for row in every)
        assert [row.first for row in every] == sorted(row.first for row in every)
        found = messages(every)
        for number, each in writing.wanted().items():
            if start <= number < stop and not each[2]:
                assert alike(found[number], each)
        assert all(alike(each, writing.messages[number]) for number, each in found.items())


@stores
@given(rng=chance)
def test_what_is_due_is_brought_in_the_order_of_its_times_and_equal_times_together(
    store: Callable[[], Keeper], rng: Random
) -> None:
    author, keeper = Author(rng), store()
    written(author, keeper)
    after_ns = BORN_NS + rng.randrange(6) * SECOND_NS // 2
    until_ns = after_ns + rng.randrange(6) * SECOND_NS // 2 + rng.randrange(2)
    size_bytes = rng.choice((0, 620, 1_900, EVERYTHING))
    rows = keeper.load_due(LoadDue(1, after_ns, until_ns, size_bytes))
    every = keeper.load_due(LoadDue(1, after_ns, until_ns, EVERYTHING))
    assert [row.due_ns for row in every] == sorted(row.due_ns for row in every)
    assert all(after_ns <= row.due_ns < until_ns for row in every)
    for writing in author.logs:
        found = messages([row for row in every if (row.topic, row.log) == (writing.topic, writing.log)])
        for number, each in writing.wanted().items():
            if after_ns <= each[2] < until_ns:
                assert alike(found[number], each)
    assert {row.due_ns for row in rows}.isdisjoint(row.due_ns for row in every[len(rows) :])
    first = [row for row in rows if row.due_ns < rows[-1].due_ns] or rows[:1]
    assert rows == every[: len(rows)]
    assert sum(row.memory_bytes() for row in first[:-1]) <= size_bytes
    assert bool(rows) == bool(every)


def alike(found: tuple[Any, ...], said: tuple[Any, ...]) -> bool:
    """Whether it is that message; neighbours in one row are all accepted when the last of them was."""
    return 0 <= found[1] - said[1] < NEAR_NS and (found[0], *found[2:]) == (said[0], *said[2:])


def check_size(rows: list[BatchRow], every: list[BatchRow], size_bytes: int) -> None:
    """A beginning of all there is, at least one, no more than asked for but for the last, and no less without need."""
    assert rows == every[: len(rows)]
    assert bool(rows) == bool(every)
    assert sum(row.memory_bytes() for row in rows[:-1]) <= size_bytes
    if len(rows) < len(every):
        assert sum(row.memory_bytes() for row in every[: len(rows) + 1]) > size_bytes


@given(rng=chance)
def test_a_copy_says_the_same_and_goes_its_own_way(rng: Random) -> None:
    author, shelf = Author(rng), Shelf()
    written(author, shelf)
    copy = shelf.copy()
    before = shelf.recovered()
    assert copy.recovered() == before
    written(author, copy)
    assert shelf.recovered() == before
    check_all(author, copy)

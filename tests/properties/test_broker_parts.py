"""The broker's small containers against plain models."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meshq.broker.attempts import Attempts
from meshq.broker.batch import Batch, Payload, Traits
from meshq.broker.extents import Extent, Extents, Waiting
from meshq.broker.gathering import Gathering, Publishing
from meshq.config import BrokerConfig
from meshq.machine.ranges import Ranges
from meshq.wire import bodies

spans = st.tuples(st.integers(0, 40), st.integers(1, 12)).map(lambda span: (span[0], span[0] + span[1]))
batches = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=300),
        st.tuples(st.binary(min_size=1, max_size=5), st.dictionaries(st.text(max_size=3), st.text(max_size=3))).map(
            lambda one: [one[0], one[1]]
        ),
    ),
    min_size=1,
    max_size=30,
)


def some_batch() -> Batch:
    return Batch(0, 100, bodies.encode([b"x"] * 100), 0.0, 0)


def numbers(extents: Extents[Extent]) -> list[int]:
    return [number for extent in extents for number in range(extent.start, extent.stop)]


@given(st.lists(spans, max_size=12), st.lists(spans, max_size=6))
def test_extents_lose_exactly_what_is_taken(put: list[tuple[int, int]], taken: list[tuple[int, int]]) -> None:
    batch, extents, model = some_batch(), Extents[Extent](), set[int]()
    for start, stop in put:
        if not model & {*range(start, stop)}:
            extents.add(Extent(batch, start, stop, number=stop))
            model |= {*range(start, stop)}
    for start, stop in taken:
        out = [number for extent in extents.take(start, stop) for number in range(extent.start, extent.stop)]
        assert out == sorted(model & {*range(start, stop)})
        model -= {*range(start, stop)}
        assert numbers(extents) == sorted(model)
        assert extents.messages == len(model)


@given(st.lists(spans, max_size=12))
def test_what_came_back_grows_together_within_a_batch(put: list[tuple[int, int]]) -> None:
    one, other, waiting, model = some_batch(), some_batch(), Waiting(), set[int]()
    for start, stop in put:
        if not model & {*range(start, stop)}:
            waiting.put(Extent(one if stop % 3 else other, start, stop))
            model |= {*range(start, stop)}
    assert numbers(waiting) == sorted(model)
    assert waiting.messages == len(model)
    for before, after in pairwise(waiting):
        assert before.stop < after.start or before.batch is not after.batch


@given(st.lists(st.tuples(spans, st.booleans()), max_size=15), spans)
def test_attempts_count_each_number(steps: list[tuple[tuple[int, int], bool]], asked: tuple[int, int]) -> None:
    attempts, model = Attempts(), Counter[int]()
    for (start, stop), tried in steps:
        if tried:
            attempts.add(start, stop)
            model.update(range(start, stop))
        else:
            attempts.drop(start, stop)
            for number in range(start, stop):
                del model[number]
    runs = attempts.within(*asked)
    found = {number: count for start, stop, count in runs for number in range(start, stop)}
    assert found == {number: model[number] for number in range(*asked) if model[number]}
    assert runs == sorted(runs)


@given(st.lists(st.tuples(spans, st.booleans()), max_size=20))
def test_ranges_give_back_what_is_discarded(steps: list[tuple[tuple[int, int], bool]]) -> None:
    ranges, model = Ranges(), set[int]()
    for (start, stop), put in steps:
        if put:
            ranges.add(start, stop)
            model |= {*range(start, stop)}
        else:
            ranges.discard(start, stop)
            model -= {*range(start, stop)}
    assert [number for start, stop in ranges for number in range(start, stop)] == sorted(model)
    edges = [edge for pair in ranges for edge in pair]
    assert edges == sorted(set(edges))


@given(batches, st.data())
def test_a_part_of_a_payload_is_those_messages(items: list[bodies.Item], data: st.DataObject) -> None:
    payload = Payload(10, len(items), bodies.encode(items))
    start = data.draw(st.integers(10, payload.stop - 1))
    stop = data.draw(st.integers(start + 1, payload.stop))
    part = payload.part(start, stop)
    assert part == bodies.encode(items[start - 10 : stop - 10])
    assert payload.size(start, stop) == bodies.content_bytes(part, stop - start)
    assert sum(payload.size(at, at + 1) for at in range(start, stop)) == payload.size(start, stop)
    limit = data.draw(st.integers(0, 2 * payload.size_bytes))
    fit = payload.fit(start, stop, limit)
    assert fit == start or payload.size(start, fit) <= limit
    assert fit == stop or payload.size(start, fit + 1) > limit


@given(st.integers(1, 40), st.integers(1, 300))
def test_equal_messages_are_found_without_decoding(count: int, size: int) -> None:
    body = bodies.encode([b"\x58" * size] * count)
    assert isinstance(bodies.offsets(body, count), range)


@given(st.lists(st.tuples(batches, st.sampled_from([0.0, 1.0])), max_size=8))
def test_gathered_publishes_keep_their_order_and_limits(publishes: list[tuple[list[bodies.Item], float]]) -> None:
    config = BrokerConfig(batch_messages_max=10, batch_bytes_max=400)
    gathering = Gathering(config)
    for token, (items, due) in enumerate(publishes):
        gathering.add(Publishing(token, len(items), bodies.encode(items), 0, Traits(due=due)))
    made: list[Batch] = []
    for group in gathering.groups(gathering.take()):
        for count, body in gathering.bodies(group):
            made.append(Batch(made[-1].stop if made else 5, count, body, 0.0, 0, group[0].traits))
    assert [one for batch in made for one in bodies.decode(batch.body)] == [
        one for items, _ in publishes for one in items
    ]
    assert [batch.first for batch in made] == [5, *(batch.stop for batch in made)][: len(made)]
    for batch in made:
        assert batch.count() <= 10
        assert batch.count() == 1 or batch.size_bytes <= 400
    assert [due for batch in made for due in [batch.due] * batch.count()] == [d for i, d in publishes for _ in i]

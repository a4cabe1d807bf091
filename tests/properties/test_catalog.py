"""Laws of the catalog: merging is a join, generations never go down, two halves of a mesh agree in the end.

Records are drawn over few names and generations, so that most of them collide. A state is compared by what
it holds, by its hashes and by what its births and ends add up to.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshq.config import RoutingConfig
from meshq.errors import Overloaded
from meshq.routing.catalog import Catalog
from meshq.routing.counters import Counters
from meshq.routing.effects import ChannelBorn, ChannelEnded, Configured, TopicBorn, TopicEnded
from meshq.routing.settings import merge_settings, plain, stamped
from meshq.wire.interest import Record, Settings, channel_generation

topics = st.sampled_from(["t", "u"])
channels = st.sampled_from(["c", "d"])
settings: st.SearchStrategy[Settings] = st.dictionaries(
    st.sampled_from(["ttl", "lanes"]),
    st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(0, 2), st.text(max_size=1))),
)
values = st.dictionaries(st.sampled_from(["ttl", "lanes"]), st.one_of(st.none(), st.integers(0, 2)), min_size=1)


@st.composite
def records(draw: st.DrawFn) -> Record:
    channel = draw(st.one_of(st.just(""), channels))
    generation = draw(st.integers(1, 3))
    if channel:
        generation = channel_generation(generation, draw(st.integers(1, 3)))
    dead = draw(st.booleans())
    went: Settings = {"unused": (0, None)} if not channel and draw(st.booleans()) else {}
    return Record(draw(topics), channel, generation, dead, draw(st.integers(0, 9)), went if dead else draw(settings))


verbs = st.one_of(
    st.tuples(st.just("use_topic"), topics),
    st.tuples(st.just("use_channel"), topics, channels),
    st.tuples(st.just("delete_topic"), topics),
    st.tuples(st.just("delete_channel"), topics, channels),
    st.tuples(st.just("end_unused"), topics),
    st.tuples(st.just("configure"), topics, st.one_of(st.just(""), channels), values, st.integers(0, 3)),
)


def new() -> Catalog:
    return Catalog(RoutingConfig(), Counters())


def held(catalog: Catalog) -> dict[tuple[str, str], tuple[int, bool, Settings]]:
    return {
        (record.topic, record.channel): (record.generation, record.dead, record.settings)
        for record in catalog.records(0.0)
    }


def same(one: Catalog, other: Catalog) -> bool:
    return held(one) == held(other) and one.buckets == other.buckets and one.hash == other.hash


def alive_by_effects(catalog: Catalog) -> dict[tuple[str, str], int]:
    """What births, ends and settings add up to; each must be legal where it stands."""
    alive: dict[tuple[str, str], int] = {}
    configured: dict[tuple[str, str], dict[str, Any]] = {}
    for change in catalog.changes:
        match change:
            case TopicBorn(topic, generation):
                assert (topic, "") not in alive
                alive[topic, ""] = generation
                configured[topic, ""] = {}
            case TopicEnded(topic, generation):
                assert alive.pop((topic, "")) == generation
                assert not [key for key in alive if key[0] == topic]
            case ChannelBorn(topic, channel, generation):
                assert (topic, "") in alive
                assert (topic, channel) not in alive
                alive[topic, channel] = generation
                configured[topic, channel] = {}
            case Configured(topic, channel, values):
                assert (topic, channel) in alive
                assert configured[topic, channel] != values
                configured[topic, channel] = values
            case ChannelEnded(topic, channel, generation):
                assert alive.pop((topic, channel)) == generation
    for topic, channel in alive:
        assert configured[topic, channel] == catalog.settings(topic, channel)
    return alive


def merge_all(catalog: Catalog, told: list[Record]) -> Catalog:
    for record in told:
        assert catalog.merge(10.0, record)
    return catalog


def act(catalog: Catalog, verb: tuple[Any, ...]) -> None:
    try:
        if verb[0] == "configure":
            catalog.configure(*verb[1:])
        else:
            getattr(catalog, verb[0])(10.0, *verb[1:])
    except Overloaded:
        raise AssertionError("no limit is near") from None


@given(st.lists(records(), max_size=10), st.randoms(use_true_random=False))
def test_records_in_any_order_any_number_of_times_give_one_state(told: list[Record], rng: Any) -> None:
    shuffled = told + [rng.choice(told) for _ in range(3)] if told else []
    rng.shuffle(shuffled)
    assert same(merge_all(new(), told), merge_all(new(), shuffled))


@given(*[st.lists(records(), max_size=5)] * 3)
def test_merging_catalogs_is_associative_commutative_and_idempotent(
    a: list[Record], b: list[Record], c: list[Record]
) -> None:
    def joined(*parts: list[Record]) -> Catalog:
        catalog = new()
        for part in parts:
            merge_all(catalog, merge_all(new(), part).records(10.0))
        return catalog

    bc = joined(b, c).records(10.0)
    assert same(joined(joined(a, b).records(10.0), c), joined(a, bc))
    assert same(joined(a, b), joined(b, a))
    assert same(joined(a, a), joined(a))


@given(st.lists(st.one_of(records(), verbs), max_size=20))
def test_a_generation_never_goes_down_and_effects_add_up_to_what_is_known(steps: list[Any]) -> None:
    catalog = new()
    highest: dict[tuple[str, str], int] = {}
    for step in steps:
        if isinstance(step, Record):
            catalog.merge(10.0, step)
        else:
            act(catalog, step)
        for key, (generation, _, _) in held(catalog).items():
            assert generation >= highest.get(key, 0)
            highest[key] = generation
    alive = alive_by_effects(catalog)
    for topic in ("t", "u"):
        for channel in ("", "c", "d"):
            assert catalog.known(topic, channel) == alive.get((topic, channel))
    assert catalog.alive == sum(1 for key in alive if not key[1])


@given(st.lists(verbs, max_size=6), *[st.lists(verbs, max_size=8)] * 2, st.randoms(use_true_random=False))
def test_two_halves_that_used_and_deleted_agree_whichever_way_the_deltas_flow(
    before: list[Any], left: list[Any], right: list[Any], rng: Any
) -> None:
    one, other = new(), new()
    for verb in before:
        act(one, verb)
    merge_all(other, one.records(10.0))
    for verb in left:
        act(one, verb)
    for verb in right:
        act(other, verb)
    from_one, from_other = one.records(10.0), other.records(10.0)
    third = merge_all(new(), sorted(from_one + from_other, key=lambda _: rng.random()))
    if rng.random() < 0.5:  # one learns first, and answers with what it then has
        merge_all(one, from_other)
        merge_all(other, one.records(10.0))
    else:
        merge_all(other, from_one)
        merge_all(one, other.records(10.0))
    assert same(one, other)
    assert same(one, third)
    assert alive_by_effects(one) == alive_by_effects(other) == alive_by_effects(third)


@given(st.lists(verbs, max_size=8), topics, channels)
def test_use_after_any_history_gives_a_generation_never_used_before(
    history: list[Any], topic: str, channel: str
) -> None:
    catalog = new()
    born: list[tuple[str, str, int]] = []
    for verb in [*history, ("delete_topic", topic), ("use_channel", topic, channel)]:
        act(catalog, verb)
    born = [(c.topic, c.channel, c.generation) for c in catalog.changes if type(c) is ChannelBorn]
    assert len(born) == len(set(born))


@given(settings, values, st.integers(0, 5), settings)
def test_what_is_set_now_wins_over_what_was_known_and_not_over_a_later_stamp(
    known: Settings, given_now: dict[str, Any], wall_ms: int, theirs: Settings
) -> None:
    now_set = stamped(known, given_now, wall_ms)
    assert plain(now_set) == {
        **plain({key: one for key, one in known.items() if key not in given_now}),
        **{key: value for key, value in given_now.items() if value is not None},
    }
    merged = merge_settings(now_set, theirs)
    for key, (stamp, value) in theirs.items():
        if stamp > now_set.get(key, (-1,))[0]:
            assert merged[key] == (stamp, value)


@given(*[settings] * 3)
def test_settings_merge_in_any_order(a: Settings, b: Settings, c: Settings) -> None:
    assert merge_settings(merge_settings(a, b), c) == merge_settings(a, merge_settings(b, c))
    assert merge_settings(a, b) == merge_settings(b, a)
    assert merge_settings(a, a) == a

"""The catalog: generations, tombstones, limits. Records in, births and ends out."""

from __future__ import annotations

import pytest

from meshq.config import RoutingConfig
from meshq.errors import Overloaded
from meshq.names import Epoch
from meshq.routing.announce import HEAD_BYTES
from meshq.routing.catalog import Catalog
from meshq.routing.counters import Counters
from meshq.routing.effects import ChannelBorn, ChannelEnded, Configured, Existence, TopicBorn, TopicEnded
from meshq.wire import strict
from meshq.wire.interest import (
    LIFE_MAX,
    SETTING_BYTES_MAX,
    SETTINGS_MAX,
    TOPIC_GENERATION_MAX,
    Entries,
    Record,
    channel_generation,
    decode,
    encode,
    record_bytes,
)
from meshq.wire.prefix import PACKET_BYTES_MAX

SECOND = channel_generation(2, 1)


def catalog(**settings: float) -> Catalog:
    return Catalog(RoutingConfig(**settings), Counters())  # type: ignore[arg-type]


def changes(of: Catalog) -> list[Existence]:
    taken, of.changes = of.changes, []
    return taken


def test_use_creates_a_topic_once() -> None:
    names = catalog()
    assert names.use_topic(1.0, "t") == 1
    assert names.use_topic(2.0, "t") == 1
    assert changes(names) == [TopicBorn("t", 1)]


def test_use_of_a_channel_creates_its_topic_first() -> None:
    names = catalog()
    assert names.use_channel(1.0, "t", "c") == 1
    assert changes(names) == [TopicBorn("t", 1), ChannelBorn("t", "c", 1, 0.0, True)]


def test_use_after_a_delete_opens_the_next_generation() -> None:
    names = catalog()
    names.use_channel(1.0, "t", "c")
    assert names.delete_channel(2.0, "t", "c")
    assert names.known("t", "c") is None
    assert names.known("t") == 1
    assert names.use_channel(3.0, "t", "c") == 2
    assert not names.delete_channel(3.0, "t", "other")


def test_a_topics_delete_ends_its_channels_and_the_next_life_begins_with_none() -> None:
    names = catalog()
    names.use_channel(1.0, "t", "c")
    changes(names)
    assert names.delete_topic(2.0, "t")
    assert changes(names) == [ChannelEnded("t", "c", 1), TopicEnded("t", 1)]
    assert names.use_topic(3.0, "t") == 2
    assert names.known("t", "c") is None
    assert names.use_channel(3.0, "t", "c") == SECOND
    assert not names.delete_topic(3.0, "elsewhere")


def test_a_topics_delete_ends_channels_that_the_deleter_never_heard_of() -> None:
    names = catalog()
    names.use_channel(1.0, "t", "unheard")
    changes(names)
    assert names.merge(5.0, Record("t", "", 1, True, 500, {}))
    assert changes(names) == [ChannelEnded("t", "unheard", 1, 0.5), TopicEnded("t", 1, 0.5)]


def test_a_tombstone_wins_over_alive_of_the_same_generation_only() -> None:
    names = catalog()
    names.merge(5.0, Record("t", "c", 1, True, 0, {}))
    names.merge(5.0, Record("t", "c", 1, False, 0, {}))
    assert names.known("t", "c") is None
    names.merge(5.0, Record("t", "c", 2, False, 0, {}))
    assert names.known("t", "c") == 2


def test_a_channel_is_born_as_old_as_it_was_announced() -> None:
    names = catalog()
    names.merge(50.0, Record("t", "c", 1, False, 2500, {}))
    assert changes(names) == [TopicBorn("t", 1), ChannelBorn("t", "c", 1, 2.5, False)]


def test_each_hop_adds_the_time_it_held_an_announcement() -> None:
    near, far = catalog(), catalog()
    near.merge(50.0, Record("t", "c", 1, False, 2500, {}))
    told = near.record(53.0, "t", "c")
    assert told is not None
    far.merge(1000.0, told)
    born = changes(far)[1]
    assert type(born) is ChannelBorn
    assert 5.5 <= born.age_s < 5.51


def test_a_channel_of_an_earlier_life_of_the_topic_changes_nothing() -> None:
    names = catalog()
    names.merge(1.0, Record("t", "", 2, False, 0, {}))
    changes(names)
    assert names.merge(1.0, Record("t", "c", 7, False, 0, {}))
    assert changes(names) == []
    assert names.known("t", "c") is None


def test_a_record_of_a_channel_brings_its_topic_up_to_that_life() -> None:
    names = catalog()
    names.use_channel(1.0, "t", "old")
    changes(names)
    names.merge(1.0, Record("t", "c", SECOND, False, 0, {}))
    assert changes(names) == [
        ChannelEnded("t", "old", 1), TopicEnded("t", 1), TopicBorn("t", 2), ChannelBorn("t", "c", SECOND, 0.0, False),
    ]  # fmt: skip


def test_a_later_life_of_a_channel_ends_the_one_before_it() -> None:
    names = catalog()
    names.use_channel(1.0, "t", "c")
    changes(names)
    names.merge(1.0, Record("t", "c", 2, False, 0, {}))
    assert changes(names) == [ChannelEnded("t", "c", 1), ChannelBorn("t", "c", 2, 0.0, False)]


def test_own_use_is_refused_at_the_limit_and_changes_nothing() -> None:
    names = catalog(topics_max=2, channels_max=1)
    names.use_channel(1.0, "a", "c")
    names.use_topic(1.0, "b")
    before = names.hash
    with pytest.raises(Overloaded) as topics:
        names.use_channel(1.0, "d", "c")
    with pytest.raises(Overloaded) as channels:
        names.use_channel(1.0, "a", "d")
    assert (topics.value.limit, channels.value.limit) == ("topics_max", "channels_max")
    assert names.hash == before
    names.delete_topic(2.0, "b")
    assert names.use_topic(2.0, "d") == 1


def test_a_flood_of_others_is_refused_beyond_a_quarter_above_the_limit_and_counted() -> None:
    counters = Counters()
    names = Catalog(RoutingConfig(topics_max=8, channels_max=4), counters)
    taken = [names.merge(1.0, Record(f"t{n}", "", 1, False, 0, {})) for n in range(12)]
    assert taken == [True] * 10 + [False] * 2
    taken = [names.merge(1.0, Record("t0", f"c{n}", 1, False, 0, {})) for n in range(7)]
    assert taken == [True] * 5 + [False] * 2
    assert not names.merge(1.0, Record("t99", "c", 1, False, 0, {}))
    assert counters.catalog_refused == 5
    assert names.merge(1.0, Record("t0", "c0", 1, True, 0, {}))
    assert names.merge(1.0, Record("t0", "c6", 1, False, 0, {}))


def test_tombstones_are_forgotten_by_age_and_the_name_begins_anew() -> None:
    names = catalog(tombstone_s=100.0)
    names.use_topic(1.0, "t")
    names.delete_topic(10.0, "t")
    assert names.deadline() == 110.0
    names.tick(109.0)
    assert names.record(109.0, "t") is not None
    names.tick(110.0)
    assert names.record(110.0, "t") is None
    assert names.hash == 0
    assert names.use_topic(111.0, "t") == 1


def test_a_tombstone_too_old_to_keep_is_not_taken() -> None:
    names = catalog(tombstone_s=100.0)
    assert names.merge(1.0, Record("t", "", 3, True, 100_000, {}))
    assert names.hash == 0


def test_tombstones_are_bounded_in_number_oldest_first() -> None:
    names = catalog(tombstones_max=2)
    for at, name in enumerate("abc"):
        names.use_topic(float(at), name)
        names.delete_topic(float(at), name)
    assert [names.record(9.0, name) is not None for name in "abc"] == [False, True, True]
    assert names.tombstones == 2


def test_a_topics_end_forgets_the_tombstones_of_its_channels() -> None:
    names = catalog()
    names.use_channel(1.0, "t", "c")
    names.delete_channel(1.0, "t", "c")
    names.delete_topic(2.0, "t")
    assert names.tombstones == 1
    names.use_topic(3.0, "t")
    assert names.tombstones == 0
    assert names.deadline() is None


def test_the_hash_says_whether_two_catalogs_are_equal_and_not_how_they_became() -> None:
    one, other = catalog(), catalog()
    one.use_channel(1.0, "t", "c")
    one.use_topic(1.0, "u")
    for record in reversed(one.records(5.0)):
        other.merge(7.0, record)
    assert (one.hash, one.buckets) == (other.hash, other.buckets)
    other.delete_channel(8.0, "t", "c")
    assert one.hash != other.hash
    assert [a == b for a, b in zip(one.buckets, other.buckets, strict=True)].count(False) == 1


def test_the_last_generation_of_a_name_is_the_last() -> None:
    names = catalog()
    names.merge(1.0, Record("t", "", TOPIC_GENERATION_MAX, True, 0, {}))
    names.merge(1.0, Record("u", "c", LIFE_MAX, True, 0, {}))
    with pytest.raises(Overloaded, match="another name"):
        names.use_topic(1.0, "t")
    with pytest.raises(Overloaded, match="another name"):
        names.use_channel(1.0, "u", "c")


def test_settings_follow_the_last_writer_by_stamp() -> None:
    one, other = catalog(), catalog()
    one.use_topic(1.0, "t")
    assert one.configure("t", "", {"ttl": 5}, wall_ms=1000)
    assert not one.configure("u", "", {"ttl": 5}, wall_ms=1000)
    told = one.record(1.0, "t")
    assert told is not None
    other.merge(1.0, told)
    other.configure("t", "", {"ttl": 9}, wall_ms=0)  # its clock is behind: the stamp replaced + 1
    answer = other.record(2.0, "t")
    assert answer is not None
    assert answer.settings == {"ttl": (1001, 9)}
    one.merge(2.0, answer)
    one.merge(2.0, told)
    assert one.topics["t"].settings == {"ttl": (1001, 9)}
    assert one.hash == other.hash


def test_settings_are_told_after_the_birth_and_only_when_they_are_others() -> None:
    one, other = catalog(), catalog()
    one.use_channel(1.0, "t", "c")
    changes(one)
    one.configure("t", "c", {"paused": True, "attempts_max": 5}, wall_ms=1)
    assert changes(one) == [Configured("t", "c", {"attempts_max": 5, "paused": True})]
    one.configure("t", "c", {"paused": True}, wall_ms=2)
    assert changes(one) == []
    one.configure("t", "c", {"attempts_max": None}, wall_ms=3)
    assert changes(one) == [Configured("t", "c", {"paused": True})]
    told = one.record(1.0, "t", "c")
    assert told is not None
    other.merge(1.0, told)
    assert [type(change) for change in changes(other)] == [TopicBorn, ChannelBorn, Configured]
    other.merge(1.0, told)
    assert changes(other) == []


def test_the_next_life_of_a_name_begins_without_settings() -> None:
    names = catalog()
    names.use_channel(1.0, "t", "c")
    names.configure("t", "", {"ttl_s": 5}, wall_ms=1)
    names.configure("t", "c", {"paused": True}, wall_ms=1)
    names.delete_topic(2.0, "t")
    assert not names.configure("t", "", {"ttl_s": 5}, wall_ms=2)
    names.use_channel(3.0, "t", "c")
    assert names.settings("t") == names.settings("t", "c") == {}


def test_whatever_was_merged_a_record_fits_a_datagram() -> None:
    one = catalog()
    one.use_channel(1.0, "t" * 64, "c" * 64)
    value = "v" * (SETTING_BYTES_MAX - 17)
    for key in range(40):
        one.configure("t" * 64, "c" * 64, {f"k{key:02}": value}, wall_ms=1 << 62)
    told = one.record(1.0, "t" * 64, "c" * 64)
    assert told is not None
    assert len(told.settings) == SETTINGS_MAX
    assert record_bytes(told) + HEAD_BYTES <= PACKET_BYTES_MAX
    assert decode(strict.decode(encode(Entries("a", Epoch(1, 1), [], [told])))) is not None

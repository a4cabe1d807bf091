"""The packets of routing: what is encoded comes back, whatever else comes is refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from meshq.errors import RemoteProtocolError
from meshq.names import Epoch
from meshq.wire import interest as wire
from meshq.wire import strict
from meshq.wire.interest import (
    Announce,
    Announced,
    CatalogPart,
    CatalogPull,
    Digest,
    Entries,
    Entry,
    Packet,
    Pull,
    Record,
    Share,
)

EPOCH = Epoch(1_700_000_000_000, 2**64 - 1)
ENTRY = Entry("orders", "billing", 3, 7, 0)
RECORD = Record("orders", "billing", 1, False, 1500, {"ttl": (5, 60)})
TOPIC = Record("orders", "", 2, True, 0, {})
PACKETS: list[Packet] = [
    Announce("a", EPOCH, 1, 2, 9, [ENTRY, Entry("t#ephemeral", "c", 0, 9, 12)], [RECORD, TOPIC]),
    Announced("b", EPOCH, EPOCH, 9, 0),
    Pull("b", EPOCH, EPOCH, 4),
    Digest("a", EPOCH, bytes(512)),
    Entries("a", EPOCH, [(3, 2**64 - 1)], [RECORD]),
    CatalogPull("new", EPOCH, 12345),
    CatalogPart(12345, 0, True, True, [RECORD], [Share("a", EPOCH, 9, 0, 9, [ENTRY])]),
]


def over_the_wire(packet: Packet) -> Any:
    return wire.decode(strict.decode(wire.encode(packet)))


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: type(packet).__name__)
def test_every_packet_comes_back_as_it_was(packet: Packet) -> None:
    assert over_the_wire(packet) == packet


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: type(packet).__name__)
def test_options_of_later_versions_are_carried(packet: Packet) -> None:
    later = packet._replace(options={"later": [1, {"a": None}]})
    assert over_the_wire(later) == later


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: type(packet).__name__)
def test_a_packet_with_a_field_too_few_or_too_many_is_refused(packet: Packet) -> None:
    fields = strict.decode(wire.encode(packet))
    for wrong in (fields[:-1], [*fields, 1]):
        with pytest.raises(RemoteProtocolError, match="fields"):
            wire.decode(wrong)


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: type(packet).__name__)
def test_a_field_of_another_type_is_refused(packet: Packet) -> None:
    fields = strict.decode(wire.encode(packet))
    for at in range(1, len(fields)):
        with pytest.raises(RemoteProtocolError) as caught:
            wire.decode([*fields[:at], 1.5, *fields[at + 1 :]])
        assert caught.value.code == "BAD_PACKET"


def test_a_kind_of_a_later_version_is_none() -> None:
    assert wire.decode([63, "whatever"]) is None
    assert wire.decode([]) is None
    assert wire.decode(["32"]) is None


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (["", "c", 1, 7, 0], "no topic name"),
        (["t", "", 1, 7, 0], "no channel name"),
        (["t", "c" * 65, 1, 7, 0], "no channel name"),
        (["t", "c", 1 << 20, 7, 0], "consumers"),
        (["t", "c", 1, 0, 0], "version"),
        (["t", "c", 1, 10, 0], "not from"),
        (["t", "c", True, 7, 0], "whole number"),
        (["t", "c", 1, 7, -1], "whole number"),
        (["t", "c", 1, 7], "fields"),
        ("tc", "fields"),
    ],
)
def test_a_malformed_entry_is_refused(entry: Any, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        wire.decode([32, "a", [1, 2], 0, 2, 9, [entry], [], {}])


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (["t", "", 0, False, 0, {}], "generation"),
        (["t", "", 1 << 31, False, 0, {}], "generation"),
        (["t", "c", 1 << 32, False, 0, {}], "generation"),
        (["t", "c", (1 << 63) - 1, False, 0, {}], "generation"),
        (["t", "c", 1 << 63, False, 0, {}], "whole number"),
        (["t", "c", 1, 0, 0, {}], "true or false"),
        (["t", None, 1, False, 0, {}], "no channel name"),
        (["t", "c", 1, False, 0, {"ttl": 5}], "stamp"),
        (["t", "c", 1, False, 0, {"ttl": [-1, 5]}], "whole number"),
        (["t", "c", 1, False, 0, {f"k{n}": [1, 1] for n in range(17)}], "settings"),
        (["t", "c", 1, False, 0, {"k": [1, "x" * 600]}], "settings"),
    ],
)
def test_a_malformed_record_is_refused(record: Any, why: str) -> None:
    with pytest.raises(RemoteProtocolError, match=why):
        wire.decode([36, "a", [1, 2], [], [record], {}])


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no interest"):
        wire.decode([32, "a", [1, 2], 0, 9, 2, [], [], {}])


def test_more_items_than_a_packet_may_have_are_refused() -> None:
    entries = [["t", "c", 1, 7, 0]] * (wire.ITEMS_MAX + 1)
    with pytest.raises(RemoteProtocolError, match="at most"):
        wire.decode([32, "a", [1, 2], 0, 2, 9, entries, [], {}])


def test_a_channels_generation_says_in_which_life_of_the_topic_it_is() -> None:
    assert wire.channel_generation(1, 1) == 1
    assert wire.channel_generation(1, 2) == 2
    again = wire.channel_generation(2, 1)
    assert again > wire.channel_generation(1, wire.LIFE_MAX)
    assert (wire.topic_generation(again), wire.life(again)) == (2, 1)


def test_sizes_are_never_estimated_too_small() -> None:
    long = "x" * 64
    entry = Entry(long, long, wire.CONSUMERS_MAX, 2**63 - 1, 2**63 - 1)
    record = Record(long, long, 2**62, True, 2**63 - 1, {"k" * 30: (2**62, "v" * 400)})
    assert len(strict.encode(entry)) <= wire.entry_bytes(entry)
    assert len(strict.encode(record)) <= wire.record_bytes(record)

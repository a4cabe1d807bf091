"""What happened, as maps and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from meshq.machine import events
from meshq.machine.events import Event, LinkDown, MemberJoined, SeedFailed, from_map, to_map

EXAMPLES: dict[str, Any] = {"str": "x", "int": 3, "float": 1.5, "bool": True, "dict[str, Any]": {"paused": True}}
KINDS: list[type[Any]] = list(Event.__args__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_event_survives_the_way_through_a_map_and_json(kind: type[Any]) -> None:
    event = kind(**{field.name: EXAMPLES[str(field.type)] for field in dataclasses.fields(kind)})
    assert from_map(json.loads(json.dumps(to_map(event)))) == event


def test_every_event_class_is_in_the_union() -> None:
    defined = [kind for kind in vars(events).values() if dataclasses.is_dataclass(kind)]
    assert defined == KINDS


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"event": "NotYetInvented"},
        {"event": ["MemberJoined"]},
        {"event": None},
        {"event": "MemberJoined"},
        {"event": "MemberJoined", "name": 5, "address": "a", "epoch_ms": 1},
        {"event": "MemberJoined", "name": "n", "address": "a", "epoch_ms": True},
    ],
)
def test_a_map_that_is_no_event_of_ours_is_none(fields: dict[str, Any]) -> None:
    assert from_map(fields) is None


def test_fields_of_a_later_version_are_ignored() -> None:
    fields = {"event": "MemberJoined", "name": "n", "address": "a", "epoch_ms": 1, "mood": "good"}
    assert from_map(fields) == MemberJoined("n", "a", 1)


def test_a_float_may_come_back_as_a_whole_number() -> None:
    assert from_map({"event": "SeedFailed", "seed": "s", "reason": "r", "retry_s": 2}) == SeedFailed("s", "r", 2)


def test_the_map_is_flat_and_names_its_kind() -> None:
    assert to_map(LinkDown("b", "reset", 3)) == {"event": "LinkDown", "name": "b", "reason": "reset", "leases": 3}

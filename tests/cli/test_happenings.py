"""Events as lines for people: every kind has one."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

import pytest

from meshq.cli.happenings import sentence
from meshq.machine.events import Configured, Event, LinkDown, SeedFailed

EXAMPLES: dict[str, Any] = {"str": "thing", "int": 3, "float": 1.5, "bool": True, "dict[str, Any]": {}}


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: str(kind.__name__))
def test_every_kind_of_event_has_a_line_that_names_what_it_is_about(kind: type[Any]) -> None:
    event = kind(*(EXAMPLES[str(field.type)] for field in fields(kind)))
    assert any(word in sentence(event) for word in ("thing", "3", "1.5"))


def test_a_seed_that_cannot_be_reached_says_why_and_when_it_is_tried_again() -> None:
    said = sentence(SeedFailed("10.0.0.1", "refused", 0.5))
    assert said == "seed 10.0.0.1 could not be reached: refused; trying again in 0.5 s"


def test_a_link_that_held_nothing_does_not_speak_of_leases() -> None:
    assert sentence(LinkDown("b", "idle", 0)) == "link to b down: idle"
    assert "12 leases came back" in sentence(LinkDown("b", "reset", 12))


def test_what_is_set_is_told_as_it_is_then_and_when_it_was_emptied() -> None:
    assert sentence(Configured("t", "c", {"paused": False})) == "channel t/c is set as by default"
    assert sentence(Configured("t", "", {"paused": True})) == "topic t is set: paused"
    said = sentence(Configured("t", "c", {"attempts_max": 3, "emptied_ns": 10**18}))
    assert said.startswith("channel t/c is set: attempts_max=3; it was emptied at 09-0")
    assert sentence(Configured("t", "c", {"emptied_ns": "never"})) == "channel t/c is set as by default"


def test_what_a_peer_says_of_itself_moves_no_cursor() -> None:
    said = sentence(SeedFailed("10.0.0.1", "no\x1b]0;owned\x07\x1b[2J\nn2 joined", 0.5))
    assert said.isprintable()
    assert "n2 joined" in said

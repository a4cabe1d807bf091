"""The node's figures in nsqd's shapes: filters, and the text form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meshq.http.nsqstats import duration, text, topics_of


def channel(name: str, **counts: int) -> dict[str, Any]:
    names = "depth in_flight deferred finished requeued timed_out redelivered consumers"
    return {"channel": name, **dict.fromkeys(names.split(), 0), **counts}


def topic(name: str, *channels: dict[str, Any], messages: int = 0) -> dict[str, Any]:
    counts = {"messages": messages, "bytes": 10, "depth": 0, "published": messages}
    return {"topic": name, **counts, "channels": list(channels)}


STATS = {"topics": [topic("b", channel("y", depth=3), channel("x"), messages=3), topic("a", messages=2)]}


def test_topics_and_channels_are_in_order_of_their_names() -> None:
    found = topics_of(STATS, "", "", True)
    assert found is not None
    assert [entry["topic_name"] for entry in found] == ["a", "b"]
    assert [entry["channel_name"] for entry in found[1]["channels"]] == ["x", "y"]


def test_only_a_topic_without_channels_has_a_depth_of_its_own() -> None:
    found = topics_of(STATS, "", "", True)
    assert found is not None
    assert [entry["depth"] for entry in found] == [2, 0]


def test_an_unknown_topic_gives_none_and_an_unknown_channel_an_empty_list() -> None:
    assert topics_of(STATS, "nosuch", "", True) is None
    assert topics_of(STATS, "nosuch", "x", True) is None
    assert topics_of(STATS, "b", "nosuch", True) == []
    assert topics_of(STATS, "", "nosuch", True) == []


def test_without_clients_their_list_is_null_and_their_number_stays() -> None:
    found = topics_of({"topics": [topic("a", channel("x", consumers=2))]}, "a", "x", False)
    assert found is not None
    assert (found[0]["channels"][0]["clients"], found[0]["channels"][0]["client_count"]) == (None, 2)


def test_a_channel_of_which_only_consumers_are_here_shows_them_and_no_messages() -> None:
    found = topics_of({"topics": [topic("a", {"channel": "x", "consumers": 1, "why": "NO_TOPIC"})]}, "", "", True)
    assert found is not None
    assert (found[0]["channels"][0]["client_count"], found[0]["channels"][0]["message_count"]) == (1, 0)


def test_the_messages_of_a_channel_are_those_that_wait_are_held_or_are_done() -> None:
    counts = {"depth": 1, "in_flight": 2, "deferred": 4, "finished": 8}
    found = topics_of({"topics": [topic("a", channel("x", **counts))]}, "", "", True)
    assert found is not None
    assert found[0]["channels"][0]["message_count"] == 15


def test_the_keys_are_nsqds_in_nsqds_order() -> None:
    path = Path(__file__).parent / "captures" / "nsqd_topics_channels.json"
    bodies = [
        json.loads(step["response"]["body"])
        for conversation in json.loads(path.read_text())["conversations"]
        for step in conversation["steps"]
        if "/stats" in step.get("http", {}).get("path", "")
    ]
    wanted = next(entry for body in bodies for entry in body["topics"] or () if entry["channels"])
    found = topics_of(STATS, "b", "", True)
    assert found is not None
    assert list(found[0]) == list(wanted)
    assert list(found[0]["channels"][0]) == list(wanted["channels"][0])


def test_the_text_form_of_a_node_just_started() -> None:
    assert text("0.1.0", 0.0, 61.5, [], None).splitlines() == [
        "meshq v0.1.0",
        "start_time 1970-01-01T00:00:00Z",
        "uptime 1m1.5s",
        "",
        "Health: OK",
        "",
        "Topics: None",
        "",
        "Producers: None",
    ]


def test_the_text_form_lines_up_like_nsqds() -> None:
    found = topics_of(STATS, "b", "y", True)
    lines = text("0.1.0", 0.0, 1.0, found, {"heap_objects": 7}).splitlines()
    assert "   heap_objects             \t7" in lines
    assert "   [b              ] depth: 0     be-depth: 0     msgs: 3        e2e%: " in lines
    assert (
        "      [y                        ] depth: 3     be-depth: 0     inflt: 0    def: 0    "
        "re-q: 0     timeout: 0     msgs: 3        e2e%: "
    ) in lines


def test_what_is_paused_is_marked() -> None:
    found = topics_of({"topics": [{**topic("a", {**channel("x"), "paused": True}), "paused": True}]}, "", "", True)
    assert found is not None
    assert (found[0]["paused"], found[0]["channels"][0]["paused"]) == (True, True)
    lines = text("0.1.0", 0.0, 1.0, found, None).splitlines()
    assert any(line.startswith("*P [a ") for line in lines)
    assert any(line.startswith("   *P [x ") for line in lines)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.5, "0.5s"), (1, "1s"), (60, "1m0s"), (3661.25, "1h1m1.25s"), (3600, "1h0m0s")]
)
def test_a_time_span_as_go_prints_it(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown

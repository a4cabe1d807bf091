"""What a node says while it runs: to people and to programs, through a pipe that may be full or closed."""

from __future__ import annotations

import json
import os

from meshq.cli.journal import LINES_MAX, Journal
from meshq.cli.talk import JsonTalk, PeopleTalk, Ready, Talk
from meshq.machine import events

READY = Ready("a-4255", "10.0.0.5:4255", "10.0.0.5:4251", private_only=True, moved=100)


def spoken(talk: type[JsonTalk | PeopleTalk], *acts: str) -> list[str]:
    reader, writer = os.pipe()
    journal = Journal(writer)
    say: Talk = talk(journal)
    for act in acts:
        match act:
            case "ready":
                say.ready(READY)
            case "joined":
                say.happened(events.MemberJoined("b", "10.0.0.6:4155", 1))
            case "born":
                say.happened(events.TopicCreated("orders", 1))
                say.happened(events.ChannelCreated("orders", "billing", 1))
                say.happened(events.ChannelCreated("orders", "shipping", 1))
                say.happened(events.Configured("orders", "billing", {"paused": True}))
            case "rekeyed":
                say.happened(events.KeysChanged("526184bc", ""))
            case "stopped":
                say.stopped(0)
            case "left behind":
                say.stopped(12)
    journal.close()
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        return stream.read().decode().splitlines()


def test_the_first_json_line_is_ready_even_if_something_happened_before() -> None:
    lines = [json.loads(line) for line in spoken(JsonTalk, "joined", "ready", "joined", "stopped")]
    assert [line["event"] for line in lines] == ["ready", "MemberJoined", "MemberJoined", "stopped"]
    assert {name: lines[0][name] for name in ("name", "mesh", "http")} == {
        "name": "a-4255",
        "mesh": "10.0.0.5:4255",
        "http": "10.0.0.5:4251",
    }
    assert lines[-1]["messages_left"] == 0


def test_people_are_told_how_others_join_what_is_kept_and_who_is_served() -> None:
    text = "\n".join(spoken(PeopleTalk, "ready"))
    assert "meshq join 10.0.0.5:4255" in text
    assert "messages are kept in memory only" in text
    assert "private addresses only" in text
    assert "moved by 100" in text


def test_names_that_were_there_before_the_node_are_one_line_and_those_that_come_later_one_each() -> None:
    before = spoken(PeopleTalk, "joined", "born", "ready")
    assert before[-2:] == [
        "  knows 1 topic and 2 channels of the mesh",
        "  other nodes join with: meshq join 10.0.0.5:4255",
    ]
    assert "b joined at 10.0.0.6:4155" in before[0]
    assert "created" not in "".join(before)
    later = spoken(PeopleTalk, "ready", "born")
    assert "knows" not in "".join(later)
    assert [line.split(maxsplit=1)[1] for line in later[-4:]] == [
        "topic orders created",
        "channel orders/billing created",
        "channel orders/shipping created",
        "channel orders/billing is set: paused",
    ]


def test_the_key_that_is_told_is_the_one_that_the_node_uses_by_then() -> None:
    """It may have heard of the removal of the one in its file before it was ready."""
    assert "  sealed with key 526184bc: who has it not is not let in" in spoken(PeopleTalk, "rekeyed", "ready")


def test_people_are_told_how_many_messages_went_with_the_node() -> None:
    assert "12 messages that nobody had consumed went with it" in spoken(PeopleTalk, "left behind")[-1]


def test_a_reader_that_does_not_read_costs_lines_and_never_time() -> None:
    reader, writer = os.pipe()
    journal = Journal(writer)
    for _ in range(3 * LINES_MAX):
        journal.say("x" * 500)
    assert journal.dropped > 0
    journal.close(timeout_s=0.01)
    os.close(reader)


def test_a_reader_that_is_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    journal = Journal(writer)
    journal.say("to nobody")
    journal.close()
    os.close(writer)

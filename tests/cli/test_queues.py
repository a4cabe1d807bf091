"""``meshq topics`` and ``meshq channels`` against two real nodes: what is said, and what it does at the other node."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meshq.cli import run
from meshq.cli.exits import WrongUse
from meshq.cli.verbs import read
from meshq.launcher import Launcher, NodeProcess

WITHIN_S = 10.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[NodeProcess]]:
    with Launcher() as launcher:
        yield launcher.start_mesh("queues-1", "queues-2")


@pytest.fixture
def node(nodes: list[NodeProcess], monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    monkeypatch.setenv("MESHQ_NODE", nodes[0].mesh)
    return nodes[0]


def said(capfd: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run([*words]) == status
    captured = capfd.readouterr()
    return captured.err if status else captured.out


def document(capfd: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capfd, *words, "--json"))


def known(capfd: pytest.CaptureFixture[str], topic: str, *other: str) -> bool:
    """Whether the node knows a channel of the topic."""
    return any(each["topic"] == topic and each["channels"] for each in document(capfd, "topics", "list", *other))


def until(told: Callable[[], bool]) -> None:
    """What was done at one node is at the other a moment later: ask until it is."""
    deadline = time.monotonic() + WITHIN_S
    while not told():
        assert time.monotonic() < deadline


def test_a_channel_paused_at_one_node_is_paused_at_the_other_until_it_is_resumed(
    node: NodeProcess, nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    other = ("--node", nodes[1].mesh)

    def settings() -> dict[str, Any]:
        found: dict[str, Any] = document(capfd, "channels", "list", "orders", *other)[0]["settings"]
        return found

    assert said(capfd, "channels", "create", "orders", "billing") == "channel orders/billing is created\n"
    until(lambda: known(capfd, "orders", *other))
    assert said(capfd, "channels", "pause", "orders", "billing") == "channel orders/billing is paused\n"
    until(lambda: settings() == {"paused": True})
    said(capfd, "pub", "orders", "held", *other)
    assert said(capfd, "sub", "orders", "billing", "--idle-exit", "0.2") == ""
    figures = document(capfd, "stats")["nodes"]["queues-2"]["topics"]
    (channel,) = next(each["channels"] for each in figures if each["topic"] == "orders")
    assert (channel["paused"], channel["depth"], channel["why"]) == (True, 1, "PAUSED")
    assert "paused" in said(capfd, "topics")
    assert said(capfd, "channels", "resume", "orders", "billing", *other) == "channel orders/billing goes on\n"
    assert said(capfd, "sub", "orders", "billing", "-n", "1") == "held\n"


def test_a_limit_set_at_one_node_refuses_at_the_other_and_names_the_way_out(
    node: NodeProcess, nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    other = ("--node", nodes[1].mesh)
    assert said(capfd, "topics", "create", "small", "messages_max=2", "ttl_s=3600") == "topic small is created\n"
    until(lambda: any(each["settings"].get("messages_max") == 2 for each in document(capfd, "topics", *other)))
    said(capfd, "pub", "small", "1", "2", *other)
    refused = said(capfd, "pub", "small", "3", "--timeout", "0", *other, status=1)
    assert "messages_max is 2" in refused
    assert "meshq topics configure small messages_max=N" in refused
    told = said(capfd, "topics", "configure", "small", "messages_max=", "full=drop_oldest")
    assert told == "topic small is set: full=drop_oldest ttl_s=3600\n"
    assert document(capfd, "topics", "configure", "small", "ttl_s=")["settings"] == {"full": "drop_oldest"}
    assert said(capfd, "topics", "configure", "small", "full=") == "topic small is set as by default\n"


def test_what_is_emptied_at_one_node_is_gone_at_both(
    node: NodeProcess, nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    other = ("--node", nodes[1].mesh)

    def left(topic: str) -> int:
        figures = document(capfd, "stats")["nodes"].values()
        return sum(each["messages"] for node in figures for each in node["topics"] if each["topic"] == topic)

    for at in ((), other):
        said(capfd, "pub", "full", "1", "2", *at)
    assert said(capfd, "topics", "empty", "full") == "topic full is emptied\n"
    until(lambda: left("full") == 0)
    said(capfd, "channels", "create", "full", "c")
    until(lambda: known(capfd, "full", *other))
    for at in ((), other):
        said(capfd, "pub", "full", "3", *at)
    assert said(capfd, "topics", "empty", "full") == (
        "topic full keeps nothing itself; what waits is in its channels: c (`meshq channels empty full CHANNEL`)\n"
    )
    assert said(capfd, "topics", "create", "full") == "topic full was there\n"
    assert left("full") == 2
    assert said(capfd, "channels", "empty", "full", "c") == "channel full/c is emptied\n"
    until(lambda: left("full") == 0)
    assert said(capfd, "channels", "delete", "full", "c") == "channel full/c is deleted\n"
    assert said(capfd, "topics", "delete", "full") == "topic full is deleted\n"
    assert "there is no topic full (`meshq topics`" in said(capfd, "channels", "list", "full", status=1)


def test_a_paused_topic_goes_on_when_it_is_resumed(node: NodeProcess, capfd: pytest.CaptureFixture[str]) -> None:
    said(capfd, "pub", "held", "1")
    assert said(capfd, "topics", "pause", "held") == "topic held is paused\n"
    assert said(capfd, "sub", "held", "c", "--idle-exit", "0.2") == ""
    assert said(capfd, "topics", "resume", "held") == "topic held goes on\n"
    assert said(capfd, "sub", "held", "c", "-n", "1") == "1\n"


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("topics", "pause", "nowhere"), 1, "there is no topic nowhere here: create it, or try again"),
        (("channels", "configure", "nowhere", "c", "paused=true"), 1, "there is no channel nowhere/c"),
        (("channels", "pause", "t", "c#ephemeral"), 1, "lives with its consumers"),
        (("topics", "configure", "t", "colour=red"), 2, "a topic has no setting 'colour'; it has paused, level"),
        (("channels", "configure", "t", "c", "messages_max=many"), 2, "messages_max of a channel is a whole number"),
        (("topics", "configure", "t", "paused"), 2, "give NAME=VALUE"),
        (("topics", "--json", "pause", "t"), 2, "after the verb"),
        (("dlq", "list", "nowhere"), 1, "there is no topic nowhere (`meshq topics` lists them)"),
        (("dlq", "purge", "nowhere"), 1, "there is no topic nowhere (`meshq topics` lists them)"),
        (("topics", "create", "bad name"), 2, "is no topic name"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(
    node: NodeProcess, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], status: int, why: str
) -> None:
    assert why in said(capfd, *words, status=status)


def test_settings_are_read_as_words_numbers_and_switches() -> None:
    given = ("paused=true", "level=fsync", "ttl_s=1.5", "messages_max=1e3", "bytes_max=")
    wanted = {"paused": True, "level": "fsync", "ttl_s": 1.5, "messages_max": 1000, "bytes_max": None}
    assert read("topic", given) == wanted
    assert read("channel", ("start=earliest", "attempts_max=0")) == {"start": "earliest", "attempts_max": 0}
    for wrong in ("paused=1", "messages_max=1.0", "messages_max=[1]", "ttl_s=Infinity", "=5", "emptied_ns=5"):
        with pytest.raises(WrongUse):
            read("topic", (wrong,))

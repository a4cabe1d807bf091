"""``peek`` and ``why`` against real nodes: consumers in this process that hold messages, and a node that is killed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

import meshq.blocking
from meshq.cli import run
from meshq.launcher import Launcher, NodeProcess

WITHIN_S = 30.0


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[NodeProcess]]:
    with Launcher() as launcher:
        running = launcher.start_mesh("in-1", "in-2", "in-3")
        monkeypatch.setenv("MESHQ_NODE", running[0].mesh)
        yield running


def asked(capfd: pytest.CaptureFixture[str], *words: str) -> Any:
    capfd.readouterr()
    assert run([*words, "--json"]) == 0
    return json.loads(capfd.readouterr().out)


def whys(capfd: pytest.CaptureFixture[str], *words: str) -> list[str]:
    answer = asked(capfd, "why", *words)
    return [finding["why"] for each in answer["answers"] for finding in each["findings"]]


def test_messages_held_by_a_consumer_at_another_node_are_seen_with_their_holder_and_come_back_when_it_leaves(
    nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        meshq.blocking.connect(nodes[1].mesh) as mesh,
        mesh.subscribe("orders", "billing", max_in_flight=2) as messages,
    ):
        assert run(["pub", "orders", "one", "two\x1b[1m", "three"]) == 0
        stream = iter(messages)
        taken = [next(stream), next(stream)]
        assert whys(capfd, "orders", "billing") == ["NO_CREDIT", "IN_FLIGHT"]
        assert run(["why", "orders", "billing", "--node", nodes[2].mesh]) == 0
        said = capfd.readouterr().out
        assert "orders billing: 1 message waits at in-1: every consumer holds as much as it may: 2 of 2" in said
        assert "max_in_flight" in said
        assert run(["peek", "orders", "billing"]) == 0
        lines = capfd.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines[2:5]] == [
            *sorted(message.id for message in taken),
            asked(capfd, "peek", "orders", "billing")["messages"][2]["id"],
        ]
        assert ["at in-2" in line for line in lines[2:5]] == [True, True, False]
        assert "two\\x1b[1m" in lines[3], "nothing that a message holds moves the cursor"
        assert lines[-1] == "2 in flight, 1 queued, 0 deferred; 3 shown"
    look = asked(capfd, "peek", "orders", "billing")
    assert look["counts"] == {"in_flight": 0, "queued": 3, "deferred": 0}
    assert [one["body"] for one in look["messages"]] == ["one", "two\x1b[1m", "three"]
    assert [one["attempts"] for one in look["messages"]] == [0, 0, 0], "their consumer gave them back"
    assert whys(capfd, "orders") == ["NO_CONSUMER"]


def test_a_node_that_was_killed_is_named_as_one_that_may_hold_more(
    nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    run(["sub", "orders", "billing", "--idle-exit", "0.05"])
    run(["sub", "orders", "shipping", "--idle-exit", "0.05"])
    assert run(["why", "orders"]) == 0
    blocks = capfd.readouterr().out.split("\n\n")
    assert [block.partition(": nothing waits")[0] for block in blocks] == ["orders billing", "orders shipping"]
    nodes[2].kill()
    end = time.monotonic() + WITHIN_S
    while whys(capfd, "orders") != ["NODE_DEAD", "NONE"] * 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert run(["why", "orders"]) == 0
    said = capfd.readouterr().out
    assert said.startswith("orders billing: in-3 is held dead")
    assert "nothing waits" not in said, "it may, at the dead node"


def test_what_there_is_to_see_from_the_first_message_on(
    nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    assert whys(capfd, "jobs") == ["NO_TOPIC"]
    assert run(["peek", "jobs"]) == 1
    assert "there is no topic jobs" in capfd.readouterr().err
    run(["pub", "jobs", "x" * 500, "--node", nodes[2].mesh])
    assert whys(capfd, "jobs") == ["NO_CHANNEL"]
    assert run(["peek", "jobs"]) == 0
    said = capfd.readouterr().out
    assert "x" * 120 + " ..." in said
    assert "x" * 121 not in said
    assert "500" in said
    (message,) = asked(capfd, "peek", "jobs", "--body")["messages"]
    assert message["body"] == "x" * 500
    assert message["origin"] == "in-3"
    assert run(["sub", "jobs", "work", "-n", "1"]) == 0
    run(["pub", "jobs", "later", "--delay", "3600"])
    assert whys(capfd, "jobs", "work") == ["DEFERRED"]
    assert run(["peek", "jobs", "work"]) == 0
    assert ", due in 59m" in capfd.readouterr().out
    assert run(["peek", "jobs"]) == 2
    assert "jobs has channels: name one of work" in capfd.readouterr().err
    assert run(["peek", "jobs", "work", "--limit", "0"]) == 2


def test_bytes_that_are_no_text_are_escaped_in_the_table_and_in_base64_in_json(
    nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    with meshq.blocking.connect(nodes[0].mesh) as mesh:
        mesh.publish("raw", b"\xff\x00end", headers={"trace": "4711"})
        assert mesh.peek("raw")["messages"][0]["body"] == b"\xff\x00end"
        assert mesh.why("raw")["answers"][0]["findings"][0]["why"] == "NO_CHANNEL"
    (message,) = asked(capfd, "peek", "raw")["messages"]
    assert (message["body_base64"], message["headers"]) == ("/wBlbmQ=", {"trace": "4711"})
    assert run(["peek", "raw"]) == 0
    assert r"\xff\x00end [trace=4711]" in capfd.readouterr().out

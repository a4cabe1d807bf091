"""``meshq dlq`` and the options of ``meshq pub``, against real nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import meshq
from meshq.cli import run
from meshq.cli.views import dead
from meshq.launcher import Launcher, NodeProcess
from meshq.names import dead_topic


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[NodeProcess]]:
    with Launcher() as launcher:
        yield launcher.start_mesh("dlq-1", "dlq-2")


@pytest.fixture
def node(nodes: list[NodeProcess], monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    monkeypatch.setenv("MESHQ_NODE", nodes[0].mesh)
    return nodes[0]


def poison(node: NodeProcess, topic: str) -> None:
    """One message of ``topic`` fails on ``billing`` until it is dead, the other is handled; consumers of all sizes."""
    with meshq.blocking.connect(node.mesh) as mesh:
        mesh.create(topic, "billing", attempts_max=3)
        mesh.publish(topic, b"stuck")
        with mesh.subscribe(topic, "billing", max_in_flight=1) as stuck:
            held = next(iter(stuck))  # never finished
            assert held.body == b"stuck"
            with mesh.subscribe(topic, "billing", max_in_flight=2_500, backoff=lambda _: 0.0) as messages:
                mesh.publish_many(topic, [b"poison", *(b"%d" % number for number in range(100))])
                tried: list[bytes] = []
                for message in messages:
                    tried.append(message.body)
                    try:
                        with message:
                            if message.body == b"poison":
                                raise ValueError("can't be")
                    except ValueError:
                        pass
                    if len({*tried}) == 101 and tried.count(b"poison") == 3:
                        break
        assert tried.count(b"poison") == 3
        assert len(tried) == 103


def test_a_poison_message_beside_busy_and_stuck_consumers_ends_in_the_dead_letters(
    node: NodeProcess, nodes: list[NodeProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    poison(node, "orders")
    assert run(["dlq", "list", "orders", "--json", "--node", nodes[1].mesh]) == 0
    (letter,) = json.loads(capfd.readouterr().out)
    assert (letter["channel"], letter["reason"], letter["attempts"]) == ("billing", "attempts", 3)
    assert (letter["first_error"], letter["body"], letter["origin"]) == ('ValueError("can\'t be")', "poison", "dlq-1")
    assert run(["dlq", "list", "--json", "--node", nodes[1].mesh]) == 0
    assert {"topic": "orders", "dead_letters": 1} in json.loads(capfd.readouterr().out)
    assert run(["dlq", "list"]) == 0
    assert ["orders", "1"] in [line.split() for line in capfd.readouterr().out.splitlines()]
    assert run(["dlq", "list", "orders"]) == 0
    table = capfd.readouterr().out
    assert "billing" in table
    assert "ValueError" in table
    assert run(["dlq", "show", "orders", "billing"]) == 0
    assert "poison" in capfd.readouterr().out
    assert run(["dlq", "redrive", "orders", "billing"]) == 0
    assert capfd.readouterr().out == "1 sent back\n"
    assert run(["sub", "orders", "billing", "-n", "2"]) == 0
    assert sorted(capfd.readouterr().out.split()) == ["poison", "stuck"]
    assert run(["dlq", "list", "orders"]) == 0
    assert capfd.readouterr().out == "no dead letters of orders\n"


def test_topics_with_dead_letters_are_counted_over_all_nodes_and_told_by_a_name_that_can_be_asked_for() -> None:
    long = "x" * 64
    kept = [("orders", 5), ("orders.dead", 2), (dead_topic(long), 1), (long, 0), ("gone.dead", 1), ("none.dead", 0)]
    node = {"topics": [{"topic": name, "messages": messages} for name, messages in kept]}
    assert dead([node, node]) == {"gone.dead": 2, "orders": 4, long: 2}


def test_purge_throws_dead_letters_away(node: NodeProcess, capfd: pytest.CaptureFixture[str]) -> None:
    poison(node, "events")
    assert run(["dlq", "purge", "events", "shipping"]) == 0
    assert run(["dlq", "purge", "events", "--json"]) == 0
    assert capfd.readouterr().out == '0 thrown away\n{\n  "purged": 1\n}\n'
    assert run(["dlq", "show", "events"]) == 0
    assert capfd.readouterr().out == "no dead letters of events\n"


def test_an_id_is_published_once(node: NodeProcess, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["pub", "once", "x", "--id", "1", "--level", "memory"]) == 0
    assert run(["pub", "once", "x", "--id", "1", "--level", "memory"]) == 0
    assert capfd.readouterr().out == (
        "1 confirmed, held in memory only\n1 confirmed, held in memory only, published before under this id\n"
    )
    assert run(["pub", "once", "-", "--id", "1"]) == 2
    assert "standard input" in capfd.readouterr().err


def test_a_message_with_a_time_to_live_is_gone_after_it(node: NodeProcess, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["pub", "short", "x", "--ttl", "0.01"]) == 0
    assert run(["pub", "short", "y", "--ttl", "60"]) == 0
    capfd.readouterr()
    assert run(["sub", "short", "c", "--idle-exit", "0.2"]) == 0
    assert capfd.readouterr().out == "y\n"

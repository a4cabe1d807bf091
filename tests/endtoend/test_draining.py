"""Real nodes that drain: what they had is with others when their process ends, and is delivered without them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshq import blocking
from meshq.launcher import Launcher, NodeProcess

COMMAND = [sys.executable, "-m", "meshq"]
WAIT_S = 60.0
BACKLOG = [b"%d" % number for number in range(2_000)]


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


def backlog(node: NodeProcess, *others: NodeProcess) -> None:
    """Messages for a channel that everybody knows and nobody consumes."""
    with blocking.connect(node.mesh) as mesh:
        mesh.create("t", "c")
        for at in range(0, len(BACKLOG), 100):
            mesh.publish_many("t", BACKLOG[at : at + 100])
    for other in others:
        other.wait_event(lambda event: event["event"] == "ChannelCreated")


def consumed(node: NodeProcess) -> list[bytes]:
    """Everything that the channel has, as a consumer at that node gets it."""
    command = [*COMMAND, "sub", "t", "c", "-n", str(len(BACKLOG)), "--node", node.mesh]
    done = subprocess.run(command, check=True, capture_output=True, timeout=WAIT_S, stdin=subprocess.DEVNULL)
    return done.stdout.split()


def test_a_drained_nodes_backlog_is_delivered_by_the_others(launcher: Launcher, tmp_path: Path) -> None:
    nodes = [launcher.start("a", arguments=["--data", str(tmp_path / "a")])]
    for name in ("b", "c"):
        nodes.append(launcher.start(name, nodes[0].mesh, arguments=["--data", str(tmp_path / name)]))
    a, b, c = nodes
    backlog(a, b, c)
    command = [*COMMAND, "drain", "--node", a.mesh, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=WAIT_S, stdin=subprocess.DEVNULL)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in said] == ["Draining", "HandedOver", "Leaving"]
    assert said[1]["messages"] == len(BACKLOG)
    assert said[1]["to"] in ("b", "c")
    assert said[2]["messages"] == 0
    assert a.wait() == 0
    assert sorted(consumed(b)) == sorted(BACKLOG)


def test_a_node_in_memory_hands_over_when_it_is_told_to_end(launcher: Launcher) -> None:
    stays, leaves = launcher.start_mesh("stays", "leaves")
    backlog(leaves, stays)
    leaves.terminate()
    assert leaves.wait_event(lambda event: event["event"] == "stopped")["messages_left"] == 0
    assert leaves.wait() == 0
    assert sorted(consumed(stays)) == sorted(BACKLOG)


def test_a_second_signal_leaves_everything_in_the_store(launcher: Launcher, tmp_path: Path) -> None:
    node = launcher.start("a", arguments=["--data", str(tmp_path / "a"), "--drain-timeout", "600"])
    backlog(node)
    node.terminate()
    node.wait_event(lambda event: event["event"] == "draining")
    node.terminate()
    assert node.wait() == 0
    node.restart()
    assert sorted(consumed(node)) == sorted(BACKLOG)

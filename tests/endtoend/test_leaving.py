"""How processes end: a node that is told to leave, and client commands that are interrupted.

After each node: who signals what, what is said, which status, and where the messages are then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from meshq import blocking
from meshq.launcher import Launcher, NodeProcess

COMMAND = [sys.executable, "-m", "meshq"]
WAIT_S = 20.0


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


def stopped(node: NodeProcess) -> dict[str, object]:
    """The last line of a node that was told to leave."""
    return node.wait_event(lambda event: event["event"] == "stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_holds_nothing_leaves_with_status_0(launcher: Launcher, number: signal.Signals) -> None:
    first, second = launcher.start_mesh("stays", "leaves")
    os.kill(second.pid, number)
    assert stopped(second)["messages_left"] == 0
    assert second.wait() == 0
    assert first.wait_event(lambda event: event["event"] == "MemberLeft")["name"] == "leaves"


def test_a_node_that_leaves_is_told_as_left_by_all_and_nobody_looks_for_its_messages(launcher: Launcher) -> None:
    first, second, third = launcher.start_mesh("first", "second", "leaves")
    for _ in range(3):
        with blocking.connect(third.mesh) as mesh, mesh.subscribe("t", "c"):
            mesh.publish("t", b"x")
        counts = {node: node.heard for node in (first, second)}
        third.terminate()
        assert third.wait() == 0
        for node, count in counts.items():
            node.wait_event(lambda event: event["event"] == "MemberLeft" and event["name"] == "leaves", since=count)
            assert not [event for event in node.said() if event["event"] == "MemberFailed"]
        with blocking.connect(first.mesh) as mesh:
            found = [finding["why"] for answer in mesh.why("t", "c")["answers"] for finding in answer["findings"]]
        assert "NODE_DEAD" not in found
        third.restart()


def test_a_node_says_how_many_messages_went_with_it(launcher: Launcher) -> None:
    node = launcher.start("alone", arguments=["--drain-timeout", "0.1"])
    with blocking.connect(node.mesh) as mesh:
        mesh.publish_many("t", [b"x"] * 7)
    node.terminate()
    assert stopped(node)["messages_left"] == 7
    assert node.wait() == 1


def test_a_leaving_node_hands_what_it_holds_to_a_consumer_elsewhere(launcher: Launcher) -> None:
    stays, leaves = launcher.start_mesh("stays", "leaves")
    reader = subprocess.Popen(
        [*COMMAND, "sub", "t", "c", "-n", "500", "--node", stays.mesh], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    leaves.wait_event(lambda event: event["event"] == "ChannelCreated")
    with blocking.connect(leaves.mesh) as mesh:
        mesh.publish_many("t", [b"%d" % number for number in range(500)])
    leaves.terminate()
    output, _ = reader.communicate(timeout=WAIT_S)
    assert sorted(output.split()) == sorted(b"%d" % number for number in range(500))
    assert stopped(leaves)["messages_left"] == 0
    assert leaves.wait() == 0


def test_a_second_signal_ends_a_drain_at_once(launcher: Launcher) -> None:
    node = launcher.start("alone", arguments=["--drain-timeout", "600"])
    with blocking.connect(node.mesh) as mesh:
        mesh.publish("t", b"x")
    node.interrupt()
    node.wait_event(lambda event: event["event"] == "draining")
    node.interrupt()
    assert node.wait() == 1


def test_a_node_interrupted_before_it_is_ready_ends_with_status_0() -> None:
    arguments = ["join", "127.0.0.1:1", "--bind", "127.0.0.1", "--port", "0", "--http-port", "0"]
    node = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert node.stdout is not None
    assert b"seed 127.0.0.1:1 could not be reached" in node.stdout.readline()
    node.terminate()
    assert b"ready" not in node.stdout.read()
    assert node.wait(WAIT_S) == 0
    node.stdout.close()


def test_an_interrupted_consumer_gives_back_what_it_had_not_written(launcher: Launcher) -> None:
    node = launcher.start("node")
    with blocking.connect(node.mesh) as mesh:
        mesh.publish_many("t", [b"%04d" % number + b"x" * 1000 for number in range(1000)])
    # Nobody reads: the pipe takes 64 KiB, the rest stays in the consumer's hands.
    consumer = subprocess.Popen(
        [*COMMAND, "sub", "t", "c", "--node", node.mesh], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert consumer.stdout is not None
    written = consumer.stdout.readline()
    consumer.send_signal(signal.SIGINT)
    rest = consumer.stdout.read()
    assert consumer.wait(WAIT_S) == 130
    again = subprocess.run(
        [*COMMAND, "sub", "t", "c", "--idle-exit", "1", "--node", node.mesh], capture_output=True, check=True
    )
    consumer.stdout.close()
    numbers = {line[:4] for line in (written + rest + again.stdout).splitlines()}
    assert numbers >= {b"%04d" % number for number in range(1000)}


def test_an_interrupted_publisher_says_what_was_confirmed(launcher: Launcher) -> None:
    node = launcher.start("node")
    publisher = subprocess.Popen(
        [*COMMAND, "pub", "t", "-", "--node", node.mesh], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert publisher.stdin is not None
    publisher.stdin.write(b"one\ntwo\n")
    publisher.stdin.flush()
    node.wait_event(lambda event: event["event"] == "TopicCreated")
    with blocking.connect(node.mesh) as mesh, mesh.subscribe("t", "c") as messages:
        taken = iter(messages)
        assert sorted(next(taken).body for _ in range(2)) == [b"one", b"two"]
    publisher.send_signal(signal.SIGINT)
    assert publisher.wait(WAIT_S) == 130
    assert publisher.stdout is not None
    assert publisher.stdout.read() == b"2 confirmed, held in memory only\n"
    publisher.stdin.close()
    publisher.stdout.close()

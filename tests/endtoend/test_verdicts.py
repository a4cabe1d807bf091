"""What real nodes make of a process that crashes, and of one that stands still for longer than its suspicion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from meshq import blocking
from meshq.launcher import Launcher, NodeProcess


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher() as launcher:
        yield launcher


def tells(node: NodeProcess, kind: str, name: str, since: int = 0) -> dict[str, Any]:
    """The first event of that kind about ``name``, waited for."""
    return node.wait_event(lambda event: event["event"] == kind and event.get("name") == name, since=since)


def test_a_crash_is_known_to_all_and_the_next_start_is_welcome(
    launcher: Launcher,
) -> None:
    linked, crashes, other = launcher.start_mesh("linked", "crashes", "other")
    with blocking.connect(crashes.mesh) as consumer, consumer.subscribe("t", "c") as messages:
        with blocking.connect(linked.mesh) as mesh:
            mesh.publish("t", b"x")
        next(iter(messages)).finish()
        crashes.kill()
        # By the link, or by a probe on a host so busy that it came first: how soon is for the simulator to say.
        assert tells(linked, "MemberFailed", "crashes")["by"] in ("linked", "other")
        assert tells(other, "MemberFailed", "crashes")["by"] in ("linked", "other")
    crashes.restart(linked.mesh)
    assert tells(linked, "MemberJoined", "crashes", linked.heard - 1)["epoch_ms"] > 0


def test_a_node_that_stood_still_for_longer_than_its_suspicion_is_back_at_once(launcher: Launcher) -> None:
    nodes = launcher.start_mesh("a", "b", "still")
    still = nodes.pop()
    for node in (*nodes, still):
        for other in {"a", "b", "still"} - {node.name}:
            tells(node, "MemberJoined", other)
    marks = {node.name: node.heard for node in (*nodes, still)}
    still.stop()
    for node in nodes:
        tells(node, "MemberFailed", "still", marks[node.name])
    still.cont()
    for node in nodes:
        tells(node, "MemberJoined", "still", marks[node.name])
        told = [event["event"] for event in node.said(marks[node.name]) if event.get("name") == "still"]
        assert sorted(told) in (["MemberFailed", "MemberJoined"], ["MemberFailed", "MemberJoined", "MemberSuspected"])
    assert not [event for event in still.said(marks["still"]) if event["event"].startswith("Member")]

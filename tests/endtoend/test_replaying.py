"""What is finished, kept and read again: the command line against a real node that is killed in between."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshq.cli import run
from meshq.launcher import Launcher, NodeProcess

WITHIN_S = 20.0


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeProcess]:
    with Launcher() as launcher:
        node = launcher.start("replaying", arguments=("--data", str(tmp_path / "data")))
        monkeypatch.setenv("MESHQ_NODE", node.mesh)
        yield node


def said(capfd: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[str, str]:
    assert run([*words]) == status
    return capfd.readouterr()


def test_what_was_finished_before_a_kill_is_replayed_to_a_channel_that_is_made_after_it(
    node: NodeProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    said(capfd, "topics", "create", "orders", "retention_s=3600")
    said(capfd, "channels", "create", "orders", "billing")
    said(capfd, "pub", "orders", "1", "2")
    said(capfd, "sub", "orders", "billing", "-n", "2")
    deadline = time.monotonic() + WITHIN_S
    while not (kept := _kept(said(capfd, "stats", "--json")[0])):
        assert time.monotonic() < deadline
    assert kept == 2
    assert "orders retains 2 finished messages" in said(capfd, "stats")[0]
    assert "2 retained" in said(capfd, "peek", "orders", "billing")[0]
    between = datetime.now(UTC).isoformat()
    node.kill()
    node.wait()
    node.restart()
    said(capfd, "pub", "orders", "3")
    assert sorted(said(capfd, "sub", "orders", "all", "-n", "3", "--from", "earliest")[0].split()) == ["1", "2", "3"]
    assert said(capfd, "sub", "orders", "part", "-n", "1", "--from", between)[0] == "3\n"
    assert sorted(said(capfd, "sub", "orders", "hour", "-n", "3", "--from=-1h")[0].split()) == ["1", "2", "3"]
    out, err = said(capfd, "sub", "orders", "all", "--from", "earliest", "--idle-exit", "0.3")
    assert (out, "orders/all exists: where it begins counts when a channel is created" in err) == ("", True)
    assert "it existed" in said(capfd, "channels", "create", "orders", "all", "start=-10m")[1]
    assert "delete channel orders/all" in said(
        capfd, "channels", "configure", "orders", "all", "start=latest", status=2
    )[1]  # fmt: skip
    assert "not 'noon'" in said(capfd, "sub", "orders", "more", "--from", "noon", status=2)[1]


def _kept(stats: str) -> int:
    nodes = json.loads(stats)["nodes"].values()
    return sum(topic["retained"] for node in nodes for topic in node["topics"])

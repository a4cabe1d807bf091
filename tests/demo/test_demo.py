"""The demo itself, shortened: three node processes, one of them killed, and the verdict."""

from __future__ import annotations

import pytest

from meshq.demo.ledger import Ledger
from meshq.demo.scene import CHANNELS, NAMES, Scene
from meshq.demo.stage import Stage
from meshq.runtime.loop import run


def test_nothing_is_lost_when_a_node_that_has_messages_of_its_own_is_killed() -> None:
    stage = Stage(NAMES, Ledger(3000, list(CHANNELS)))
    verdict = run(Scene(stage, publish_s=1.5).play())
    assert verdict.kept, (verdict, list(stage.happenings))
    assert (verdict.published, verdict.confirmed, verdict.lost) == (3000, 3000, 0)
    assert verdict.finished == dict.fromkeys(CHANNELS, 3000)
    assert verdict.leases_back_s is not None
    assert verdict.leases_back_s < 1.0
    assert verdict.rejoined_s is not None
    assert verdict.owed_at_kill > 0
    assert all(node.published.total for node in stage.nodes.values())


def test_what_goes_wrong_at_the_start_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from meshq.cli import run as command

    monkeypatch.setattr("meshq.demo.scene.Launcher", _broken)
    assert command(["demo", "--json"]) == 1
    assert "did not become ready" in capfd.readouterr().err


def _broken() -> object:
    from meshq.launcher import Launcher

    return Launcher(command=("false",))

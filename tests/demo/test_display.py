"""What the demo shows: nodes with their states, flows, progress, and what happened, in order."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from meshq.demo.display import draw, showing
from meshq.demo.ledger import Ledger
from meshq.demo.stage import HAPPENINGS_MAX, Flow, Stage


def drawn(stage: Stage) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(draw(stage))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def a_stage() -> Stage:
    return Stage(["demo-1", "demo-2"], Ledger(10, ["billing", "audit"]))


def test_nodes_are_shown_with_their_states_addresses_and_notes() -> None:
    stage = a_stage()
    node = stage.nodes["demo-2"]
    node.state, node.mesh, node.note = "dead", "127.0.0.1:4155", "kill -9"
    line = next(line for line in drawn(stage).splitlines() if line.startswith("demo-2"))
    assert line.split() == ["demo-2", "dead", "127.0.0.1:4155", "-", "-", "-", "kill", "-9"]


def test_lost_messages_are_counted_at_the_end_and_duplicates_at_once() -> None:
    stage = a_stage()
    stage.ledger.channels["audit"].deliver([1, 1, 1])
    shown = drawn(stage)
    assert "counted at the end" in shown
    assert "duplicates           2" in shown
    stage.lost = 3
    assert "counted at the end" not in drawn(stage)


def test_only_the_latest_happenings_are_kept() -> None:
    stage = a_stage()
    for number in range(HAPPENINGS_MAX + 5):
        stage.say(f"thing {number}")
    shown = drawn(stage)
    assert "thing 4\n" not in shown
    assert f"thing {HAPPENINGS_MAX + 4}" in shown


def test_without_a_terminal_the_happenings_are_lines_and_json_shows_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = a_stage()
    with showing(stage, as_json=False):
        stage.say("three nodes run")
    assert "three nodes run" in capsys.readouterr().out
    with showing(quiet := a_stage(), as_json=True):
        quiet.say("three nodes run")
    assert capsys.readouterr().out == ""


def test_a_flow_is_the_rate_of_the_last_second() -> None:
    flow = Flow()
    assert flow.per_s(0.0) == 0.0
    flow.add(100)
    assert flow.per_s(0.5) == 200.0
    flow.add(0)
    assert flow.per_s(1.6) == 0.0

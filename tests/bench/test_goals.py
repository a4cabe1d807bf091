"""Goals: bounds by hand, the whole list, and two rows for real."""

from __future__ import annotations

import json

import pytest

from meshq.bench import goals, repeat
from meshq.bench.calibration import calibrate
from meshq.bench.flow import RATE
from meshq.bench.goals import Goal, Row, run
from meshq.bench.throughput import Throughput

SMALL = Throughput(2_000, 200, 128, 8, "disk", False)


@pytest.fixture(autouse=True)
def short_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same calibration, of a tenth of a second."""
    monkeypatch.setattr(repeat, "calibrate", lambda: calibrate(0.1))


def test_a_goal_holds_up_to_its_bound_and_a_figure_without_one_always() -> None:
    assert Goal(RATE, least=5).holds(5)
    assert not Goal(RATE, least=5).holds(4.9)
    assert Goal(RATE, most=5).holds(5)
    assert not Goal(RATE, most=5).holds(5.1)
    assert Goal(RATE).holds(0)
    assert [Goal(RATE, least=1_000).shown, Goal(RATE, most=5).shown, Goal(RATE).shown] == [">= 1,000", "<= 5", ""]


@pytest.mark.parametrize("quick", [False, True])
def test_every_goal_is_of_a_figure_that_its_bench_takes(quick: bool) -> None:
    rows = goals.goals(quick=quick)
    assert len({row.title for row in rows}) == len(rows)
    for row in rows:
        assert {goal.figure.name for goal in row.goals} <= {figure.name for figure in row.bench.figures}, row.title


def test_a_table_says_which_goals_hold_and_the_status_whether_all_do(capfd: pytest.CaptureFixture[str]) -> None:
    rows = [Row("possible", SMALL, [Goal(RATE, least=1)]), Row("impossible", SMALL, [Goal(RATE, least=1e12)])]
    assert run(rows, runs=1, as_json=False) == 4
    out = capfd.readouterr().out
    assert "holds" in next(line for line in out.splitlines() if line.startswith("possible"))
    assert "MISSED" in next(line for line in out.splitlines() if line.startswith("impossible"))
    assert "1 of 2 goals hold" in out


def test_a_document_has_each_figure_with_its_bounds(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([Row("possible", SMALL, [Goal(RATE, least=1), Goal(RATE)], runs_max=1)], runs=5, as_json=True) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["kept"] is True
    (row,) = told["goals"]
    assert (row["title"], row["runs"], row["settings"]["level"]) == ("possible", 1, "disk")
    bounded, beside = row["goals"]
    assert (bounded["least"], bounded["most"], bounded["holds"]) == (1, None, True)
    assert (beside["least"], beside["holds"]) == (None, True)
    assert bounded["median"] > 0

"""Rows are played under each profile on the same seeds, and judged by bounds or beside the reference."""

from __future__ import annotations

from math import inf

import pytest

from meshq.sim.measure import accuracy, convergence, detection, heal, load, reference
from meshq.sim.measure.cell import OURS, REFERENCE, Cell
from meshq.sim.measure.figure import Figure, mean, p50, p99, quantile, rate, share, worst
from meshq.sim.measure.plots import Page
from meshq.sim.measure.table import Measured, Row, chosen, measure

CELL = Cell(play="silent", nodes=3)
RUNS: list[dict[str, float]] = [{"s": 1.0, "n": 2.0}, {"s": 3.0, "n": 0.0}, {"s": 2.0, "n": 1.0}, {"n": 1.0}]


def row(*figures: Figure) -> Row:
    return Row(title="r", cells=(CELL,), figures=figures, seeds=2, seeds_full=3)


def test_figures_read_many_runs() -> None:
    assert [quantile("s", part)(RUNS[:3]) for part in (p50, p99, worst)] == [2.0, 3.0, 3.0]
    assert quantile("s", worst)(RUNS) == inf
    assert mean("n")(RUNS) == 1.0
    assert share("n")(RUNS) == 75.0
    assert rate("n", "s")(RUNS[:3]) == 0.5


@pytest.mark.parametrize(
    ("bounds", "value", "beside", "holds"),
    [
        ({"most": 2.0}, 2.0, None, True),
        ({"most": 2.0}, 2.1, None, False),
        ({"share": 0.5}, 1.0, None, None),
        ({"share": 0.5}, 1.0, 2.0, True),
        ({"share": 0.5}, 1.1, 2.0, False),
        ({"share": 0.5}, 0.0, 0.0, True),
        ({"most": 1.0, "share": 0.5}, 2.0, 100.0, False),
        ({"published": 4.0, "within": 1.5}, 6.0, None, True),
        ({"published": 4.0, "within": 1.5}, 2.6, None, False),
    ],
)
def test_a_goal_is_a_number_a_share_or_what_was_published(
    bounds: dict[str, float], value: float, beside: float | None, holds: bool | None
) -> None:
    assert Figure(name="f", of=mean("n"), **bounds).holds(value, beside) is holds  # type: ignore[arg-type]


def test_the_last_profile_is_judged_beside_the_first() -> None:
    figure = Figure(name="f", of=mean("n"), share=0.5)
    assert Measured(row(figure), range(1, 2), {REFERENCE: RUNS, OURS: [{"n": 0.5}]}).holds(figure) is True
    assert Measured(row(figure), range(1, 2), {REFERENCE: RUNS, OURS: [{"n": 0.6}]}).holds(figure) is False
    assert Measured(row(figure), range(1, 2), {OURS: [{"n": 0.6}]}).holds(figure) is None


def test_each_seed_of_each_cell_is_played_under_each_profile() -> None:
    figure = Figure(name="f", of=quantile("first_s", worst))
    told: list[float] = []
    first, _ = measure(
        [row(figure), row(figure)],
        [REFERENCE, OURS],
        lambda _, done, of: told.append(done / of),
        full=False,
        seeds=None,
        processes=1,
    )
    assert {profile: len(outcomes) for profile, outcomes in first.outcomes.items()} == {REFERENCE: 2, OURS: 2}
    assert len(told) == 8
    assert told[-1] == 1.0


def test_rows_that_take_long_are_played_when_asked_for() -> None:
    every = [each for rows in (accuracy, convergence, detection, heal, load, reference) for each in rows.rows()]
    assert max(each.nodes for each in chosen(every, full=False, nodes=None)) == 1_000
    assert max(each.nodes for each in chosen(every, full=True, nodes=None)) == 10_000
    assert {each.nodes for each in chosen(every, full=False, nodes=8)} == {8}
    assert len({(rows, each.title, each.profile) for rows in (detection, accuracy) for each in rows.rows()}) == len(
        detection.rows() + accuracy.rows()
    )


def test_a_page_has_curves_by_size_and_points_by_row(tmp_path) -> None:  # type: ignore[no-untyped-def]
    measured = [
        Measured(
            each,
            range(1, 2),
            {REFERENCE: [{"first_s": 5.0, "spread_s": 0.1, "known_s": 3.0}], OURS: [{"first_s": 4.0}]},
        )
        for each in detection.rows()
    ]
    page = tmp_path / "page.svg"
    Page(page).draw("meshq sim detection", measured)
    assert page.read_text().startswith("<?xml")
    assert "silent host, 10,000 nodes" not in page.read_text()

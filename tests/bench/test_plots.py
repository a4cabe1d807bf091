"""Pages are drawn of real reports, and what stands against drawing is said before anything runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from meshq.bench.calibration import Calibration
from meshq.bench.compare import Compare, Comparison
from meshq.bench.crew import BenchError
from meshq.bench.failover import Failover
from meshq.bench.latency import Latency
from meshq.bench.plots import Page
from meshq.bench.repeat import Bench
from meshq.bench.report import Measured, Report, Run

CALIBRATIONS = [Calibration(24_000, 1_800), Calibration(14_000, 1_200)]
CURVE = [(0.01, 0.1), (0.5, 0.2), (0.99, 0.5), (1.0, 3.0)]
FLOW = {"confirmed by the others": [(-0.02, 60), (0.0, 10), (0.02, 70)]}


def report(bench: Bench, series: Mapping[str, Any]) -> Report:
    values = {figure.name: float(number) for number, figure in enumerate(bench.figures, start=1)}
    runs = [Run(Measured(values, series), index, 0.5) for index in (0.8, 0.9)]
    return Report(bench.name, {"messages": 1000}, bench.figures, runs, CALIBRATIONS)


def test_a_page_has_the_figures_the_curves_and_the_verdict(tmp_path: Path) -> None:
    pages: list[tuple[Bench, Mapping[str, Any]]] = [
        (Latency(100, 200, 1000, "memory", 1), {"delivery": CURVE, "relay": CURVE}),
        (Failover(300, 200, 1000, "memory"), FLOW),
    ]
    for bench, series in pages:
        page = tmp_path / f"{bench.name}.svg"
        Page(page).draw(report(bench, series))
        drawn = page.read_text()
        assert drawn.startswith("<?xml")
        assert len(drawn) > 10_000
        assert f"meshq bench {bench.name}" in drawn
        assert "this host is too noisy" in drawn


def test_a_comparison_shows_rates_and_ratios(tmp_path: Path) -> None:
    rates = {"meshq": [900_000.0, 800_000.0], "other": [100_000.0, 120_000.0]}
    means = {"meshq": "one thing", "other": "another"}
    page = tmp_path / "compare.svg"
    Page(page).draw(
        Comparison(Compare(1000, 200, 128, 64), rates, means, {"other": "meshq"}, [], CALIBRATIONS, [0.0, 0.0])
    )
    assert "7.83x" in page.read_text()


def test_a_kind_of_file_that_is_not_drawn_and_a_folder_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"\.svg"):
        Page(tmp_path / "page.gif")
    with pytest.raises(BenchError, match="no folder"):
        Page(tmp_path / "nowhere" / "page.svg")


def test_without_matplotlib_it_says_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(BenchError, match=r"pip install 'meshq\[plots\]'"):
        Page(tmp_path / "page.svg")

"""Spread, calibration and the verdict on the host: pure, with numbers chosen by hand."""

from __future__ import annotations

import json

import pytest

from meshq.bench.calibration import LOOP_REFERENCE, RELAY_REFERENCE, Calibration
from meshq.bench.figures import Figure, Kind, Spread
from meshq.bench.noise import reasons
from meshq.bench.report import Measured, Report, Run

RATE = Figure("rate", "messages/s", Kind.RATE, repeats=True)
REST = Calibration(LOOP_REFERENCE, RELAY_REFERENCE)


def report(*runs: tuple[float, float], others: float = 0.0) -> Report:
    """Runs as (rate, speed of the host), on a host that others use so much."""
    done = [Run(Measured({"rate": rate}), index, others) for rate, index in runs]
    return Report("throughput", {"messages": 1}, [RATE], done, [REST, REST])


def test_a_spread_has_its_middle_and_its_width() -> None:
    spread = Spread.of([110.0, 100.0, 104.0])
    assert (spread.min, spread.median, spread.max) == (100.0, 104.0, 110.0)
    assert spread.width == pytest.approx(0.1)
    assert Spread.of([0.0, 0.0]).width == 0.0
    assert Spread.of([0.0, 1.0]).width == float("inf")


def test_half_the_host_is_half_the_rate_and_twice_the_time_and_the_same_memory() -> None:
    assert Kind.RATE.adjusted(500.0, 0.5) == 1000.0
    assert Kind.TIME.adjusted(4.0, 0.5) == 2.0
    assert Kind.SIZE.adjusted(300.0, 0.5) == 300.0


def test_the_reference_host_has_speed_one_and_both_halves_count_alike() -> None:
    assert REST.index == 1.0
    assert Calibration(LOOP_REFERENCE / 4, RELAY_REFERENCE).index == pytest.approx(0.5)
    assert Calibration(LOOP_REFERENCE, RELAY_REFERENCE / 4).index == pytest.approx(0.5)


def test_runs_that_differ_as_the_host_did_are_believed() -> None:
    assert report((1000.0, 1.0), (800.0, 0.8)).noise() == []


def test_runs_that_differ_more_than_the_host_did_are_not() -> None:
    assert report((1000.0, 1.0), (800.0, 1.0)).noise() == ["the runs differ by 25% in rate"]


def test_a_size_is_believed_on_any_host_if_it_repeats() -> None:
    size = Figure("size", "MB", Kind.SIZE, repeats=True)

    def sizes(*values: float) -> Report:
        runs = [Run(Measured({"size": value}), 0.5, 0.9) for value in values]
        return Report("memory", {}, [size], runs, [REST, Calibration(LOOP_REFERENCE / 2, RELAY_REFERENCE)])

    assert sizes(300.0, 301.0).noise() == []
    assert sizes(300.0, 400.0).noise() == ["the runs differ by 33% in size"]


def test_calibrations_that_differ_and_others_at_work_are_said() -> None:
    found = reasons({}, [1.0, 0.8], [None, 0.04, 0.3])
    assert found == ["the calibrations differ by 25%", "others used up to 30% of its processors"]
    assert reasons({}, [1.0, 0.9], [None, 0.04]) == []


def test_a_report_tells_programs_all_that_it_tells_people() -> None:
    document = json.loads(json.dumps(report((1000.0, 0.5), (1100.0, 0.5), others=0.5).document()))
    assert document["figures"]["rate"] == {
        "unit": "messages/s",
        "min": 1000.0,
        "median": 1050.0,
        "max": 1100.0,
        "calibrated": {"min": 2000.0, "median": 2100.0, "max": 2200.0},
    }
    assert document["noisy"] is True
    assert document["noise"] == ["others used up to 50% of its processors"]
    assert [run["rate"] for run in document["runs"]] == [1000.0, 1100.0]
    assert document["calibrations"][0]["index"] == 1.0

"""A small backlog, for real: all of it comes out of the file, whose space is used again."""

from __future__ import annotations

import os

import pytest

from meshq.bench import backlog
from meshq.bench.backlog import Backlog
from meshq.bench.crew import Crew
from meshq.bench.watch import Resident


def quiet(_: str) -> None:
    """Nobody looks."""


def test_a_backlog_goes_in_and_out_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LEAVES_S", 0.0)  # long enough for the figure to be there, if not for it to be good
    with Crew() as crew:
        measured = Backlog(20_000, 200, 128, 16, "disk").measure(crew, quiet)
    values = measured.values
    assert {figure.name for figure in Backlog.figures} == {*values}
    assert values["consumed_per_s"] > 0 < values["published_per_s"]
    assert 4.0 < values["file_mb"] <= values["file_again_mb"]
    assert 10 < values["resident_queued_mb"] <= values["resident_max_mb"] + 5
    assert max(mb for _, mb in measured.series["resident_mb"]) == values["resident_max_mb"]


def looks(resident: Resident, times: int) -> None:
    """Keep busy until it has been looked at so often again."""
    before = len(resident.samples)
    while len(resident.samples) < before + times:
        sum(range(1000))


def test_the_most_that_a_process_had_stays_when_it_has_less() -> None:
    with Resident(os.getpid()) as resident:
        held = bytearray(b"x") * 60_000_000
        looks(resident, 2)
        most = resident.max_mb
        del held
        looks(resident, 2)
    assert resident.max_mb >= most > resident.samples[-1][1] + 50

"""Runs a bench several times, with a calibration before, between and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

from meshq.bench.calibration import calibrate
from meshq.bench.crew import Crew
from meshq.bench.figures import Figure
from meshq.bench.host import Bystanders
from meshq.bench.report import Measured, Report, Run

Say = Callable[[str], None]
"""Takes a few words on what is done now."""


class Bench(Protocol):
    """A dataclass with the settings of one bench."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]
    figures: ClassVar[Sequence[Figure]]
    """What it measures, the most important first."""

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run. Raises MeshError."""


def repeat(bench: Bench, runs: int, say: Say) -> Report:
    """All runs of a bench. Raises MeshError; whatever happens, no process stays behind."""
    say("calibration")
    calibrations = [calibrate()]
    done: list[Run] = []
    for number in range(1, runs + 1):

        def say_of_run(what: str, number: int = number) -> None:
            say(f"run {number} of {runs}: {what}")

        with Bystanders() as bystanders, Crew() as crew:
            measured = bench.measure(crew, say_of_run)
        say_of_run("calibration")
        calibrations.append(calibrate())
        index = measured.index or (calibrations[-2].index + calibrations[-1].index) / 2
        done.append(Run(measured, index, bystanders.share))
    return Report(bench.name, asdict(bench), bench.figures, done, calibrations)

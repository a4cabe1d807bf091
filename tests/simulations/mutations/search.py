"""Looking for the seed that shows a planted bug: its own scenarios first, then ``mixed``, seed by seed.

Decides in which order runs are played and when to give up: after so many seeds, or so much processor time. A run
stops at its first finding, and one that takes far longer than any healthy one has one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

from meshq.sim.run import Result, run
from meshq.sim.stage import Broken, Stage
from tests.simulations.mutations.bug import Bug

NODES: Final = 5
RUN_S: Final = 40
"""Processor seconds: several times what the longest healthy run takes."""
LAST_RESORT: Final = "mixed"
BLOCK: Final = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the search for one bug. ``scenario`` is empty when no run was violated."""

    bug: str
    scenario: str
    seed: int
    """The first that found it, or the last that was tried."""
    runs: int
    strikes: int
    """How often the wrong code did something wrong, in all runs."""
    cpu_s: float
    checker: str = ""
    finding: str = ""

    @property
    def found(self) -> bool:
        """Whether a checker saw it."""
        return bool(self.scenario)


def search(bug: Bug, seeds: int, budget_s: float) -> Outcome:
    """Play until a run is violated, ``seeds`` are through or ``budget_s`` of processor time is used."""
    began, runs, seed = time.process_time(), 0, 0
    with bug.planted():
        for seed, scenario in _order(bug, seeds):
            runs += 1
            finding = play(scenario, seed)
            if finding is not None:
                assert bug.strikes, f"{scenario} at seed {seed} is violated without {bug.name}: {finding}"
                return Outcome(bug.name, scenario, seed, runs, bug.strikes, time.process_time() - began, *finding)
            if time.process_time() - began > budget_s:
                break
    return Outcome(bug.name, "", seed, runs, bug.strikes, time.process_time() - began)


def play(scenario: str, seed: int) -> tuple[str, str] | None:
    """One run up to its first finding: the checker's name and its words."""
    found: list[tuple[str, str]] = []

    def find(stage: Stage, text: str, kind: str = "Stage") -> None:
        found.append((kind, text.splitlines()[0]))
        raise Broken(text)

    with patch.object(Stage, "find", find), _at_most(RUN_S):
        result = run(scenario, NODES, seed)
    return found[0] if found else _failure(result)


def _failure(result: Result) -> tuple[str, str] | None:
    """An exception that a machine raised, or nothing."""
    return ("exception", result.violations[0].splitlines()[-1]) if result.violations else None


def _order(bug: Bug, seeds: int) -> Iterator[tuple[int, str]]:
    """Ten seeds of the scenarios that should find it, then as many of the last resort, and so on."""
    for first in range(1, seeds + 1, BLOCK):
        block = range(first, min(first + BLOCK, seeds + 1))
        yield from ((seed, scenario) for seed in block for scenario in bug.scenarios)
        yield from ((seed, LAST_RESORT) for seed in block if LAST_RESORT not in bug.scenarios)


class NoEnd(Exception):
    """A run that takes too long."""


@contextmanager
def _at_most(cpu_s: float) -> Iterator[None]:
    def over(*_: Any) -> None:
        raise NoEnd(f"the run did not end within {cpu_s:.0f} processor seconds")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)

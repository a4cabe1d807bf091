"""Rows of cells and figures: which runs they take, what came out, and whether it is what was wanted.

The same seeds are played under every profile. A verdict is on the last one: the others are what it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from meshq.sim.crew import Crew
from meshq.sim.measure.cell import Cell, Outcome
from meshq.sim.measure.figure import NEVER, Figure
from meshq.sim.measure.plays import Job, play

Told = Callable[[str, float, float], None]
"""Told of what is going on, how far it is, and how far it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Cells that are read together."""

    title: str
    cells: tuple[Cell, ...]
    figures: tuple[Figure, ...]
    seeds: int
    """Of each cell; as few as are played in a few minutes."""
    seeds_full: int
    full: bool = False
    """Too long but for who asks for everything."""
    profile: str = ""
    """The only profile that it is about, if there is but one."""

    @property
    def nodes(self) -> int:
        """Of its largest mesh."""
        return max(cell.nodes for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Measured:
    """A row with the outcomes of its runs, by profile."""

    row: Row
    seeds: range
    outcomes: dict[str, list[Outcome]]

    def value(self, figure: Figure, profile: str) -> float | None:
        """What a figure comes to under a profile; None when it was not played."""
        outcomes = self.outcomes.get(profile)
        return figure.of(outcomes) if outcomes else None

    def holds(self, figure: Figure) -> bool | None:
        """Whether the profile that was measured keeps a figure's bounds; None when that can't be said."""
        *before, judged = self.outcomes
        value = self.value(figure, judged)
        if value is None or not figure.judged:
            return None
        return figure.holds(value, self.value(figure, before[0]) if before else None)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "row": self.row.title,
            "cells": [asdict(cell) for cell in self.row.cells],
            "seeds": len(self.seeds),
            "first": self.seeds.start,
            "figures": [self._figure(figure) for figure in self.row.figures],
        }

    def _figure(self, figure: Figure) -> dict[str, Any]:
        values = {profile: self.value(figure, profile) for profile in self.outcomes}
        return {
            "figure": figure.name,
            "unit": figure.unit,
            "values": {profile: None if value == NEVER else value for profile, value in values.items()},
            "most": figure.most,
            "share_of_reference": figure.share,
            "published": figure.published,
            "holds": self.holds(figure),
        }


def chosen(rows: Sequence[Row], *, full: bool, nodes: int | None, title: str = "") -> list[Row]:
    """The rows to play: all if asked for, of one size if asked for, those whose title begins like this."""
    return [
        row for row in rows if (full or not row.full) and nodes in (None, row.nodes) and row.title.startswith(title)
    ]


def measure(
    rows: Sequence[Row],
    profiles: Sequence[str],
    told: Told,
    *,
    full: bool,
    seeds: int | None,
    processes: int,
    first: int = 1,
) -> list[Measured]:
    """Play everything, the longest last; the rows in the order in which they are. Seeds count from ``first``."""
    wanted: list[tuple[int, Job]] = []
    for number, row in enumerate(rows):
        count = seeds or (row.seeds_full if full else row.seeds)
        for seed in range(first, first + count):
            for profile in [row.profile] if row.profile else profiles:
                wanted += [(number, Job(cell, profile, seed)) for cell in row.cells]
    outcomes: dict[tuple[int, Job], Outcome] = {}
    with Crew(_play, min(processes, len(wanted))) as crew:
        for (number, job), outcome in crew.play(wanted):
            outcomes[number, job] = outcome
            told(f"{rows[number].title}, {job.profile}, seed {job.seed}", len(outcomes), len(wanted))
    return [_gathered(row, number, wanted, outcomes) for number, row in enumerate(rows)]


def _gathered(
    row: Row, number: int, wanted: Sequence[tuple[int, Job]], outcomes: dict[tuple[int, Job], Outcome]
) -> Measured:
    by_profile: dict[str, list[Outcome]] = {}
    jobs = [job for of, job in wanted if of == number]
    for job in jobs:
        by_profile.setdefault(job.profile, []).append(outcomes[number, job])
    return Measured(row, range(jobs[0].seed, jobs[-1].seed + 1), by_profile)


def _play(wanted: tuple[int, Job]) -> Outcome:
    return play(wanted[1])

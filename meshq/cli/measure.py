"""``meshq sim detection|accuracy|convergence|heal|load|reference``: measures of membership as tables.

Decides which rows are played under which profiles and how they are told; rows, runs and judgement are
``sim.measure``'s.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from meshq.cli import exits, out
from meshq.cli.progress import progress
from meshq.sim.measure import accuracy, convergence, detection, heal, load, reference
from meshq.sim.measure.cell import OURS, REFERENCE
from meshq.sim.measure.plots import Page
from meshq.sim.measure.table import Measured, Row, chosen, measure

MEASURES: Final = {
    "detection": (detection.rows, "How soon an end is noticed, by the first node and by all."),
    "accuracy": (accuracy.rows, "How often nodes that live are accused: under loss, among starved nodes, and worse."),
    "convergence": (convergence.rows, "How soon views are right after nodes joined, left, restarted or fell silent."),
    "heal": (heal.rows, "How soon two halves are one mesh again after ten minutes, without seeds."),
    "load": (load.rows, "What membership sends, idle and among starved nodes."),
    "reference": (reference.rows, "The profiles to compare with, beside figures that others published."),
}  # fmt: skip
"""Membership alone, of nodes that know each other, over seeds: rows, and what they are for."""
VERDICTS: Final = {True: "holds", False: "MISSED", None: ""}


def run(
    name: str, *, compare: bool, full: bool, row: str, nodes: int | None, seeds: int | None, first: int,
    jobs: int | None, plot: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Play, tell, draw; exit status 4 when a goal was missed. Raises MeshError."""
    page = Page(plot) if plot is not None else None
    all_rows = MEASURES[name][0]()
    rows = chosen(all_rows, full=full, nodes=nodes, title=row)
    if not rows:
        raise exits.WrongUse(_no_row(name, all_rows, nodes, row))
    began = time.monotonic()
    with progress() as told:
        measured = measure(
            rows, [REFERENCE, OURS] if compare else [OURS], told,
            full=full, seeds=seeds, first=first, processes=jobs or os.cpu_count() or 1,
        )  # fmt: skip
    wall_s = time.monotonic() - began
    kept = not any(each.holds(figure) is False for each in measured for figure in each.row.figures)
    if page is not None:
        page.draw(f"meshq sim {name}", measured)
    if as_json:
        out.document({"measure": name, "kept": kept, "wall_s": round(wall_s, 1),
                      "rows": [each.document() for each in measured]})  # fmt: skip
    else:
        _tell(measured, wall_s)
    return exits.DONE if kept else exits.MISSED


def size(text: str | None) -> int | None:
    """The size that is asked for, if one is. Raises WrongUse."""
    if text is not None and not text.isdecimal():
        raise exits.WrongUse(f"--nodes {text!r}: a measure has rows of one size each, so give one number")
    return None if text is None else int(text)


def _no_row(name: str, rows: list[Row], nodes: int | None, title: str) -> str:
    if title:
        titles = ", ".join(f"{each.title!r}" for each in rows if nodes in (None, each.nodes))
        return f"{name} has no row {title!r} (large ones need --full): give the beginning of one of {titles}"
    sizes = ", ".join(str(size) for size in dict.fromkeys(each.nodes for each in rows))
    return f"{name} has no row of {nodes} nodes: give one of {sizes}, with --full for the large ones"


def refuse_of_scenarios(seed: int | None, draw: Path | None) -> None:
    """Raises WrongUse for options that a measure does not have."""
    if seed is not None or draw is not None:
        raise exits.WrongUse("--seed and --draw are for scenarios: a measure has --seeds, --first and --plot")


def refuse_of_measures(compare: bool, full: bool, row: str, plot: Path | None) -> None:
    """Raises WrongUse for options that only measures have."""
    if compare or full or row or plot is not None:
        raise exits.WrongUse(f"--compare, --full, --row and --plot are for measures: {', '.join(MEASURES)}")


def _tell(measured: list[Measured], wall_s: float) -> None:
    profiles = list(dict.fromkeys(profile for each in measured for profile in each.outcomes))
    columns = [profile.upper() for profile in profiles]
    rows = [row for each in measured for row in _lines(each, profiles)]
    out.table(("WHAT", "RUNS", "FIGURE", *columns, "", "GOAL", " "), rows, right=("RUNS", *columns), cut=("WHAT",))
    judged = [each.holds(figure) for each in measured for figure in each.row.figures]
    held, missed = judged.count(True), judged.count(False)
    print(f"\n{held} of {held + missed} goals hold; {_runs(measured):,} runs in {wall_s:.0f} s")


def _lines(each: Measured, profiles: list[str]) -> list[list[str]]:
    title, runs = each.row.title, f"{max(map(len, each.outcomes.values())):,}"
    lines = []
    for figure in each.row.figures:
        values = [figure.shown(each.value(figure, profile)) for profile in profiles]
        lines.append([title, runs, figure.name, *values, figure.unit, figure.goal, VERDICTS[each.holds(figure)]])
        title = runs = ""
    return lines


def _runs(measured: list[Measured]) -> int:
    return sum(len(outcomes) for each in measured for outcomes in each.outcomes.values())


def listed() -> dict[str, Any]:
    """What each measure is for."""
    return {name: why for name, (_, why) in MEASURES.items()}

"""A page of one measure: a panel for each figure, a point for each row and profile; curves where sizes differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from meshq.errors import MeshError
from meshq.sim.measure.figure import NEVER, Figure
from meshq.sim.measure.table import Measured

KINDS: Final = (".svg", ".png", ".pdf")
WIDTH_IN: Final = 9.0
PANEL_IN: Final = 2.6
ROW_IN: Final = 0.24
COLORS: Final = ("#d9822b", "#1f5fa8", "#3b8f5c")
GOAL: Final = "#b3261e"
BY_SIZE_FROM: Final = 4
"""Rows of as many sizes are drawn as a curve."""


class PlotFailed(MeshError):
    """The page can't be drawn here."""

    code = "PLOT"


class Page:
    """A file to draw into. Raises PlotFailed when that can't be done here."""

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in KINDS:
            raise PlotFailed(f"--plot draws {', '.join(KINDS)}, not {path.name}")
        if not path.absolute().parent.is_dir():
            raise PlotFailed(f"--plot {path}: there is no folder {path.absolute().parent}")
        try:
            from matplotlib.figure import Figure as Sheet
        except ImportError as exc:
            raise PlotFailed("--plot needs matplotlib: pip install 'meshq[plots]'") from exc
        self._path = path
        self._sheet = Sheet

    def draw(self, title: str, measured: Sequence[Measured]) -> None:
        """Draw the page and write it."""
        panels = _panels(measured)
        heights = [PANEL_IN if _by_size(rows) else 0.9 + ROW_IN * len(rows) for _, rows in panels]
        sheet = self._sheet(figsize=(WIDTH_IN, sum(heights) + 0.8), layout="constrained")
        sheet.suptitle(title, fontsize=11)
        places = sheet.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, (figure, rows) in zip(places, panels, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
            axes.set_title(figure.name + (f", {figure.unit}" if figure.unit else ""), fontsize=9, loc="left")
            (_curves if _by_size(rows) else _points)(axes, figure.name, rows)
        sheet.savefig(self._path, dpi=150)


def _panels(measured: Sequence[Measured]) -> list[tuple[Figure, list[Measured]]]:
    """Each figure by name that has a goal in some row, with the rows that have it."""
    found: dict[str, tuple[Figure, list[Measured]]] = {}
    for each in measured:
        for figure in each.row.figures:
            found.setdefault(figure.name, (figure, []))[1].append(each)
    return [panel for panel in found.values() if any(_read(each, panel[0].name, "")[0].judged for each in panel[1])]


def _by_size(rows: Sequence[Measured]) -> list[Measured]:
    """The rows to draw as a curve, if there are enough: one of each size, of one course."""
    alike = [each for each in rows if each.row.cells[0].play == rows[0].row.cells[0].play]
    return alike if len({each.row.nodes for each in alike}) == len(alike) >= BY_SIZE_FROM else []


def _read(each: Measured, name: str, profile: str) -> tuple[Figure, float | None]:
    figure = next(figure for figure in each.row.figures if figure.name == name)
    value = each.value(figure, profile)
    return figure, None if value == NEVER else value


def _profiles(rows: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(profile for each in rows for profile in each.outcomes))


def _curves(axes: Any, name: str, rows: Sequence[Measured]) -> None:
    """By number of nodes."""
    rows = _by_size(rows)
    for profile, color in zip(_profiles(rows), COLORS, strict=False):
        points = [(each.row.nodes, _read(each, name, profile)[1]) for each in rows]
        shown = [(nodes, value) for nodes, value in points if value is not None]
        axes.plot(*zip(*shown, strict=True), "o-", color=color, markersize=4, label=profile)
    goals = [(each.row.nodes, _read(each, name, "")[0]) for each in rows]
    for of, style, label in (("most", "_", "goal"), ("published", "x", "published")):
        bounds = [(nodes, getattr(figure, of)) for nodes, figure in goals if getattr(figure, of) is not None]
        if bounds:
            axes.plot(*zip(*bounds, strict=True), style, color=GOAL, markersize=8, label=label)
    axes.set_xscale("log")
    axes.set_xticks([each.row.nodes for each in rows], [f"{each.row.nodes:,}" for each in rows])
    axes.minorticks_off()
    axes.set_xlabel("nodes", fontsize=8)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False)


def _points(axes: Any, name: str, rows: Sequence[Measured]) -> None:
    """A line for each row."""
    titles = [each.row.title for each in rows]
    for profile, color in zip(_profiles(rows), COLORS, strict=False):
        values = [(at, _read(each, name, profile)[1]) for at, each in enumerate(rows)]
        shown = [(value, at) for at, value in values if value is not None]
        if shown:
            axes.plot(*zip(*shown, strict=True), "o", color=color, markersize=5, label=profile, clip_on=False)
    bounds = [(figure.most, at) for at, each in enumerate(rows) for figure in each.row.figures
              if figure.name == name and figure.most is not None]  # fmt: skip
    if bounds:
        axes.plot(*zip(*bounds, strict=True), "|", color=GOAL, markersize=10, label="goal")
    axes.set_yticks(range(len(titles)), titles)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(0, 2 * max(1.0, axes.dataLim.x1))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))

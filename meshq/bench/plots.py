"""A page of plots of one report: its figures run by run, the curves of the bench, and the host meanwhile."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from meshq.bench.calibration import Calibration
from meshq.bench.compare import OURS as MESHQ
from meshq.bench.compare import Comparison
from meshq.bench.crew import BenchError
from meshq.bench.figures import Figure, Spread
from meshq.bench.report import Report
from meshq.bench.show import shown

KINDS: Final = (".svg", ".png", ".pdf")
WIDTH_IN: Final = 9.0
PANEL_IN: Final = 2.8
COLUMNS: Final = 110
"""Of small print, as many as the page is wide."""
TIMES: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
OURS, OTHERS, QUIET, ALARM = "#1f5fa8", "#d9822b", "#8a8f98", "#b3261e"
CURVES: Final = (OURS, OTHERS, "#3b8f5c", "#8659a5")
NEAR_KILL_S: Final = 0.8
FARTHEST: Final = 0.0005
"""What is beyond this part of a distribution is drawn at it."""

Panel = Callable[[Any], None]
"""Draws into the axes that it is given."""


class Page:
    """A file to draw into. Raises BenchError when that can't be done here."""

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in KINDS:
            raise BenchError(f"--plot draws {', '.join(KINDS)}, not {path.name}")
        if not path.absolute().parent.is_dir():
            raise BenchError(f"--plot {path}: there is no folder {path.absolute().parent}")
        try:
            from matplotlib.figure import Figure as Sheet
        except ImportError as exc:
            raise BenchError("--plot needs matplotlib: pip install 'meshq[plots]'") from exc
        self._path = path
        self._sheet = Sheet

    def draw(self, report: Report | Comparison) -> None:
        """Draw the page and write it."""
        if isinstance(report, Comparison):
            title, panels = _title("compare", vars(report.work)), _comparison(report)
        else:
            title, panels = _title(report.bench, report.settings), _report(report)
        sheet = self._sheet(figsize=(WIDTH_IN, PANEL_IN * len(panels) + 0.9), layout="constrained")
        sheet.suptitle(title, fontsize=11)
        heights = {"height_ratios": [1.0] * (len(panels) - 1) + [0.6]}
        for axes, panel in zip(sheet.subplots(len(panels), 1, gridspec_kw=heights), panels, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
            panel(axes)
        if noise := report.noise():
            verdict = textwrap.fill(f"this host is too noisy: {'; '.join(noise)}", COLUMNS)
            sheet.supxlabel(verdict, color=ALARM, fontsize=9)
        sheet.savefig(self._path, dpi=150)


def _title(bench: str, settings: Mapping[str, Any]) -> str:
    return f"meshq bench {bench}\n{', '.join(f'{name} {shown(value)}' for name, value in settings.items())}"


def _report(report: Report) -> list[Panel]:
    figures = [figure for figure in report.figures if figure.repeats]
    panels: list[Panel] = [partial(_runs, report=report, figure=figure) for figure in figures]
    if report.bench == "latency":
        panels.append(lambda axes: _distribution(axes, report))
    if report.bench == "failover":
        panels.append(lambda axes: _flow(axes, report))
    return [*panels, lambda axes: _calibrations(axes, report.calibrations)]


def _comparison(comparison: Comparison) -> list[Panel]:
    return [
        lambda axes: _rates(axes, comparison),
        lambda axes: _ratios(axes, comparison),
        lambda axes: _calibrations(axes, comparison.calibrations),
    ]


def _runs(axes: Any, report: Report, figure: Figure) -> None:
    """A dot for each run: as measured, and as it would be on the reference host."""
    measured, adjusted = report.values(figure), report.adjusted(figure)
    numbers = range(1, len(measured) + 1)
    spread = Spread.of(measured)
    axes.axhline(spread.median, color=OURS, linewidth=0.8, alpha=0.6)
    axes.plot(numbers, measured, "o", color=OURS, label=f"measured, median {figure.shown(spread.median)}")
    if adjusted != measured:
        median = figure.shown(Spread.of(adjusted).median)
        axes.plot(numbers, adjusted, "o", color=OTHERS, fillstyle="none", label=f"calibrated, median {median}")
    _by_run(axes, figure.name.replace("_", " "), figure.unit, len(measured))
    axes.set_ylim(0, 1.15 * max(*measured, *adjusted))
    axes.yaxis.set_major_formatter(lambda value, _: figure.shown(value))


def _by_run(axes: Any, title: str, unit: str, runs: int, first: int = 1) -> None:
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_ylabel(unit, fontsize=8)
    axes.set_xlabel("run" if first else "before the first run, and after each", fontsize=8)
    axes.set_xticks(range(first, runs + 1))
    axes.set_xlim(first - 0.5, runs + 0.5)
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def _calibrations(axes: Any, calibrations: Sequence[Calibration]) -> None:
    axes.plot([each.index for each in calibrations], "s-", color=QUIET, markersize=4, label="loop and relay together")
    _by_run(axes, "speed of the host", "of the reference", len(calibrations) - 1, first=0)
    axes.set_ylim(0, 1.15 * max(1.0, *(each.index for each in calibrations)))
    axes.axhline(1.0, color=QUIET, linewidth=0.8, linestyle=":")


def _distribution(axes: Any, report: Report) -> None:
    """How long messages took, of each run: the part that took longer, ever smaller to the right."""
    for name, color in (("relay", QUIET), ("delivery", OURS)):
        for number, run in enumerate(report.runs):
            ladder = run.measured.series[name]
            beyond = [max(FARTHEST, 1 - part) for part, _ in ladder]
            axes.plot(beyond, [ms for _, ms in ladder], color=color, linewidth=1.2, label=name if not number else None)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1.0, FARTHEST)
    axes.set_xticks([0.5, 0.1, 0.01, 0.001, FARTHEST], ["50 %", "90 %", "99 %", "99.9 %", "max"])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_title("from publish to the message, a line for each run", fontsize=9, loc="left")
    axes.set_ylabel("ms", fontsize=8)
    axes.set_xlabel("so many messages were faster", fontsize=8)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _flow(axes: Any, report: Report) -> None:
    """Messages by slots of 20 ms around the kill, of the run with the longest pause."""
    worst = max(report.runs, key=lambda run: run.measured.values["pause_ms"])
    for color, (name, slots) in zip(CURVES, worst.measured.series.items(), strict=False):
        near = [(at, count) for at, count in slots if abs(at) <= NEAR_KILL_S]
        axes.step(
            [at for at, _ in near], [count for _, count in near], where="post", color=color, linewidth=1, label=name
        )
    axes.axvline(0, color=ALARM, linewidth=1)
    axes.set_title("around the kill, in the run with the longest pause", fontsize=9, loc="left")
    axes.set_ylabel("messages in 20 ms", fontsize=8)
    axes.set_xlabel("seconds since the kill", fontsize=8)
    axes.set_ylim(0, 1.2 * axes.get_ylim()[1])
    axes.legend(fontsize=7, frameon=False, loc="upper left", ncols=4)


def _rates(axes: Any, comparison: Comparison) -> None:
    names = list(comparison.rates)[::-1]
    spreads = [Spread.of(comparison.rates[name]) for name in names]
    medians = [spread.median for spread in spreads]
    around = [[each.median - each.min for each in spreads], [each.max - each.median for each in spreads]]
    colors = [OURS if name in MESHQ else OTHERS for name in names]
    axes.barh(names, medians, xerr=around, color=colors, height=0.6, ecolor="#333333", capsize=3)
    for at, (name, spread) in enumerate(zip(names, spreads, strict=True)):
        axes.text(spread.max, at, f"  {spread.median:,.0f}  ({comparison.means[name]})", va="center", fontsize=8)
    axes.set_xlim(0, 1.45 * max(spread.max for spread in spreads))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title("messages/s: median, minimum and maximum", fontsize=9, loc="left")


def _ratios(axes: Any, comparison: Comparison) -> None:
    names = list(comparison.beside)[::-1]
    for at, name in enumerate(names):
        ratios = comparison.ratios(name)
        axes.plot(ratios, [at] * len(ratios), "o", color=OURS, alpha=0.7)
        axes.text(max(ratios) * 1.08, at, f"{Spread.of(ratios).median:.2f}x", va="center", fontsize=8)
    axes.axvline(1.0, color=ALARM, linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    low = min(1.0, *(ratio for name in names for ratio in comparison.ratios(name)))
    high = max(1.0, *(ratio for name in names for ratio in comparison.ratios(name)))
    axes.set_xticks(TIMES, [f"{times:g}x" for times in TIMES])
    axes.minorticks_off()
    axes.set_xlim(low / 1.4, high * 1.6)
    axes.set_title("meshq at the level that promises as much / peer, a dot for each turn", fontsize=9, loc="left")

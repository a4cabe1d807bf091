"""A bench on the screen: progress while it runs, a table at its end; one JSON document for programs.

Results go to standard output, progress to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from meshq.bench.aftermath import LOST, LOST_WITH_KILLED
from meshq.bench.figures import Kind, Spread
from meshq.bench.host import data_place
from meshq.bench.repeat import Bench, Say, repeat
from meshq.bench.report import Report
from meshq.machine.form import FORM

KEPT: Final = 0
MISSED: Final = 4
WIDTH: Final = 200
"""Of a table where nobody looks at the width."""


def run(bench: Bench, *, runs: int, as_json: bool, plot: Path | None) -> int:
    """Run it, show it, draw it; the exit status: 4 when a promise was missed. Raises MeshError."""
    draw = drawing(plot)
    with progress(as_json=as_json) as say:
        report = repeat(bench, runs, say)
    if as_json:
        document(report.document())
    else:
        _people(report)
    draw(report)
    return MISSED if _lost(report) else KEPT


def _lost(report: Report) -> bool:
    """Whether a message was lost that should not have been."""
    promised = (LOST,) if report.settings.get("level") == "memory" else (LOST, LOST_WITH_KILLED)
    return any(any(report.values(figure)) for figure in promised if figure in report.figures)


def drawing(plot: Path | None) -> Callable[[Any], None]:
    """What draws a report; asked for first, so that nobody waits a minute for an error. Raises BenchError."""
    if plot is None:
        return lambda _: None
    from meshq.bench.plots import Page

    return Page(plot).draw


@contextmanager
def progress(*, as_json: bool) -> Iterator[Say]:
    """What is being done, on standard error: a line that changes on a terminal, nothing with ``--json``."""
    console = Console(stderr=True, highlight=False)
    if as_json or not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield lambda what: status.update(what)


def document(value: Any) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2))


def console() -> Console:
    """For people; as wide as their terminal, or as the widest table."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH)


def table(*columns: str, left: int = 1) -> Table:
    """An empty table; all columns but the first ``left`` hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number < left else "right", no_wrap=True)
    return made


def _people(report: Report) -> None:
    out = console()
    settings = ", ".join(f"{name} {shown(value)}" for name, value in report.settings.items())
    out.print(f"{report.bench}: {settings}; {len(report.runs)} runs of meshq as {FORM}", soft_wrap=True)
    if report.settings.get("level", "memory") != "memory" or report.settings.get("memory_bytes_max"):
        out.print(data_place(), soft_wrap=True)
    rows = table("", "MIN", "MEDIAN", "MAX", "CALIBRATED", "")
    for figure in report.figures:
        spread = Spread.of(report.values(figure))
        adjusted = Spread.of(report.adjusted(figure)).median
        calibrated = "" if figure.kind in (Kind.PLAIN, Kind.SIZE) else figure.shown(adjusted)
        numbers = [figure.shown(value) for value in (spread.min, spread.median, spread.max)]
        name = figure.name.removesuffix("_per_s").removesuffix("_ms").removesuffix("_mb").replace("_", " ")
        rows.add_row(name, *numbers, calibrated, figure.unit)
    out.print(rows)
    conclude(report.calibrations, report.noise())


def conclude(calibrations: Sequence[Any], noise: Sequence[str]) -> None:
    """The calibrations, and whether the figures can be believed."""
    out = console()
    loop = Spread.of([each.loop_per_s for each in calibrations])
    relay = Spread.of([each.relay_mb_per_s for each in calibrations])
    index = Spread.of([each.index for each in calibrations])
    out.print(
        f"calibration: loop {loop.min:,.0f} / {loop.median:,.0f} / {loop.max:,.0f} thousand steps/s, "
        f"bare relay {relay.min:,.0f} / {relay.median:,.0f} / {relay.max:,.0f} MB/s; "
        f"speed {index.min:.2f} / {index.median:.2f} / {index.max:.2f} of the reference host",
        soft_wrap=True,
    )
    if noise:
        out.print(f"this host is too noisy: {'; '.join(noise)}", style="bold red", soft_wrap=True)


def shown(value: Any) -> str:
    """A setting, for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)

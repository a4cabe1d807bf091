"""What commands print: JSON documents, JSON lines, tables for people.

Results go to standard output, talk goes to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

GAP: Final = 3
"""Cells between two columns of a table."""
CUT_LEAST: Final = 10
"""What is cut keeps so many cells, also in a terminal that is narrower than its numbers."""


def document(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=_plain))


def line(value: Any) -> None:
    """One JSON line on standard output, at once."""
    print(json.dumps(value, separators=(",", ":"), default=_plain), flush=True)


def say(text: str) -> None:
    """A line of talk on standard error."""
    print(text, file=sys.stderr, flush=True)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    cut: Sequence[str] | None = None,
) -> None:
    """A table for people; the columns named in ``right`` hold numbers.

    A terminal that is too narrow has the columns in ``cut`` shortened, the widest first: by default those that hold no
    numbers. Numbers and ids are never cut, and a pipe or a file gets everything.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    lines = [list(columns), *map(list, rows)]
    cuttable = (
        [at for at, name in enumerate(columns) if name in cut]
        if cut is not None
        else [at for at, name in enumerate(columns) if name not in (*right, "ID")]
    )
    if console.is_terminal:
        _fit(lines, cuttable, console.width - GAP * (len(columns) - 1))
    rule = "─" if console.encoding.startswith("utf") else "-"
    print("\n".join(_aligned(lines, [name in right for name in columns], rule)))


def _aligned(lines: list[list[str]], right: list[bool], rule: str) -> Iterator[str]:
    """The lines in columns, a rule below the first. A table of rich takes minutes for a hundred thousand lines."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        cells = []
        for cell, width, rightwards in zip(line, widths, right, strict=True):
            room = " " * (width - cell_len(cell))
            cells.append(room + cell if rightwards else cell + room)
        yield (" " * GAP).join(cells).rstrip()
        if number == 0:
            yield rule * (sum(widths) + GAP * (len(widths) - 1))


def _fit(lines: list[list[str]], cuttable: Sequence[int], width: int) -> None:
    """Shorten the cells of the columns that may be, until a line takes ``width`` or they have CUT_LEAST each."""
    from rich.cells import cell_len, set_cell_size

    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if sum(widths) > width:  # a body of a megabyte is not shortened cell by cell
        widths = [min(each, max(width, CUT_LEAST)) if at in cuttable else each for at, each in enumerate(widths)]
    while sum(widths) > width and (left := [at for at in cuttable if widths[at] > CUT_LEAST]):
        widest = max(left, key=lambda at: widths[at])
        widths[widest] -= 1
    for line in lines:
        for at in cuttable:
            if cell_len(line[at]) > widths[at]:
                line[at] = set_cell_size(line[at], widths[at] - 1).rstrip() + "…"


def paragraphs(columns: tuple[str, str], rows: Iterable[tuple[str, str]]) -> None:
    """A table of names and what is to be said of each, in as many lines as it takes."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 1, 0))
    shown.add_column(columns[0], no_wrap=True)
    shown.add_column(columns[1])
    for row in rows:
        shown.add_row(*row)
    Console(highlight=False, markup=False).print(shown)


def number(value: float | None) -> str:
    """A count with thousands parted; a dash for nothing."""
    return "-" if value is None else f"{value:,.0f}"


def printable(data: bytes) -> str:
    """Text on one line; what is no text, or would move the cursor, is shown as an escape."""
    text = data.decode("utf-8", errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def many(count: int, thing: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def span(seconds: float | None) -> str:
    """A time span in its two largest units: ``3h 12m``."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    parts = ((whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s"))
    shown = [f"{count}{unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0s"


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return str(value)

"""What commands print: JSON documents, JSON lines, tables for people.

Results go to standard output, talk goes to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def document(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, default=_plain))


def line(value: Any) -> None:
    """One JSON line on standard output, at once."""
    print(json.dumps(value, separators=(",", ":"), default=_plain), flush=True)


def say(text: str) -> None:
    """A line of talk on standard error."""
    print(text, file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table for people; the columns named in ``right`` hold numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    console = Console(highlight=False, markup=False)
    console.print(shown) if console.is_terminal else Console(highlight=False, markup=False, width=200).print(shown)


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

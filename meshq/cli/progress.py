"""How far a command is that takes long: a bar on standard error while that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[str, float, float], None]
"""Told of what is going on, how far it is, and how far it goes."""


@contextmanager
def progress() -> Iterator[Told]:
    """A bar on standard error while that is a terminal. It has no thread of its own: processes are forked meanwhile."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, auto_refresh=False, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)

        def told(what: str, done: float, of: float) -> None:
            bar.update(task, description=what, completed=done, total=of, refresh=True)

        yield told

"""The demo on the screen: drawn with rich on a terminal, plain lines elsewhere, nothing with ``--json``."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from meshq.demo.stage import NodeView, Stage
from meshq.demo.verdict import Verdict

REFRESH_PER_S: Final = 8
STATES: Final = {"alive": "green", "suspect": "yellow", "dead": "bold red", "left": "dim", "starting": "dim"}
BAR_WIDTH: Final = 40


def showing(stage: Stage, *, as_json: bool) -> AbstractContextManager[Any]:
    """Shows the stage for as long as the context lasts."""
    if as_json:
        return nullcontext()
    if not sys.stdout.isatty():
        stage.on_happening = lambda line: print(line, flush=True)
        return nullcontext()
    return Live(
        get_renderable=lambda: draw(stage),
        console=Console(highlight=False),
        refresh_per_second=REFRESH_PER_S,
        transient=False,
    )


def conclude(verdict: Verdict) -> None:
    """The verdict, for people."""
    console = Console(highlight=False, markup=False)
    first, *rest = verdict.lines()
    console.print()
    console.print(Text(first, style="bold green" if verdict.kept else "bold red"), soft_wrap=True)
    for line in rest:
        console.print(line, soft_wrap=True)


def draw(stage: Stage) -> Group:
    """One picture of the stage."""
    return Group(_head(stage), Text(), _nodes(stage), Text(), _progress(stage), Text(), *map(Text, stage.happenings))


def _head(stage: Stage) -> Text:
    return Text.assemble((f"{stage.elapsed_s():4.1f} s  ", "dim"), (stage.phase, "bold"))


def _nodes(stage: Stage) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("node")
    table.add_column("state", width=8)
    table.add_column("mesh")
    table.add_column("http")
    table.add_column("published", justify="right", width=12)
    for channel in stage.ledger.channels:
        table.add_column(f"{channel}/s", justify="right", width=10)
    table.add_column("")
    now = stage.elapsed_s()
    for node in stage.nodes.values():
        table.add_row(*_node(node, now))
    return table


def _node(node: NodeView, now: float) -> list[Text]:
    flows = [flow.per_s(now) for flow in node.consumed.values()]
    published = node.published.per_s(now)
    return [
        Text(node.name, style="bold"),
        Text(node.state, style=STATES.get(node.state, "")),
        Text(node.mesh),
        Text(node.http),
        Text(f"{published:,.0f}/s" if published else "-"),
        *(Text(f"{flow:,.0f}" if flow else "-") for flow in flows),
        Text(node.note, style="dim"),
    ]


def _progress(stage: Stage) -> Table:
    ledger = stage.ledger
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, count in (
        ("confirmed", ledger.confirmed),
        *((f"finished on {name}", channel.finished) for name, channel in ledger.channels.items()),
    ):
        bar = ProgressBar(total=ledger.count, completed=count, width=BAR_WIDTH)
        table.add_row(name, bar, f"{count:,} of {ledger.count:,}")
    duplicates = sum(channel.duplicates for channel in ledger.channels.values())
    lost = Text("counted at the end", style="dim") if stage.lost is None else _lost(stage.lost)
    table.add_row("lost", lost, "")
    table.add_row("duplicates", f"{duplicates:,}", "")
    return table


def _lost(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "bold green")

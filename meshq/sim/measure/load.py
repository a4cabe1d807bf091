"""What membership sends when nothing happens, and among starved nodes: datagrams and streams, sealed."""

from __future__ import annotations

from typing import Final

from meshq.sim.measure.cell import Cell
from meshq.sim.measure.figure import Figure, mean, quantile, total, worst
from meshq.sim.measure.table import Row

IDLE: Final = ((50, 250.0), (200, 250.0), (1_000, 250.0), (10_000, 350.0))
STARVED: Final = ((50, 400.0), (200, 700.0), (1_000, 2_000.0))

INTERESTED: Final = (50, 200, 1_000)
"""Nodes that each consume a hundred of 5,000 topics."""
IDLE_MOST: Final = 250.0
REPLICATED_WITHIN_S: Final = 5.0


def rows() -> list[Row]:
    """All of them."""
    return [
        *(_idle(*each) for each in IDLE),
        *(_starved(*each) for each in STARVED),
        *(_interest(nodes) for nodes in INTERESTED),
    ]


def _idle(nodes: int, most: float) -> Row:
    return _row(f"idle, {nodes:,} nodes", Cell(play="idle", nodes=nodes), most, full=nodes > 1_000)


def _starved(nodes: int, most: float) -> Row:
    cell = Cell(play="watched", nodes=nodes, loss=0.05, ailment="starved", ill=nodes // 10)
    return _row(f"10 % starved, 5 % loss, {nodes:,} nodes", cell, most, full=nodes > 50)


def _row(title: str, cell: Cell, most: float, *, full: bool) -> Row:
    figure = Figure(name="bytes a node and second", of=mean("bytes_per_node_s"), unit="B/s", digits=0, most=most)
    return Row(title=title, cells=(cell,), figures=(figure,), seeds=1, seeds_full=1 if full else 5, full=full)


def _interest(nodes: int) -> Row:
    figures = (
        Figure(name="known to all after the last", of=quantile("replicated_s", worst), most=REPLICATED_WITHIN_S),
        Figure(name="pairs", of=mean("pairs"), unit="", digits=0),
        Figure(name="bytes sent a node and pair", of=mean("bytes_a_pair"), unit="B", digits=1),
        Figure(name="idle after that, a node and second", of=mean("idle_bytes"), unit="B/s", digits=0, most=IDLE_MOST),
        Figure(name="given up or refused", of=total("given_up"), unit="", digits=0, most=0.0),
        Figure(name="rumours given up", of=total("rumours"), unit="", digits=0, most=0.0),
        Figure(name="memory of the simulation", of=mean("megabytes"), unit="MB", digits=0),
    )
    cell = Cell(play="interest", nodes=nodes)
    title = f"100 topics a node, {nodes:,} nodes"
    return Row(title=title, cells=(cell,), figures=figures, seeds=1, seeds_full=1, full=nodes > 50)

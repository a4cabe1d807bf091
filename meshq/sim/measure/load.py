"""What membership sends when nothing happens, and among starved nodes: datagrams and streams, sealed."""

from __future__ import annotations

from typing import Final

from meshq.sim.measure.cell import Cell
from meshq.sim.measure.figure import Figure, mean
from meshq.sim.measure.table import Row

IDLE: Final = ((50, 250.0), (200, 250.0), (1_000, 250.0), (10_000, 350.0))
STARVED: Final = ((50, 400.0), (200, 700.0), (1_000, 2_000.0))


def rows() -> list[Row]:
    """All of them."""
    return [*(_idle(*each) for each in IDLE), *(_starved(*each) for each in STARVED)]


def _idle(nodes: int, most: float) -> Row:
    return _row(f"idle, {nodes:,} nodes", Cell(play="idle", nodes=nodes), most, full=nodes > 1_000)


def _starved(nodes: int, most: float) -> Row:
    cell = Cell(play="watched", nodes=nodes, loss=0.05, ailment="starved", ill=nodes // 10)
    return _row(f"10 % starved, 5 % loss, {nodes:,} nodes", cell, most, full=nodes > 50)


def _row(title: str, cell: Cell, most: float, *, full: bool) -> Row:
    figure = Figure(name="bytes a node and second", of=mean("bytes_per_node_s"), unit="B/s", digits=0, most=most)
    return Row(title=title, cells=(cell,), figures=(figure,), seeds=1, seeds_full=1 if full else 5, full=full)

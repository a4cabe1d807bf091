"""How soon two halves that were parted for ten minutes are one mesh again, without seeds."""

from __future__ import annotations

from meshq.sim.measure.cell import Cell
from meshq.sim.measure.figure import Figure, p50, quantile, worst
from meshq.sim.measure.table import Row


def rows() -> list[Row]:
    """All of them."""
    return [_row(8, 10, full=False), _row(50, 3, full=False), _row(200, 1, full=True), _row(1_000, 1, full=True)]


def _row(nodes: int, seeds: int, *, full: bool) -> Row:
    return Row(
        title=f"halves for ten minutes, {nodes:,} nodes",
        cells=(Cell(play="partition", nodes=nodes),),
        figures=(
            Figure(name="all views right, p50", of=quantile("agreed_s", p50)),
            Figure(name="all views right, worst", of=quantile("agreed_s", worst), most=10.0),
        ),
        seeds=seeds,
        seeds_full=10 * seeds if nodes < 1_000 else seeds,
        full=full,
    )

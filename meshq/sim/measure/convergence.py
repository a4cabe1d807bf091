"""How soon every view is right again after nodes came, went, or fell in numbers; at 1 % loss, as others did it."""

from __future__ import annotations

from typing import Final

from meshq.sim.measure.cell import Cell
from meshq.sim.measure.figure import Figure, p50, quantile, worst
from meshq.sim.measure.table import Row

LOSS: Final = 0.01


def rows() -> list[Row]:
    """All of them."""
    return [
        _row("join", "one node joins", 50, 20, 5.0),
        _row("join", "one node joins", 1_000, 2, 5.0),
        _row("leave", "one node leaves", 50, 20, 5.0),
        _row("leave", "one node leaves", 1_000, 2, 5.0),
        _row("start", "all start within a second", 100, 6, None),
        _row("restart", "30 % restart", 50, 10, 15.0),
        _row("restart", "30 % restart", 200, 1, 15.0),
        _row("restart", "30 % restart", 1_000, 1, 15.0, full=True),
        _row("crash", "30 % fall silent", 50, 4, None),
        _row("crash", "30 % fall silent", 200, 1, None),
    ]


def _row(play: str, title: str, nodes: int, seeds: int, most: float | None, *, full: bool = False) -> Row:
    return Row(
        title=f"{title}, {nodes:,} nodes",
        cells=(Cell(play=play, nodes=nodes, loss=LOSS),),
        figures=(
            Figure(name="all views right, p50", of=quantile("agreed_s", p50)),
            Figure(name="all views right, worst", of=quantile("agreed_s", worst), most=most),
        ),
        seeds=seeds,
        seeds_full=10 * seeds,
        full=full,
    )

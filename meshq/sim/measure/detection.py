"""How soon an end is noticed: of a host that falls silent, of a slow member, of a process whose links are reset."""

from __future__ import annotations

from typing import Final

from meshq.sim.measure.cell import Cell
from meshq.sim.measure.figure import Figure, p50, p99, quantile, worst
from meshq.sim.measure.table import Row

SILENT: Final = (
    # nodes, seeds, seeds of --full, goals: first p50 and p99, then known to all after the first
    (3, 200, 200, 4.4, 5.2, None),
    (8, 200, 200, 4.5, 5.5, None),
    (32, 200, 200, 5.0, 6.0, None),
    (128, 40, 200, 5.5, 6.5, None),
    (512, 4, 200, None, None, None),
    (1_000, 3, 20, 6.0, 7.0, 0.5),
    (4_000, 1, 5, None, None, None),
    (10_000, 1, 3, 7.0, 7.8, None),
)
FULL_FROM: Final = 4_000


def rows() -> list[Row]:
    """All of them."""
    return [*(_silent(*each) for each in SILENT), _slow(), _reset(50, 10), _reset(1_000, 2)]


def _silent(
    nodes: int, seeds: int, seeds_full: int, most_p50: float | None, most_p99: float | None, most_spread: float | None
) -> Row:
    return Row(
        title=f"silent host, {nodes:,} nodes",
        cells=(Cell(play="silent", nodes=nodes),),
        figures=(
            Figure(name="first, p50", of=quantile("first_s", p50), most=most_p50),
            Figure(name="first, p99", of=quantile("first_s", p99), most=most_p99),
            Figure(name="known to all after, worst", of=quantile("spread_s", worst), most=most_spread),
        ),
        seeds=seeds,
        seeds_full=seeds_full,
        full=nodes >= FULL_FROM,
    )


def _slow() -> Row:
    return Row(
        title="slow member, 50 nodes",
        cells=(Cell(play="slow_dies", nodes=50, ailment="starved", ill=1),),
        figures=(
            Figure(name="first, p50", of=quantile("first_s", p50), most=13.0),
            Figure(name="first, p99", of=quantile("first_s", p99), most=15.0),
        ),
        seeds=10,
        seeds_full=200,
    )


def _reset(nodes: int, seeds: int) -> Row:
    return Row(
        title=f"process with links, {nodes:,} nodes",
        cells=(Cell(play="reset", nodes=nodes),),
        figures=(Figure(name="known to all, worst", of=quantile("known_s", worst), most=2.2),),
        seeds=seeds,
        seeds_full=10 * seeds,
    )

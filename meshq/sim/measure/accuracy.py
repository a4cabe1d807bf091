"""How often members are accused that are well: under loss, among starved nodes, and in harder cells around them."""

from __future__ import annotations

from typing import Final

from meshq.sim.measure.cell import Cell
from meshq.sim.measure.figure import Figure, mean, p50, quantile, rate, share, total
from meshq.sim.measure.table import Row

STARVED: Final = ((1, 5, 10), (1, 3, 5))
"""Percent of starved nodes, percent of loss: nine cells at each size."""
HARD: Final = (
    # ailment, nodes, ill of them, loss, share of the reference's suspicions
    ("starved", 8, 1, 0.05, 0.5),
    ("starved", 50, 25, 0.01, 0.5),
    ("starved at times", 50, 5, 0.05, 0.5),
    ("lag 1-5 s", 50, 5, 0.05, 0.5),
    ("lag 1-5 s at times", 50, 5, 0.05, 0.5),
    ("slow ways at times", 50, 5, 0.05, 0.5),
    ("slow ways 1-5 s at times", 50, 5, 0.05, 0.5),
    ("pauses of 2-4 s", 50, 5, 0.05, 0.5),
    ("pauses of 3-8 s", 50, 5, 0.05, 0.5),
    ("one-way links", 50, 5, 0.0, 1.0),
    ("deaf", 50, 5, 0.0, 1.0),
    ("bursts", 50, 0, 0.0, 1.0),
)
LOSSY: Final = ("deaf", "bursts")
"""Without streams: they lose nothing here, and would hide it."""
DEATHS: Final = Figure(name="false deaths a run", of=mean("deaths"), unit="", share=1.0)


def rows() -> list[Row]:
    """All of them."""
    return [_loss_5(), _loss_25(50, 3), _loss_25(1_000, 1), _grid(50), _grid(200), *(_hard(*each) for each in HARD)]


def grid_cells(nodes: int, starved: tuple[int, ...] = STARVED[0], lost: tuple[int, ...] = STARVED[1]) -> list[Cell]:
    """The published grid at one size."""
    return [
        Cell(play="grid", nodes=nodes, loss=loss / 100, ailment="starved", ill=max(1, nodes * part // 100))
        for part in starved
        for loss in lost
    ]


def _loss_5() -> Row:
    return Row(
        title="5 % loss, 50 nodes, UDP only",
        cells=(Cell(play="watched", nodes=50, loss=0.05, stream_probe=False),),
        figures=(
            Figure(name="false suspicions a node-hour", of=rate("suspicions", "node_hours"), unit="", most=0.02),
            Figure(name="node-hours", of=total("node_hours"), unit="", digits=0),
        ),
        seeds=10,
        seeds_full=90,
    )


def _loss_25(nodes: int, seeds: int) -> Row:
    return Row(
        title=f"25 % loss, {nodes:,} nodes, UDP only",
        cells=(Cell(play="grid", nodes=nodes, loss=0.25, stream_probe=False),),
        figures=(
            Figure(name="false suspicions a node-hour", of=rate("suspicions", "node_hours"), unit="", most=15.0),
            DEATHS,
            Figure(name="first, p50", of=quantile("first_s", p50), most=1.3 * (5.0 if nodes < 1_000 else 6.0)),
            Figure(name="rumours given up", of=total("dropped"), unit="", digits=0, most=0.0),
        ),
        seeds=seeds,
        seeds_full=3 * seeds,
        full=nodes >= 1_000,
    )


def _grid(nodes: int) -> Row:
    return Row(
        title=f"starved grid, {nodes} nodes, 9 cells",
        cells=tuple(grid_cells(nodes)),
        figures=(
            Figure(name="runs with a false death", of=share("deaths"), unit="%", digits=1, most=0.0),
            Figure(name="false suspicions a run", of=mean("suspicions"), unit="", share=1 / 50),
            Figure(name="first, p50", of=quantile("first_s", p50)),
            Figure(name="bytes a node and second", of=mean("bytes_per_node_s"), unit="B/s", digits=0),
        ),
        seeds=1,
        seeds_full=20,
        full=nodes >= 200,
    )


def _hard(ailment: str, nodes: int, ill: int, loss: float, suspicions: float) -> Row:
    who = f"{ill} of {nodes}" if ill else f"{nodes} nodes"
    on_streams = ailment not in LOSSY
    weather = f", {100 * loss:.0f} % loss" if loss else "" if on_streams else ", UDP only"
    return Row(
        title=f"{ailment}, {who}{weather}",
        cells=(Cell(play="grid", nodes=nodes, loss=loss, stream_probe=on_streams, ailment=ailment, ill=ill),),
        figures=(
            DEATHS,
            Figure(name="false suspicions a run", of=mean("suspicions"), unit="", digits=1, share=suspicions),
            Figure(name="first, p50", of=quantile("first_s", p50)),
        ),
        seeds=1,
        seeds_full=20,
    )

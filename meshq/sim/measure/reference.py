"""The reference profiles beside figures that others published: before anything is compared with them.

Detection is that of the model of memberlist's LAN timing, which agrees with its measurement; the starved grid and loss
without streams are kinship's simulation of 200 seeds a cell. Bytes are not judged: this machine compares views by
digests and buckets, where memberlist sends tables.
"""

from __future__ import annotations

from typing import Final

from meshq.sim.measure.accuracy import grid_cells
from meshq.sim.measure.cell import REFERENCE, Cell
from meshq.sim.measure.figure import NEVER, Figure, mean, p50, p99, quantile
from meshq.sim.measure.table import Row

PLAIN: Final = "swim"
MODEL: Final = (
    # nodes, seeds, p50 and p99 of the model
    (3, 40, 5.6, 6.8),
    (8, 40, 5.7, 8.4),
    (32, 40, 7.7, 11.3),
    (128, 20, 10.1, 14.0),
    (512, 4, 12.5, 16.4),
    (1_000, 3, 13.7, 17.6),
)
GRID: Final = (
    # nodes, percent starved, percent lost; detection p50 and p99, false suspicions and deaths a run
    (50, 1, 1, 8.57, 12.6, 30.0, 0.01),
    (50, 10, 5, 8.84, 14.0, 135.0, 0.18),
    (200, 1, 5, 11.2, 15.5, 55.0, 0.0),
    (200, 10, 5, 11.3, 16.6, 512.0, 0.02),
)
PLAIN_GRID: Final = ((50, 1, 1, 8.43, 11.6, 145.0, 0.93), (50, 10, 5, 8.55, 11.6, 544.0, 4.48))
NEAR, ROUGHLY, ORDER = 1.1, 1.5, 4.0
MANY: Final = 0.1
"""False deaths a run below which a few runs say nothing."""


def rows() -> list[Row]:
    """All of them."""
    return [
        *(_silent(*each) for each in MODEL),
        _loss(50, 3.67, 10),
        _loss(200, 15.03, 2),
        *(_starved(*each, profile=REFERENCE) for each in GRID),
        *(_starved(*each, profile=PLAIN) for each in PLAIN_GRID),
    ]


def _silent(nodes: int, seeds: int, middle: float, late: float) -> Row:
    return Row(
        title=f"silent host, {nodes:,} nodes",
        cells=(Cell(play="silent", nodes=nodes),),
        figures=(
            Figure(name="first, p50", of=quantile("first_s", p50), published=middle, within=NEAR),
            Figure(name="first, p99", of=quantile("first_s", p99), published=late, within=ROUGHLY),
        ),
        seeds=seeds,
        seeds_full=200 if nodes < 1_000 else 20,
        profile=REFERENCE,
    )


def _loss(nodes: int, suspicions: float, seeds: int) -> Row:
    return Row(
        title=f"5 % loss, {nodes} nodes, UDP only",
        cells=(Cell(play="watched", nodes=nodes, loss=0.05, stream_probe=False),),
        figures=(
            Figure(name="false suspicions a run", of=mean("suspicions"), unit="", published=suspicions, within=ROUGHLY),
        ),
        seeds=seeds,
        seeds_full=90,
        profile=REFERENCE,
    )


def _starved(
    nodes: int, part: int, lost: int, middle: float, late: float, suspicions: float, deaths: float, *, profile: str
) -> Row:
    cells = grid_cells(nodes, (part,), (lost,))
    return Row(
        title=f"{cells[0].ill} of {nodes} starved, {lost} % loss",
        cells=tuple(cells),
        figures=(
            Figure(name="first, p50", of=quantile("first_s", p50), published=middle, within=NEAR),
            Figure(name="first, p99", of=quantile("first_s", p99), published=late, within=ROUGHLY),
            Figure(name="false suspicions a run", of=mean("suspicions"), unit="", published=suspicions, within=ROUGHLY),
            Figure(
                name="false deaths a run",
                of=mean("deaths"),
                unit="",
                published=deaths,
                within=ORDER if deaths > MANY else NEVER,
            ),
        ),
        seeds=4 if nodes < 200 else 1,
        seeds_full=80 if nodes < 200 else 8,
        full=nodes >= 200,
        profile=profile,
    )

"""The figures that meshq wants to keep, each with its goal beside it, taken by the benches that there are.

A goal holds for the median of the runs. The goals are for two cores at rest: what another host does is said as it is,
and that it was noisy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from meshq.bench import aftermath, backlog, fanout, flow, latency, memory
from meshq.bench.backlog import Backlog
from meshq.bench.failover import Failover
from meshq.bench.fanout import Fanout
from meshq.bench.figures import Figure, Spread
from meshq.bench.host import data_place, describe
from meshq.bench.latency import Latency
from meshq.bench.memory import Memory
from meshq.bench.mesh import Mesh
from meshq.bench.repeat import Bench, repeat
from meshq.bench.report import Report
from meshq.bench.show import KEPT, MISSED, console, document, progress, table
from meshq.bench.throughput import Throughput

RUNS: Final = 5
SIZE: Final = 200
BATCH: Final = 128
CALLS: Final = 64
WORKERS: Final = 200
BUDGET_BYTES: Final = 64 * 1024 * 1024
QUICK_PART: Final = 5
"""With so much less to do the short ones still take a second."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of a bench and its bound; without one it is shown beside the others."""

    figure: Figure
    least: float | None = None
    most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value is within the bounds."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def shown(self) -> str:
        """The bound, for people."""
        if self.least is not None:
            return f">= {self.figure.shown(self.least)}"
        return f"<= {self.figure.shown(self.most)}" if self.most is not None else ""


@dataclass(frozen=True, slots=True)
class Row:
    """A bench, its goals, and what to call it."""

    title: str
    bench: Bench
    goals: Sequence[Goal]
    runs_max: int = RUNS


@dataclass(frozen=True, slots=True)
class Taken:
    """A row with its runs."""

    row: Row
    report: Report

    def median(self, goal: Goal) -> float:
        """Of the figure's runs."""
        return Spread.of(self.report.values(goal.figure)).median

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "title": self.row.title,
            "bench": self.report.bench,
            "settings": dict(self.report.settings),
            "runs": len(self.report.runs),
            "goals": [self._goal(goal) for goal in self.row.goals],
            "noise": self.report.noise(),
        }

    def _goal(self, goal: Goal) -> dict[str, Any]:
        figure = goal.figure
        spread = asdict(Spread.of(self.report.values(figure)))
        bounds = {"least": goal.least, "most": goal.most}
        return {"figure": figure.name, "unit": figure.unit, **spread, **bounds, "holds": goal.holds(self.median(goal))}


def _flow(level: str, messages: int, *, batch: int = BATCH, calls: int = CALLS, each: bool = False) -> Throughput:
    return Throughput(messages, SIZE, batch, calls, level, each)


def goals(*, quick: bool = False) -> list[Row]:
    """All of them; ``quick`` ones have a fifth of the messages, but where the goal is of so many."""
    part = QUICK_PART if quick else 1
    rate, no_loss = flow.RATE, [Goal(aftermath.LOST, most=0), Goal(aftermath.LOST_WITH_KILLED, most=0)]
    many, some, few = 2_000_000 // part, 1_000_000 // part, 400_000 // part
    budget = Memory(1_000_000, SIZE, BATCH, "disk", 2000, BUDGET_BYTES)
    return [
        Row("one node, memory, batches", _flow("memory", many), [Goal(rate, least=1_000_000)]),
        Row("the same, message by message", _flow("memory", some, each=True), [Goal(rate, least=250_000)]),
        Row("one node, disk, batches", _flow("disk", many), [Goal(rate, least=450_000)]),
        Row("one node, fsync, batches", _flow("fsync", many), [Goal(rate, least=350_000)]),
        Row("single publishes, memory", _flow("memory", few, batch=1, calls=WORKERS), [Goal(rate, least=200_000)]),
        Row("one outstanding, memory", _flow("memory", few // 10, batch=1, calls=1), [Goal(rate, least=12_000)]),
        Row("one outstanding, disk", _flow("disk", few // 20, batch=1, calls=1), [Goal(rate)]),
        Row("three nodes, memory", Mesh(some, SIZE, BATCH, CALLS, "memory", False), [Goal(rate, least=600_000)]),
        Row("three nodes, disk", Mesh(some, SIZE, BATCH, CALLS, "disk", False), [Goal(rate, least=300_000)]),
        Row(
            "fan-out to 10 channels, memory",
            Fanout(some // 2, SIZE, BATCH, CALLS, "memory", False, 10),
            [Goal(fanout.DELIVERIES, least=2_000_000)],
        ),
        Row(
            "latency at 1,000/s, one node, memory",
            Latency(5_000 // part, SIZE, 1000, "memory", 1),
            [Goal(latency.P50, most=0.2), Goal(latency.P99, most=1.0), Goal(latency.RELAY_P50)],
        ),
        Row(
            "latency at 1,000/s, two nodes, memory",
            Latency(5_000 // part, SIZE, 1000, "memory", 2),
            [Goal(latency.P50, most=0.3), Goal(latency.P99, most=1.5), Goal(latency.RELAY_P50)],
        ),
        Row(
            "1,000,000 queued in memory, 2,000 consumers",
            Memory(1_000_000, SIZE, BATCH, "memory", 2000),
            [Goal(memory.BATCHES, most=320), Goal(memory.SINGLY, most=500), Goal(memory.CONSUMERS, most=140)],
        ),
        Row(
            "1,000,000 queued at a 64 MB budget",
            budget,
            [Goal(memory.BATCHES, most=160), Goal(memory.SINGLY, most=160)],
        ),
        Row(
            "kill -9 of one of three, disk",
            Failover(30_000 // part, SIZE, 5_000, "disk"),
            [Goal(aftermath.PAUSE, most=250), *no_loss],
        ),
        Row(
            "a backlog of 5,000,000 on disk" if not quick else "a backlog of 1,000,000 on disk",
            Backlog(5_000_000 // part, SIZE, BATCH, CALLS, "disk"),
            [Goal(backlog.RESIDENT, most=400), Goal(backlog.OUT, least=250_000), Goal(backlog.GROWTH, most=5)],
            runs_max=1,
        ),
    ]


def run(rows: Sequence[Row], *, runs: int, as_json: bool) -> int:
    """Take all of them, show them; the exit status: 4 when a goal was missed. Raises MeshError."""
    taken: list[Taken] = []
    out = console()
    if not as_json:
        out.print(f"goals: medians of up to {runs} runs; {data_place()}", soft_wrap=True)
    with progress(as_json=as_json) as say:
        for row in rows:
            title = row.title
            taken.append(Taken(row, repeat(row.bench, min(runs, row.runs_max), lambda what: say(f"{title}: {what}"))))  # noqa: B023
    kept = all(goal.holds(each.median(goal)) for each in taken for goal in each.row.goals)
    if as_json:
        document({"bench": "goals", "kept": kept, "goals": [each.document() for each in taken], "host": describe()})
    else:
        _people(taken)
    return KEPT if kept else MISSED


def _people(taken: Sequence[Taken]) -> None:
    out = console()
    shown = table("", "", "MEDIAN", "", "GOAL", "", "HOST", left=2)
    for each in taken:
        title = each.row.title
        for goal in each.row.goals:
            median = each.median(goal)
            verdict = "" if not goal.shown else "holds" if goal.holds(median) else "MISSED"
            noisy = "noisy" if title and each.report.noise() else ""
            name = goal.figure.name.removesuffix("_per_s").removesuffix("_ms").removesuffix("_mb").replace("_", " ")
            shown.add_row(title, name, goal.figure.shown(median), goal.figure.unit, goal.shown, verdict, noisy)
            title = ""
    out.print(shown)
    bounded = [(each, goal) for each in taken for goal in each.row.goals if goal.shown]
    held = sum(goal.holds(each.median(goal)) for each, goal in bounded)
    out.print(f"{held} of {len(bounded)} goals hold", style="bold green" if held == len(bounded) else "bold red")

"""The courses that a run can take, each told what it came to by name.

Every mesh has been there for long when the run begins: its nodes know each other, and their clocks have nothing in
common. Latency is 2 +- 1 ms, as in the published grid.
"""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from meshq.sim.gossip import PORT, SHARE_FROM, Gossip, Node
from meshq.sim.interest import Alike, Consuming
from meshq.sim.measure.ailments import AILMENTS, Ward
from meshq.sim.measure.cell import Cell, Outcome
from meshq.sim.measure.watch import Watch
from meshq.sim.network import Weather
from meshq.wire import strict

SEED: Final = "m0"
SEEDED: Final = ("join", "start", "restart")
"""Where nodes know that one as their seed; elsewhere none has any."""
LATENCY_S, JITTER_S = 0.001, 0.002
"""2 +- 1 ms."""
WARM_S: Final = 10.0
"""Before anything befalls: longer than whatever a start is granted."""
GRID_S: Final = 120.0
HALF_S: Final = 60.0
FOUND_WITHIN_S: Final = 120.0
SLOW_S: Final = 30.0
"""How long a member is slow before it dies."""
SETTLE_WITHIN_S: Final = 180.0
PARTITION_S: Final = 600.0
IDLE_S: Final = 60.0
LOOK_S: Final = 0.1
TOPICS, TOPICS_A_NODE = 5_000, 100
SUBSCRIBING_S: Final = 10.0
CALM_S: Final = 20.0
"""After interest has been replicated: until its last news have been acknowledged and its heads have travelled."""
RESTART_S: Final = 2.0
"""How long the processes of a mass restart are away."""


class Job(NamedTuple):
    """One seed of one cell under one profile."""

    cell: Cell
    profile: str
    seed: int


class Run:
    """A mesh as a cell describes it, about to take its course."""

    def __init__(self, job: Job) -> None:
        cell = self.cell = job.cell
        self.alike = Alike() if cell.nodes >= SHARE_FROM else None
        interested: dict[str, Any] = {}
        if cell.play == "interest":
            interested["machine"] = partial(Consuming, alike=self.alike)
            interested["decode"] = strict.decode if self.alike is None else self.alike.decode
        weather = Weather(latency_s=LATENCY_S, jitter_s=JITTER_S, loss=cell.loss)
        seeds = (f"{SEED}:{PORT}",) if cell.play in SEEDED else ()
        self.gossip = Gossip(
            job.seed, cell.nodes, weather=weather,
            config=lambda name: cell.config(job.profile, name, () if name == SEED else seeds), **interested,
        )  # fmt: skip
        self.world = self.gossip.world
        self.rng = self.world.rng("measure")
        self.watch = Watch(self.gossip)
        nodes = list(self.gossip.nodes.values())
        self.ill = self.rng.sample(nodes[1:], cell.ill)
        self.well = [node for node in nodes[1:] if node not in self.ill]

    def open(self, names: list[str] | None = None) -> None:
        """All nodes run and know each other, and what is to ail them does."""
        self.gossip.start_knowing_each_other(names)
        if self.cell.ailment:
            AILMENTS[self.cell.ailment](Ward(self.gossip, self.ill, self.world.rng("ailment")))

    def end_of(self, victim: Node, befall: Callable[[str], None]) -> Outcome:
        """Let ``befall`` end the victim now; how long until the first and the last node knows."""
        self.watch.look_for(victim.name)
        at = self.world.now
        befall(victim.name)
        if self.watch.known_to_all:
            return {"first_s": 0.0, "known_s": 0.0}
        self.world.run_while(lambda: not self.watch.known_to_all, within_s=FOUND_WITHIN_S, check_s=LOOK_S)
        outcome: Outcome = {}
        if self.watch.first_at is not None:
            outcome["first_s"] = self.watch.first_at - at
            if self.watch.known_to_all:
                outcome["known_s"] = self.watch.last_at - at
                outcome["spread_s"] = self.watch.last_at - self.watch.first_at
        return outcome

    def agreed(self, since_s: float) -> Outcome:
        """How long it takes until every view is right, counted from a moment that may have passed."""
        right = self.world.run_while(lambda: bool(self.gossip.disagreement()), within_s=SETTLE_WITHIN_S, check_s=LOOK_S)
        return {"agreed_s": self.world.now - since_s} if right else {}

    def verdicts(self) -> Outcome:
        """What was said wrongly so far, and what the run cost."""
        counters, span_s = self.gossip.counters, self.world.now
        return {
            "suspicions": self.watch.suspicions,
            "deaths": self.watch.deaths,
            "node_hours": self.cell.nodes * span_s / 3600,
            "bytes_per_node_s": (counters.bytes + counters.stream_bytes) / self.cell.nodes / span_s,
            "dropped": self.gossip.dropped(),
        }


def silent(run: Run) -> Outcome:
    """A host falls silent."""
    run.open()
    run.world.run_until(WARM_S + run.rng.random())
    return run.end_of(run.rng.choice(run.well), run.gossip.crash) | run.verdicts()


def slow_dies(run: Run) -> Outcome:
    """A member that has been slow for a while falls silent."""
    run.open()
    run.world.run_until(SLOW_S + run.rng.random())
    return run.end_of(run.ill[0], run.gossip.crash) | run.verdicts()


def reset(run: Run) -> Outcome:
    """A process dies, and the members that it had links with see them reset."""
    run.open()
    run.world.run_until(WARM_S + run.rng.random())
    victim = run.rng.choice(run.well)
    others = [name for name in run.gossip.nodes if name != victim.name]
    linked = run.rng.sample(others, min(8, len(others)))
    return run.end_of(victim, lambda name: run.gossip.die(name, linked)) | run.verdicts()


def grid(run: Run) -> Outcome:
    """Two minutes; a healthy node falls silent after the first."""
    run.open()
    run.world.run_until(HALF_S)
    outcome = run.end_of(run.rng.choice(run.well), run.gossip.crash)
    run.world.run_until(GRID_S)
    return outcome | run.verdicts()


def watched(run: Run) -> Outcome:
    """Two minutes in which nobody dies."""
    run.open()
    run.world.run_until(GRID_S)
    return run.verdicts()


def idle(run: Run) -> Outcome:
    """A minute in which nothing happens."""
    run.open()
    run.world.run_until(IDLE_S)
    return run.verdicts()


def interest(run: Run) -> Outcome:
    """Each node begins to consume a hundred topics within ten seconds; then a minute in which nothing happens."""
    run.open()
    nodes, gossip = run.gossip.running, run.gossip
    members = [node.machine.me for node in nodes if node.machine is not None]
    for node in nodes:
        assert isinstance(node.machine, Consuming)
        node.machine.meet(node.now, members)
    run.world.run_until(WARM_S)
    before = _sent(gossip)
    for node in nodes:
        topics = run.rng.sample(range(TOPICS), TOPICS_A_NODE)
        run.world.at(WARM_S + SUBSCRIBING_S * run.rng.random(), _consume, gossip, node, [f"t{each}" for each in topics])
    run.world.run_until(WARM_S + SUBSCRIBING_S)
    last = run.world.now
    if not run.world.run_while(lambda: bool(_lacking(nodes)), within_s=SETTLE_WITHIN_S, check_s=LOOK_S):
        return {}
    outcome: Outcome = {"replicated_s": run.world.now - last, "pairs": _pairs(nodes)}
    run.world.run_until(run.world.now + CALM_S)
    outcome["bytes_a_pair"] = (_sent(gossip) - before) / len(nodes) / outcome["pairs"]
    before = _sent(gossip)
    run.world.run_until(run.world.now + IDLE_S)
    routings = [node.machine.routing for node in nodes if isinstance(node.machine, Consuming)]
    return (
        run.verdicts()
        | outcome
        | {
            "idle_bytes": (_sent(gossip) - before) / len(nodes) / IDLE_S,
            "given_up": sum(each.counters.announces_given_up + each.counters.interest_refused for each in routings),
            "rumours": gossip.dropped(),
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    )


def _consume(gossip: Gossip, node: Node, topics: list[str]) -> None:
    assert isinstance(node.machine, Consuming)
    node.machine.consume(node.now, topics)
    gossip.turn(node)


def _sent(gossip: Gossip) -> int:
    return gossip.counters.bytes + gossip.counters.stream_bytes


def _pairs(nodes: list[Node]) -> int:
    """What all of them consume."""
    return sum(len(node.machine.routing._news) for node in nodes if isinstance(node.machine, Consuming))


def _lacking(nodes: list[Node]) -> int:
    """How many nodes do not know everything that the others consume; 1 of them is enough to know that."""
    everything = _pairs(nodes)
    for node in nodes:
        assert isinstance(node.machine, Consuming)
        if node.machine.routing._interest.pairs + len(node.machine.routing._news) != everything:
            return 1
    return 0


def join(run: Run) -> Outcome:
    """One more node joins."""
    first, *others = run.gossip.nodes
    run.open([first, *others[:-1]])
    run.world.run_until(WARM_S + run.rng.random())
    run.gossip.start(others[-1])
    return run.agreed(run.world.now)


def leave(run: Run) -> Outcome:
    """A node says goodbye and is gone."""
    run.open()
    run.world.run_until(WARM_S + run.rng.random())
    outcome = run.end_of(run.rng.choice(run.well), run.gossip.leave)
    return {"agreed_s": outcome["known_s"]} if "known_s" in outcome else {}


def start(run: Run) -> Outcome:
    """All nodes start within a second, and know one of them."""
    for name in run.gossip.nodes:
        run.gossip.start(name, at_s=run.rng.random())
    run.world.run_until(1.0)
    return run.agreed(0.0)


def crash(run: Run) -> Outcome:
    """Three of ten hosts fall silent at once."""
    run.open()
    run.world.run_until(WARM_S)
    for node in _three_of_ten(run):
        run.gossip.crash(node.name)
    return run.agreed(WARM_S)


def restart(run: Run) -> Outcome:
    """Three of ten processes are killed at once and start again two seconds later."""
    run.open()
    run.world.run_until(WARM_S)
    chosen = _three_of_ten(run)
    for node in chosen:
        run.gossip.crash(node.name)
        run.gossip.start(node.name, at_s=WARM_S + RESTART_S + run.rng.random())
    run.world.run_until(WARM_S + RESTART_S + 1.0)
    return run.agreed(WARM_S + RESTART_S)


def partition(run: Run) -> Outcome:
    """Halves that don't reach each other for ten minutes; no node has seeds."""
    run.open()
    run.world.run_until(WARM_S)
    nodes = run.rng.sample(list(run.gossip.nodes.values()), run.cell.nodes)
    half = len(nodes) // 2
    for one in nodes[:half]:
        for other in nodes[half:]:
            run.gossip.paths.cut(one.address[0], other.address[0])
            run.gossip.paths.cut(other.address[0], one.address[0])
    run.world.run_until(WARM_S + PARTITION_S)
    run.gossip.paths.mend_all()
    return run.agreed(run.world.now)


def _three_of_ten(run: Run) -> list[Node]:
    return run.rng.sample(run.well, round(0.3 * run.cell.nodes))


PLAYS: Final[dict[str, Callable[[Run], Outcome]]] = {
    play.__name__: play
    for play in (silent, slow_dies, reset, grid, watched, idle, interest, join, leave, start, crash, restart, partition)
}


def play(job: Job) -> Outcome:
    """Play one run."""
    gc.disable()  # a run makes little garbage that needs a collector, and looking for it takes time
    try:
        return PLAYS[job.cell.play](Run(job))
    finally:
        gc.enable()
        gc.collect()

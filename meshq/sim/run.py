"""Play a scenario for one seed under all checkers, and say what they found.

Decides nothing about the run (``stage`` does) nor about what must hold (``checkers``): it puts them together, and turns
findings and failures of a machine into a result that can be repeated.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from meshq.sim import aimed, drains, durable, managed, queues, replaying, rotating, scenarios, verdicts
from meshq.sim.checkers import STANDARD, Checker
from meshq.sim.faults import Fault
from meshq.sim.gossip import run_gossip
from meshq.sim.scenario import SCENARIOS, CheckerMaker, Scenario
from meshq.sim.stage import Broken, Stage

TIMELINE_LINES: Final = 120
VIOLATED: Final = 4
MEMBERSHIP: Final = "membership"
"""A run of membership alone, for numbers of nodes that are too many for engines; no scenario with clients."""
MEMBERSHIP_S: Final = 60.0
NAMES: Final = tuple(
    name
    for module in (scenarios, aimed, drains, durable, managed, queues, replaying, rotating, verdicts)
    for name, each in SCENARIOS.items()
    if each.prepare.__module__ == module.__name__
)


@dataclass(slots=True)
class Result:
    """What one run came to."""

    scenario: str
    nodes: int
    seed: int
    violations: list[str]
    trace_hash: str
    counters: dict[str, int]
    virtual_s: float
    events: int
    kinds: dict[str, float] = field(default_factory=dict)
    """Kinds of violation, each with the virtual time of the first: checkers' names, or where a machine failed."""
    active: tuple[float, float] = (0.0, 0.0)
    """When the active part began and when it was over, in virtual time; 0 for what did not happen."""
    plan: list[Fault] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was violated."""
        return not self.violations

    def tell(self) -> int:
        """Print the verdict, and the whole story if something was violated; returns the exit status (0 or 4)."""
        print(f"{self.scenario}, {self.nodes} nodes, seed {self.seed}: {self.virtual_s:.1f} virtual seconds")
        for name, count in self.counters.items():
            print(f"  {name:16} {count:8}")
        print(f"  trace {self.trace_hash}")
        print("nothing was violated" if self.ok else self.report())
        return 0 if self.ok else VIOLATED

    def repeat(self) -> str:
        """What does the same again."""
        if self.scenario in SCENARIOS:
            return f"meshq sim {self.scenario} --nodes {self.nodes} --seed {self.seed}"
        return f"play it with seed {self.seed}"

    def report(self) -> str:
        """The whole story of a failure: how to repeat it, what befell, what happened last, what was violated."""
        return "\n".join(
            [
                f"{self.scenario}, {self.nodes} nodes, seed {self.seed}: {len(self.violations)} violations",
                f"repeat: {self.repeat()}",
                "faults:",
                *(f"  {fault}" for fault in self.plan),
                "timeline:",
                *(f"  {line}" for line in self.timeline),
                "violations:",
                *(f"  {violation}" for violation in self.violations),
            ]
        )


def run(name: str, nodes: int = 5, seed: int = 1, *, check_every: int = 50) -> Result:
    """Play the scenario of that name. Raises KeyError when there is none."""
    if name == MEMBERSHIP:
        return _membership(nodes, seed)
    return play_scenario(SCENARIOS[name], nodes, seed, check_every=check_every)


def play_scenario(
    chosen: Scenario,
    nodes: int | Sequence[str],
    seed: int,
    *,
    check_every: int = 50,
    sought: str = "",
    early: bool = False,
    watch: Callable[[Stage], object] | None = None,
) -> Result:
    """Play a scenario among so many nodes, or those of these names.

    ``check_every``: turns between looks into the machines (1 in named regressions). ``sought``: the only kind of
    violation that is asked for; the run ends with the first. ``early``: it ends with the active part, whatever it would
    find afterwards. ``watch`` is given the stage before anything happens.
    """
    stage = Stage(seed, nodes, chosen.settings())
    stage.sought = sought
    if watch is not None:
        watch(stage)
    checkers = [maker(stage) for maker in _makers(chosen, sought)]
    for checker in checkers:
        checker.watch(check_every)
    try:
        with _no_collecting():
            _play(stage, chosen, checkers, early)
    except Broken:
        pass
    except Exception as exc:
        stage.findings.append(f"at {stage.world.now:.4f} s: a machine failed:\n{traceback.format_exc()}")
        stage.kinds.setdefault(_where(exc), stage.world.now)
    return _result(stage, chosen, seed)


def _makers(chosen: Scenario, sought: str) -> list[CheckerMaker]:
    """The checkers of a scenario; when one of them is sought, it alone: the others cost time and change nothing."""
    makers: list[CheckerMaker] = [maker for maker in STANDARD if maker not in chosen.without]
    makers += chosen.more
    return [maker for maker in makers if getattr(maker, "__name__", "") == sought.split(":")[0]] or makers


def _where(error: Exception) -> str:
    """The kind of a machine's failure: the error and the function that raised it."""
    frames = list(traceback.walk_tb(error.__traceback__))
    code = frames[-1][0].f_code
    return f"{type(error).__name__} in {code.co_qualname}"


@contextmanager
def _no_collecting() -> Iterator[None]:
    """A run makes little garbage that needs a collector (a few MB), and looking for it took 7 % of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
            gc.collect()


def _play(stage: Stage, chosen: Scenario, checkers: Sequence[Checker], early: bool) -> None:
    plan = chosen.prepare(stage)
    if not stage.open():
        stage.find("the mesh did not open: a node is not ready or a consumer not subscribed")
    stage.play(plan, chosen.active_s)
    if early:
        return
    stage.mend()
    settled = stage.settle(chosen.settle_s)
    for checker in checkers:
        checker.at_end(settled)


def _membership(nodes: int, seed: int) -> Result:
    """Nodes that know each other, for a minute; one crashes half-way."""
    played = run_gossip(nodes, MEMBERSHIP_S, seed, crash_at_s=MEMBERSHIP_S / 2)
    false_deaths = played.counters.false_deaths
    found = {
        "Views": played.disagreement,
        "NobodyAccused": f"{false_deaths} verdicts on members that run" if false_deaths else "",
    }
    return Result(
        scenario=MEMBERSHIP,
        nodes=nodes,
        seed=seed,
        violations=[text for text in found.values() if text],
        kinds={kind: MEMBERSHIP_S for kind, text in found.items() if text},
        trace_hash=played.trace_hash,
        counters={
            "suspicions": played.counters.suspicions,
            "detected_ms": round(1000 * (played.detected_s or 0.0)),
            "known_ms": round(1000 * (played.known_s or 0.0)),
            "bytes_per_node_s": round(played.counters.bytes / nodes / MEMBERSHIP_S),
        },
        virtual_s=played.virtual_s,
        events=played.events,
    )


def _result(stage: Stage, chosen: Scenario, seed: int) -> Result:
    ledger = stage.ledger
    counters = {name: getattr(ledger.counters, name) for name in ledger.counters.__dataclass_fields__}
    return Result(
        scenario=chosen.name,
        nodes=len(stage.names),
        seed=seed,
        violations=stage.findings,
        trace_hash=stage.world.hash(),
        counters=counters,
        virtual_s=stage.world.now,
        events=stage.world.events,
        kinds=stage.kinds,
        active=(stage.started_at, stage.mended_at),
        plan=stage.plan,
        timeline=[str(note) for note in list(stage.world.notes)[-TIMELINE_LINES:]],
    )

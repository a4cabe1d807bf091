"""``meshq sim``: play scenarios over many seeds, make the first failure small, draw a run.

Decides what is played and how it is told; a run is played by ``sim.run``, made small by ``sim.shrink``, written by
``sim.written`` and drawn by ``sim.drawing``.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from meshq.cli import exits, measure, out
from meshq.cli.progress import Told, progress
from meshq.sim import shrink, written
from meshq.sim.crew import Crew
from meshq.sim.run import MEMBERSHIP, NAMES, Result, run
from meshq.sim.scenario import SCENARIOS
from meshq.sim.story import Story, Unwritable, drawn

ALL: Final = "all"
SEEDS: Final = 20
SEEDS_NAMED_MAX: Final = 8
COUNTED: Final = ("confirmed", "finished", "redelivered")
MEMBERSHIP_WHY: Final = (
    "Membership alone, of nodes that know each other, for a minute in which one of them crashes. "
    "For meshes of a thousand nodes; not part of `all`."
)


class Job(NamedTuple):
    """One run."""

    scenario: str
    nodes: int
    seed: int


def scenarios(*, as_json: bool) -> int:
    """Say what each scenario is for."""
    found = {**{name: SCENARIOS[name].why for name in NAMES}, MEMBERSHIP: MEMBERSHIP_WHY, **measure.listed()}
    if as_json:
        out.document([{"scenario": name, "why": why} for name, why in found.items()])
    else:
        out.paragraphs(("SCENARIO", "WHAT HAPPENS, AND WHAT IT BREAKS"), found.items())
    return exits.DONE


class Sizes(NamedTuple):
    """The sizes of the meshes that are played: seed after seed each in its turn."""

    least: int
    most: int

    def of(self, seed: int) -> int:
        """The size with a seed, whichever is played first."""
        return self.least + (seed - 1) % (self.most - self.least + 1)


def sizes(text: str) -> Sizes:
    """One size, or the least and the most: ``5``, ``5-16``. Raises WrongUse."""
    least, _, most = text.partition("-")
    if not (least.isdecimal() and (most or least).isdecimal() and 2 <= int(least) <= int(most or least)):
        raise exits.WrongUse(f"--nodes {text!r} is no size of a mesh: give a number from 2, or two as in 5-16")
    return Sizes(int(least), int(most or least))


def sim(
    scenario: str, *, nodes: Sizes, seed: int | None, seeds: int | None, first: int, jobs: int | None,
    draw: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Play, tell, shrink and draw; the exit status. Raises WrongUse."""
    wanted = _wanted(scenario, nodes, seed, seeds, first)
    if draw is not None:
        _check_drawing(scenario, draw)
    processes = min(jobs or os.cpu_count() or 1, len(wanted))
    began = time.monotonic()
    with progress() as told:
        results = _play(wanted, processes, told)
    wall_s = time.monotonic() - began
    if not as_json:
        _tell(results, wall_s)
    failed = next((result for result in results if not result.ok), None)
    small = _small(failed, jobs or os.cpu_count() or 1, as_json) if failed is not None else None
    drawing = _draw(results, failed, draw, as_json) if draw is not None else None
    if as_json:
        out.document(_document(results, wall_s, small, drawing))
    return exits.DONE if failed is None else exits.MISSED


def _wanted(scenario: str, nodes: Sizes, seed: int | None, seeds: int | None, first: int) -> list[Job]:
    if seed is not None and (seeds is not None or first != 1):
        raise exits.WrongUse("--seed plays one seed, --seeds and --first several: give one or the other")
    names = NAMES if scenario == ALL else (scenario,)
    if scenario not in (*NAMES, MEMBERSHIP, ALL):
        near = get_close_matches(scenario, (*NAMES, MEMBERSHIP, ALL, *measure.MEASURES), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise exits.WrongUse(f"there is no scenario {scenario!r}: {hint}`meshq sim --list` says what there is")
    played = range(first, first + (seeds or SEEDS)) if seed is None else (seed,)
    return [Job(name, nodes.of(each), each) for name in names for each in played]


def _check_drawing(scenario: str, path: Path) -> None:
    if scenario == MEMBERSHIP:
        raise exits.WrongUse("membership alone can't be drawn: it has no messages and too many nodes")
    if not path.parent.is_dir():
        raise exits.WrongUse(f"there is no folder {path.parent} for the drawing: make it, or name another place")


def _play(wanted: list[Job], processes: int, told: Told) -> list[Result]:
    """Play everything; the results in the order in which they were wanted."""
    results: dict[Job, Result] = {}
    with Crew(_run, processes) as crew:
        for job, result in crew.play(wanted):
            results[job] = result
            failed = sum(not each.ok for each in results.values())
            told(
                f"{job.scenario}, seed {job.seed}" + (f", {failed} failed" if failed else ""), len(results), len(wanted)
            )
    return [results[job] for job in wanted]


def _run(job: Job) -> Result:
    return run(*job)


def _tell(results: list[Result], wall_s: float) -> None:
    if len(results) == 1:
        results[0].tell()
        return
    failed = [result for result in results if not result.ok]
    if failed:
        print(failed[0].report(), end="\n\n")
    by_name: dict[str, list[Result]] = {}
    for result in results:
        by_name.setdefault(result.scenario, []).append(result)
    counted = [name.upper() for name in COUNTED]
    rows = [_row(name, runs) for name, runs in by_name.items()]
    out.table(("SCENARIO", "RUNS", "VIRTUAL S", *counted, "VERDICT"), rows, right=("RUNS", "VIRTUAL S", *counted))
    print(f"\n{len(results)} runs in {wall_s:.1f} s, {len(failed)} with violations")


def _row(name: str, runs: list[Result]) -> list[str]:
    totals = [out.number(sum(each.counters.get(count, 0) for each in runs)) for count in COUNTED]
    bad = [str(each.seed) for each in runs if not each.ok]
    more = f" and {len(bad) - SEEDS_NAMED_MAX} more" if len(bad) > SEEDS_NAMED_MAX else ""
    verdict = f"violated by seed {', '.join(bad[:SEEDS_NAMED_MAX])}{more}" if bad else "ok"
    return [name, str(len(runs)), out.number(sum(each.virtual_s for each in runs)), *totals, verdict]


def _small(failed: Result, processes: int, quietly: bool) -> dict[str, Any] | None:
    """Shrink a failure and write it down; what there is to say of it, or None when that can't be done."""
    if failed.scenario == MEMBERSHIP:
        return None
    try:
        story = drawn(SCENARIOS[failed.scenario], failed.nodes, failed.seed)
    except Unwritable as exc:
        out.say(f"meshq: seed {failed.seed} of {failed.scenario} is not made small: it does {exc}")
        return None
    with progress() as told:
        began = time.monotonic()

        def smaller(smallest: Story, tried: int) -> None:
            sizes = f"{len(smallest.plan)} faults, {len(smallest.nodes)} nodes, {tried} runs"
            told(f"making seed {failed.seed} small: {sizes}", time.monotonic() - began, shrink.WITHIN_S)

        found = shrink.shrink(story, failed, processes=processes, within_s=shrink.WITHIN_S, told=smaller)
    if found is None:
        out.say(f"meshq: seed {failed.seed} of {failed.scenario} did not fail again: it is not made small")
        return None
    path = written.save(found, Path.cwd())
    told_small = _sizes_of(found, failed, path)
    if not quietly:
        _tell_small(told_small)
    return told_small


def _sizes_of(found: shrink.Shrunk, failed: Result, path: Path) -> dict[str, Any]:
    before, after = found.before, found.story
    return {
        "scenario": failed.scenario, "seed": failed.seed, "kind": found.kind, "file": _shown(path),
        "faults": [len(before.plan), len(after.plan)], "nodes": [len(before.nodes), len(after.nodes)],
        "clients": [len(before.cast), len(after.cast)],
        "messages": [failed.counters["sent"], found.result.counters["sent"]],
        "tried": found.tried, "took_s": round(found.took_s, 1), "violations": found.result.violations,
    }  # fmt: skip


def _tell_small(small: dict[str, Any]) -> None:
    sizes = ", ".join(f"{out.number(small[of][1])} of {out.number(small[of][0])} {of}" for of in _PARTS)
    print(f"\nseed {small['seed']} of {small['scenario']} fails by {small['kind']} with {sizes}")
    print(f"found in {small['took_s']:.0f} s and {small['tried']} runs; play it with: python {small['file']}")


_PARTS: Final = ("faults", "nodes", "clients", "messages")


def _draw(results: list[Result], failed: Result | None, path: Path, quietly: bool) -> str | None:
    """Draw the failed run, or the only one; where the drawing is."""
    from meshq.sim.drawing import diagram_of, svg

    chosen = failed or (results[0] if len(results) == 1 else None)
    if chosen is None:
        out.say("meshq: nothing failed, so nothing was drawn; --seed N draws that one")
        return None
    diagram, _ = diagram_of(SCENARIOS[chosen.scenario], chosen.nodes, chosen.seed)
    path.write_text(svg(diagram), encoding="utf-8")
    if not quietly:
        print(f"seed {chosen.seed} of {chosen.scenario} is drawn in {path}")
    return str(path)


def _document(
    results: list[Result], wall_s: float, small: dict[str, Any] | None, drawing: str | None
) -> dict[str, Any]:
    return {
        "runs": [_run_told(result) for result in results],
        "failed": sum(not result.ok for result in results),
        "wall_s": round(wall_s, 2),
        "small": small,
        "drawing": drawing,
    }


def _run_told(result: Result) -> dict[str, Any]:
    return {
        "scenario": result.scenario, "nodes": result.nodes, "seed": result.seed, "ok": result.ok,
        "violations": result.violations, "kinds": list(result.kinds), "trace": result.trace_hash,
        "counters": result.counters, "virtual_s": round(result.virtual_s, 3), "events": result.events,
        "faults": [{"fault": type(fault).__name__, **asdict(fault)} for fault in result.plan],
    }  # fmt: skip


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

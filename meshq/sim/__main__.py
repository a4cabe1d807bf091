"""``python -m meshq.sim``: play named scenarios over many seeds.

    python -m meshq.sim calm --seed 7                     one run; the whole story if it fails
    python -m meshq.sim partition --nodes 5 --seeds 300   seeds 1 to 300
    python -m meshq.sim all --seeds 20 --jobs 2           every scenario
    python -m meshq.sim membership --nodes 1000 --seconds 60   membership alone, of nodes that know each other
    python -m meshq.sim --list                            what each scenario is for

Exit status: 0 nothing was violated, 4 something was, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from meshq.sim.gossip import GossipResult, run_gossip
from meshq.sim.run import NAMES, VIOLATED, Result, run
from meshq.sim.scenario import SCENARIOS

MEMBERSHIP = "membership"


def main(arguments: list[str] | None = None) -> int:
    """Play what the command line asks for; returns the exit status."""
    options = _parse(arguments)
    if options.list:
        for name in NAMES:
            print(f"{name:17} {SCENARIOS[name].why}\n")
        return 0
    if options.scenario == MEMBERSHIP:
        return _membership(options.nodes, options.seconds, options.seed or 1)
    names = list(NAMES) if options.scenario == "all" else [options.scenario]
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    jobs = [(name, options.nodes, seed, options.check_every) for name in names for seed in seeds]
    return _summary(_progress(_play(jobs, options.jobs), len(jobs)), options.reports)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m meshq.sim", description="Play scenarios over many seeds.")
    parser.add_argument("scenario", nargs="?", default="mixed", choices=[*NAMES, "all", MEMBERSHIP])
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--seed", type=int, help="this seed only")
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--check-every", type=int, default=50, help="turns between looks into the machines")
    parser.add_argument("--reports", type=int, default=1, help="failures told in full")
    parser.add_argument("--seconds", type=float, default=60.0, help="virtual time of the scenario membership")
    parser.add_argument("--list", action="store_true", help="say what each scenario is for")
    return parser.parse_args(arguments)


def _membership(nodes: int, virtual_s: float, seed: int) -> int:
    started = time.perf_counter()
    result: GossipResult = run_gossip(nodes, virtual_s, seed, crash_at_s=virtual_s / 2)
    wall_s = time.perf_counter() - started
    print(f"{nodes} nodes, {virtual_s:.0f} virtual s, seed {seed}: {wall_s:.1f} s, {result.events} events")
    print(f"one crash: detected after {result.detected_s} s, known to the last after {result.known_s} s")
    print(f"false deaths {result.counters.false_deaths}, suspicions {result.counters.suspicions}")
    print(f"{result.counters.bytes / nodes / virtual_s:.0f} bytes per node and second")
    print(result.disagreement or "all views are equal")
    return VIOLATED if result.disagreement or result.counters.false_deaths else 0


def _play(jobs: list[tuple[str, int, int, int]], processes: int) -> Iterator[Result]:
    if processes <= 1:
        yield from map(_job, jobs)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_job, jobs, chunksize=1)


def _job(job: tuple[str, int, int, int]) -> Result:
    name, nodes, seed, check_every = job
    return run(name, nodes, seed, check_every=check_every)


def _progress(results: Iterator[Result], total: int) -> Iterator[Result]:
    shown = sys.stderr.isatty()
    for done, result in enumerate(results, 1):
        if shown:
            print(f"\r{done}/{total} {result.scenario} seed {result.seed}   ", end="", file=sys.stderr, flush=True)
        yield result
    if shown:
        print(file=sys.stderr)


def _summary(results: Iterator[Result], reports: int) -> int:
    started = time.perf_counter()
    played: dict[str, list[Result]] = {}
    failed = 0
    for result in results:
        played.setdefault(result.scenario, []).append(result)
        if not result.ok:
            failed += 1
            print(f"seed {result.seed} of {result.scenario}: {result.violations[0].splitlines()[-1]}", flush=True)
            if failed <= reports:
                print(result.report(), flush=True)
    for name, runs in played.items():
        print(_line(name, runs))
    count = sum(map(len, played.values()))
    print(f"{count} runs, {failed} with violations, {time.perf_counter() - started:.1f} s")
    return VIOLATED if failed else 0


def _line(name: str, runs: list[Result]) -> str:
    totals = {key: sum(result.counters[key] for result in runs) for key in ("confirmed", "finished", "redelivered")}
    bad = [result.seed for result in runs if not result.ok]
    virtual_s = sum(result.virtual_s for result in runs)
    return (
        f"{name:17} {len(runs):5} runs {virtual_s:9.0f} virtual s  confirmed {totals['confirmed']:8} "
        f"finished {totals['finished']:8} redelivered {totals['redelivered']:7}  "
        + (f"VIOLATED by {len(bad)}: {bad[:12]}" if bad else "ok")
    )


if __name__ == "__main__":
    sys.exit(main())

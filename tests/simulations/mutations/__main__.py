"""``python -m tests.simulations.mutations``: see the package."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from meshq.sim.run import run
from tests.simulations.mutations import (
    credit,
    handover,
    keyed,
    lease,
    membership,
    names,
    node,
    order,
    queues,
    retention,
    store,
    verbs,
)
from tests.simulations.mutations.bug import BUGS
from tests.simulations.mutations.search import NODES, Outcome, search
from tests.simulations.mutations.table import put

PARTS = (credit, lease, membership, names, node, verbs, queues, store, retention, order, handover, keyed)


def main() -> int:
    """Search for what the command line names; 1 when a bug was not found."""
    options = _parse()
    if options.list:
        for bug in BUGS.values():
            print(f"{bug.part}: {bug.name}: {bug.words}")
        return 0
    missing = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        names = options.names or list(BUGS)
        jobs = [pool.submit(_search, name, options.seeds, options.budget_s) for name in names]
        for count, job in enumerate(as_completed(jobs), 1):
            outcome = job.result()
            missing += not outcome.found
            print(f"{count}/{len(jobs)} {_line(outcome)}", file=sys.stderr, flush=True)
            if not options.dry:
                put(outcome)
            if options.report and outcome.found:
                print(_report(outcome))
    return 1 if missing else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulations.mutations", description="Plant bugs, find them.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these bugs only; their rows are written anew")
    parser.add_argument("--seeds", type=int, default=2_000, help="how many of each scenario")
    parser.add_argument("--budget-s", type=float, default=600.0, help="processor seconds for one bug")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--report", action="store_true", help="the whole story of each run that found one")
    parser.add_argument("--dry", action="store_true", help="leave docs/simulation.md as it is")
    parser.add_argument("--list", action="store_true", help="say which bugs there are")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BUGS]:
        parser.error(f"no bug {unknown[0]}: --list says which there are")
    return options


def _search(name: str, seeds: int, budget_s: float) -> Outcome:
    return search(BUGS[name], seeds, budget_s)


def _line(outcome: Outcome) -> str:
    verdict = f"{outcome.checker} in {outcome.scenario} at seed {outcome.seed}: {outcome.finding}"
    if not outcome.found:
        verdict = f"NOT FOUND up to seed {outcome.seed}"
    return f"{outcome.bug}: {outcome.runs} runs, {outcome.cpu_s:.0f} s, {outcome.strikes} strikes: {verdict}"


def _report(outcome: Outcome) -> str:
    with BUGS[outcome.bug].planted():
        return run(outcome.scenario, NODES, outcome.seed).report()


if __name__ == "__main__":
    sys.exit(main())

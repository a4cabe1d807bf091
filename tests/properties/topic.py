"""Search long for what topic and channel do wrong: ``python -m tests.properties.topic --steps 1000000``.

In rounds of some ten thousand steps, each with a seed of its own (``--seed`` is the first), and a line after each.
A failure is made small and printed by Hypothesis; its round comes again with the seed that is named last.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.broken_topics import RARE, RULES, broken
from tests.properties.topic_machine import Steps, TopicMachine

STEPS: Final = 80
"""Of one example."""
EXAMPLES: Final = 160
"""Of one round."""
SEARCH = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    phases=[Phase.generate, Phase.shrink],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)


def search(number: int) -> int:
    """One round, by its seed; returns how many steps it did. Raises what the machine found wrong."""
    before = Steps.done
    # A seed is kept by the class it is given to: each round has a class of its own.
    machine = seed(number)(type("TopicMachine", (TopicMachine,), {}))
    run_state_machine_as_test(machine, settings=SEARCH)
    return Steps.done - before


def search_broken() -> int:
    """Break every rule in turn; the exit status is how many were not caught."""
    missed = 0
    for rule in (*RULES, *RARE):
        before, what = Steps.done, "NOT CAUGHT"
        try:
            with broken(rule):
                run_state_machine_as_test(
                    TopicMachine, settings=settings(SEARCH, max_examples=2_000, phases=[Phase.generate])
                )
        except (Exception, ExceptionGroup) as exc:
            what = f"{type(exc).__name__}: {str(exc)[:80]}"
        missed += what == "NOT CAUGHT"
        print(f"{rule}: {Steps.done - before:,} steps, {what}", flush=True)
    return missed


def main(arguments: list[str]) -> int:
    """Search until so many steps were done."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.topic", description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broken", action="store_true", help="break every rule in turn, and say when it is caught")
    chosen = parser.parse_args(arguments)
    if chosen.broken:
        return search_broken()
    done, number, began = 0, chosen.seed, time.monotonic()
    while done < chosen.steps:
        print(f"seed {number} ...", end="", flush=True)
        done += search(number)
        seconds = time.monotonic() - began
        print(f" {done:,} steps, {Steps.delivered:,} messages handed over, {seconds:.0f} s", flush=True)
        number += 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

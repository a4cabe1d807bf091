"""Plays a few simulations and prints their traces: run under two hash seeds, the lines must be the same."""

from __future__ import annotations

import sys

from meshq.sim.run import run

PLAYED = (("partition", 3), ("split-catalog", 4), ("mixed", 5))


def main() -> int:
    """Print scenario, seed, events and trace; 4 when a checker objected."""
    results = [run(name, 5, seed) for name, seed in PLAYED]
    for result in results:
        print(result.scenario, result.seed, result.events, "events", result.trace_hash)
        for violation in result.violations:
            print(violation, file=sys.stderr)
    return 0 if all(result.ok for result in results) else 4


if __name__ == "__main__":
    sys.exit(main())

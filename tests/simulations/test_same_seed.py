"""The same seed does the same, event for event, under any PYTHONHASHSEED; another seed does something else."""

from __future__ import annotations

import os
import subprocess
import sys

SHORT = """
from dataclasses import replace
from meshq.sim.run import play_scenario
from meshq.sim.scenario import SCENARIOS
for name, seed in (("mixed", 3), ("mixed", 4), ("split-catalog", 1)):
    short = replace(SCENARIOS[name], active_s=5.0, settle_s=10.0)
    result = play_scenario(short, 4, seed, check_every=1_000_000)
    print(result.trace_hash, result.events, result.counters)
"""


def test_three_hash_seeds_give_one_trace() -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SHORT],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2", "31337")
    ]
    outputs = [process.communicate(timeout=120)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0, 0]
    assert len(set(outputs)) == 1
    lines = outputs[0].splitlines()
    assert len(lines) == 3
    assert lines[0].split()[0] != lines[1].split()[0]

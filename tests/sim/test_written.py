"""A story written down is a program that plays it again, under any hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from meshq.sim.faults import Partition
from meshq.sim.network import Weather
from meshq.sim.scenario import SCENARIOS
from meshq.sim.shrink import Shrunk, play
from meshq.sim.stage import Settings
from meshq.sim.story import drawn
from meshq.sim.written import code, program, save


def shrunk(name: str) -> Shrunk:
    """Half a second of a scenario, as if it had been made small."""
    story = drawn(replace(SCENARIOS[name], active_s=0.5, settle_s=1.0), 3, 4)
    result = play(story)
    result.violations.insert(0, 'at 1.0 s: a machine failed:\nTraceback\n  """ \\n\nAssertionError: a "word"')
    return Shrunk(story, story, "NothingLost", result, 1, 1.0)


@pytest.mark.parametrize("name", ["lossy", "split-catalog", "resumed", "deferred-over-restarts"])
def test_a_written_story_leaves_the_same_trace_under_any_hash_seed(name: str, tmp_path: Path) -> None:
    found = shrunk(name)
    path = save(found, tmp_path)
    run = subprocess.run(
        [sys.executable, str(path)],
        env={**os.environ, "PYTHONHASHSEED": "31337"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stderr == ""
    assert f"trace {found.result.trace_hash}" in run.stdout


def test_it_says_what_was_found_and_how() -> None:
    text = program(shrunk("mixed"))
    for words in (
        "What `meshq sim mixed --nodes 3 --seed 4` found: NothingLost.",
        'AssertionError: a "word"',
        "def mixed_4(stage: Stage) -> list[Fault]:",
        'if __name__ == "__main__":',
    ):
        assert words in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_it_goes_into_the_folder_of_simulations_and_overwrites_nothing_else(tmp_path: Path) -> None:
    found = shrunk("mixed")
    assert save(found, tmp_path) == tmp_path / "mixed_4.py"
    (tmp_path / "simulations").mkdir()
    first = save(found, tmp_path)
    assert first == tmp_path / "simulations" / "mixed_4.py"
    assert save(found, tmp_path) == first
    first.write_text("# mine\n")
    assert save(found, tmp_path) == tmp_path / "simulations" / "mixed_4_2.py"
    assert first.read_text() == "# mine\n"


def test_a_value_is_written_without_what_is_the_default() -> None:
    assert code(Partition(at_s=1.0, groups=(("n1",), ("n2", "n3")))) == (
        'Partition(at_s=1.0, groups=(("n1",), ("n2", "n3")))'
    )
    assert code(Settings(weather=Weather(loss=0.5), zones=2)) == "Settings(weather=Weather(loss=0.5), zones=2)"

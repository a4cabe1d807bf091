"""The pytest plugin, as a project that has meshq installed meets it: pytest in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.architecture.source import REPOSITORY

PASSING = """
async def test_it(mesh):
    async with mesh.node("n2").subscribe("t", "c") as messages:
        await mesh.node("n1").publish("t", b"x")
        assert (await anext(messages)).body == b"x"
"""

FAILING = """
import random

async def test_it(mesh):
    mesh.note(f"draws {random.random()}")
    assert mesh.seed < 3
"""


def run_pytest(folder: Path, text: str, *arguments: str, status: int = 0, hash_seed: str = "0") -> str:
    """What pytest prints in a folder with one file of tests; its exit status is checked."""
    (folder / "test_service.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-rA", *arguments]
    run = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": hash_seed, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == status, run.stdout + run.stderr
    return run.stdout


def test_an_async_test_is_played_in_a_mesh_without_any_other_plugin(tmp_path: Path) -> None:
    assert "1 passed" in run_pytest(tmp_path, PASSING)


def test_each_seed_is_a_test_and_one_can_be_chosen(tmp_path: Path) -> None:
    assert "4 passed" in run_pytest(tmp_path, PASSING, "--meshq-seeds", "4")
    output = run_pytest(tmp_path, PASSING, "--meshq-seed", "77")
    assert "1 passed" in output
    assert "[seed77]" in output


def test_a_failure_tells_seed_timeline_and_how_to_repeat_it_and_so_it_repeats(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, FAILING, "--meshq-seeds", "4", status=1)
    assert "2 failed, 2 passed" in output
    assert "3 nodes, seed 3" in output
    assert "MemberJoined" in output
    again = re.search(r"repeat: pytest '(.*)' --meshq-seed (\d+)", output)
    assert again is not None
    assert again.groups() == ("test_service.py::test_it[seed3]", "3")
    drawn = {re.search(r"draws [\d.]+", output)}
    for hash_seed in ("1", "2"):
        repeated = run_pytest(tmp_path, FAILING, again[1], "--meshq-seed", again[2], status=1, hash_seed=hash_seed)
        assert "1 failed" in repeated
        traces = [re.search(r"seed 3, .* trace \w+", text) for text in (output, repeated)]
        assert traces[0] is not None
        assert traces[1] is not None
        assert traces[0][0] == traces[1][0]
        drawn.add(re.search(r"draws [\d.]+", repeated))
    assert len({found[0] for found in drawn if found is not None}) == 1


def test_the_mark_chooses_nodes_and_seeds(tmp_path: Path) -> None:
    text = """
import pytest

@pytest.mark.meshq(nodes=5, seeds=2)
async def test_it(mesh):
    assert len(await mesh.node("n5").members()) == 5
"""
    assert "2 passed" in run_pytest(tmp_path, text, "--strict-markers")


def test_a_mark_or_an_option_that_plays_nothing_is_an_error(tmp_path: Path) -> None:
    marked = "import pytest\n@pytest.mark.meshq({})\n" + PASSING.strip()
    for mark in ("5", "node=5", "seeds=0"):
        assert "meshq" in run_pytest(tmp_path, marked.format(mark), status=2) or mark == "seeds=0"
    run_pytest(tmp_path, PASSING, "--meshq-seeds", "-3", status=2)
    assert "[seed9]" in run_pytest(tmp_path, marked.format("seed=9"))


def test_a_test_that_is_not_async_runs_the_mesh_itself(tmp_path: Path) -> None:
    text = """
def test_it(mesh):
    async def main():
        return sorted(each["name"] for each in await mesh.node("n1").members())
    assert mesh.run(main()) == ["n1", "n2", "n3"]
"""
    assert "1 passed" in run_pytest(tmp_path, text)


def test_a_fixture_of_that_name_of_the_projects_own_is_left_alone(tmp_path: Path) -> None:
    text = """
import pytest

@pytest.fixture
def mesh():
    return "mine"

def test_it(mesh):
    assert mesh == "mine"
"""
    assert "1 passed" in run_pytest(tmp_path, text, "--meshq-seeds", "9")


def test_nothing_of_the_simulator_is_imported_before_a_test_asks_for_it(tmp_path: Path) -> None:
    text = """
import sys

def test_it():
    assert "meshq.testing.plugin" in sys.modules
    assert not [name for name in sys.modules if name.startswith("meshq.") and "testing" not in name]
"""
    assert "1 passed" in run_pytest(tmp_path, text)

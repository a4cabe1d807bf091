"""``meshq sim``: what it plays, what it says, and its exit status; failures are planted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from meshq.cli import run
from meshq.cli.measure import MEASURES
from meshq.sim import shrink
from meshq.sim.run import MEMBERSHIP, NAMES
from tests.pure import pure_only
from tests.sim.planted import leases_vanish

SHORT = ["forgetful-holder", "--nodes", "2"]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shrink, "WITHIN_S", 2.0)


def test_a_seed_that_holds_says_so_and_leaves_nothing_behind(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", *SHORT, "--seed", "3"]) == 0
    told = capfd.readouterr().out
    assert "forgetful-holder, 2 nodes, seed 3" in told
    assert "nothing was violated" in told
    assert not list(tmp_path.iterdir())


def test_several_seeds_are_a_table(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", MEMBERSHIP, "--seeds", "7", "--first", "4", "--jobs", "2"]) == 0
    told = capfd.readouterr().out
    assert [line.split()[:3] for line in told.splitlines() if line.startswith("member")] == [[MEMBERSHIP, "7", "420"]]
    assert "7 runs in" in told
    assert "0 with violations" in told


def test_json_is_one_document_with_every_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", *SHORT, "--seeds", "2", "--jobs", "1", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["failed"], told["small"], told["drawing"]) == (0, None, None)
    assert [each["seed"] for each in told["runs"]] == [1, 2]
    first = told["runs"][0]
    assert first["ok"] is True
    assert first["counters"]["finished"] > 50
    assert {"scenario", "nodes", "violations", "kinds", "trace", "faults", "virtual_s", "events"} < set(first)


def test_sizes_come_in_turn_and_a_seed_always_has_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    def played(*arguments: str) -> list[tuple[int, int]]:
        assert run(["sim", SHORT[0], "--nodes", "2-4", "--jobs", "1", "--json", *arguments]) == 0
        return [(each["seed"], each["nodes"]) for each in json.loads(capfd.readouterr().out)["runs"]]

    assert played("--seeds", "4") == [(1, 2), (2, 3), (3, 4), (4, 2)]
    assert played("--seeds", "2", "--first", "3") == [(3, 4), (4, 2)]
    assert played("--seed", "3") == [(3, 4)]


@pure_only
def test_a_failure_is_told_made_small_and_drawn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with leases_vanish():
        assert run(["sim", "crash-storm", "--nodes", "4", "--seed", "2", "--jobs", "1", "--draw", "run.svg"]) == 4
    told = capfd.readouterr().out
    assert "repeat: meshq sim crash-storm --nodes 4 --seed 2" in told
    assert "play it with: python crash_storm_2.py" in told
    assert "def crash_storm_2(" in (tmp_path / "crash_storm_2.py").read_text()
    assert " violation" in (tmp_path / "run.svg").read_text()


@pure_only
def test_a_failure_as_json_names_the_file_and_what_is_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with leases_vanish():
        arguments = [
            "sim",
            "crash-storm",
            "--nodes",
            "4",
            "--first",
            "2",
            "--seeds",
            "1",
            "--json",
            "--draw",
            "run.svg",
        ]
        assert run(arguments) == 4
    told = json.loads(capfd.readouterr().out)
    small = told["small"]
    assert (told["failed"], told["drawing"], small["file"]) == (1, "run.svg", "crash_storm_2.py")
    assert small["kind"] in told["runs"][0]["kinds"]
    assert told["runs"][0]["faults"][0]["fault"] == "Crash"
    for part in ("faults", "nodes", "clients", "messages"):
        before, after = small[part]
        assert before >= after
    ElementTree.parse(tmp_path / "run.svg")


def test_where_nothing_failed_nothing_is_drawn_unless_it_is_one_seed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["sim", *SHORT, "--seeds", "2", "--jobs", "1", "--draw", "run.svg"]) == 0
    assert "nothing failed, so nothing was drawn" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())
    assert run(["sim", *SHORT, "--seed", "1", "--draw", "run.svg"]) == 0
    assert "forgetful-holder: 2 nodes, seed 1" in (tmp_path / "run.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["partitoin"], "did you mean partition? `meshq sim --list`"),
        (["zzz"], "there is no scenario 'zzz': `meshq sim --list`"),
        (["mixed", "--seed", "1", "--seeds", "2"], "one or the other"),
        (["mixed", "--seed", "1", "--first", "2"], "one or the other"),
        (["mixed", "--seed", "-1"], "greater than or equal to 1"),
        (["mixed", "--first", "0"], "greater than or equal to 1"),
        (["mixed", "--nodes", "1"], "give a number from 2, or two as in 5-16"),
        (["mixed", "--nodes", "16-5"], "give a number from 2, or two as in 5-16"),
        (["mixed", "--nodes", "five"], "give a number from 2, or two as in 5-16"),
        (["detection", "--nodes", "5-16"], "so give one number"),
        (["mixed", "--seed", "1", "--draw", "nowhere/run.svg"], "there is no folder nowhere"),
        ([MEMBERSHIP, "--seed", "1", "--draw", "run.svg"], "can't be drawn"),
    ],
)
def test_wrong_use_says_what_is_right(arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", *arguments]) == 2
    told = capfd.readouterr()
    assert words in told.err
    assert told.out == ""


def test_the_list_says_what_each_scenario_is_for(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "--list"]) == 0
    told = capfd.readouterr().out
    assert all(name in told for name in (*NAMES, MEMBERSHIP))
    assert run(["sim", "--list", "--json"]) == 0
    found = {each["scenario"]: each["why"] for each in json.loads(capfd.readouterr().out)}
    assert list(found) == [*NAMES, MEMBERSHIP, *MEASURES]
    assert all("Breaks" in found[name] for name in NAMES)


def test_membership_alone_is_played_by_its_name(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", MEMBERSHIP, "--nodes", "20", "--seed", "1", "--json"]) == 0
    (told,) = json.loads(capfd.readouterr().out)["runs"]
    assert (told["nodes"], told["virtual_s"], told["violations"]) == (20, 60.0, [])
    assert 1000 < told["counters"]["detected_ms"] <= told["counters"]["known_ms"]


def test_ctrl_c_ends_every_process_without_a_traceback() -> None:
    command = [sys.executable, "-m", "meshq", "sim", "mixed", "--seeds", "1000", "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(children.read_text().split()) < 2:
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)

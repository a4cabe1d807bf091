"""The crash bench itself, a few rounds: real processes, real files, kill -9."""

from __future__ import annotations

import json

import pytest

from meshq.bench.crash.plan import plan
from meshq.bench.crash.round import Played, Work
from meshq.bench.crash.run import Outcome, Outcomes, play
from meshq.bench.crash.toll import Toll
from meshq.cli import run

SEED = 2026
WORK = Work("disk", size_bytes=200, batch=128, calls=16)


def quiet(_: str) -> None:
    """Nobody looks."""


@pytest.mark.parametrize("number", [1, 2, 3])
def test_nothing_confirmed_is_lost_whoever_is_killed(number: int) -> None:
    outcome = play(WORK, SEED, number, quiet)
    assert outcome.kept, (outcome, plan(SEED, number))
    assert outcome.played is not None
    assert outcome.played.toll.confirmed > 10_000


def test_nodes_without_a_store_lose_messages_and_the_bench_finds_them() -> None:
    outcome = play(Work("memory", 200, 128, 16), SEED, 1, quiet)
    assert outcome.played is not None, outcome.error
    assert outcome.played.toll.lost > 0
    assert not outcome.kept


def test_a_round_is_told_to_programs_with_its_plan(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "crash", "--rounds", "1", "--from", "7", "--seed", "5", "--level", "fsync", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["kept"], told["lost"], told["unfinished"], told["failed"]) == (True, 0, 0, [])
    (only,) = told["rounds"]
    assert (only["round"], only["seed"]) == (7, 5)
    assert [each["kind"] for each in only["accidents"]] == [each.kind for each in plan(5, 7)]
    assert told["redelivered"] == sum(only["redelivered"])
    assert told["host"]["file_system"]


def played(lost: int, *redelivered: int) -> Played:
    return Played(Toll(1000, lost, 5, list(redelivered), 0), [1.0, 2.0, 3.0])


def test_rounds_that_lost_or_could_not_be_played_are_named() -> None:
    rounds = [
        Outcome(1, SEED, played(0, 1, 2, 3)),
        Outcome(2, SEED, played(4, 0, 0, 0)),
        Outcome(3, SEED, None, "node bench-1 did not become ready"),
    ]
    outcomes = Outcomes(WORK, SEED, rounds)
    told = json.loads(json.dumps(outcomes.document()))
    assert (told["kept"], told["failed"], told["lost"], told["confirmed"]) == (False, [2, 3], 4, 2000)
    assert {kind: told["accidents"][kind]["kills"] for kind in told["accidents"]} == {
        "origin": 2, "consumer": 2, "both": 2,
    }  # fmt: skip
    assert "did not become ready" in rounds[2].line()
    assert "4 lost" in rounds[1].line()


def test_a_level_that_survives_no_crash_is_wrong_use(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "crash", "--level", "memory"]) == 2
    assert "disk" in capfd.readouterr().err

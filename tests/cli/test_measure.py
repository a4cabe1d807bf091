"""``meshq sim detection`` and its like: a table or a document, a page of curves, and an exit status that judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meshq.cli import run

SMALL = {"detection": 3, "accuracy": 8, "convergence": 50, "heal": 8, "reference": 3}


def judged(told: str) -> tuple[bool, list[dict[str, Any]]]:
    document = json.loads(told)
    return document["kept"], document["rows"]


@pytest.mark.parametrize("measure", SMALL)
def test_a_measure_judges_each_row_and_its_status_says_so(
    measure: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.svg"
    arguments = ["sim", measure, "--nodes", str(SMALL[measure]), "--seeds", "1", "--jobs", "1", "--json"]
    compared = measure in ("detection", "accuracy")
    status = run([*arguments, "--compare", "--plot", str(page)] if compared else arguments)
    kept, rows = judged(capfd.readouterr().out)
    assert status == (0 if kept else 4)
    assert kept == all(figure["holds"] is not False for row in rows for figure in row["figures"])
    profiles = {profile for row in rows for figure in row["figures"] for profile in figure["values"]}
    assert profiles == ({"memberlist", "lan"} if compared else {"memberlist" if measure == "reference" else "lan"})
    assert page.exists() == compared


def test_a_measure_is_a_table_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "detection", "--nodes", "3", "--seeds", "2", "--jobs", "2"]) in (0, 4)
    told = capfd.readouterr().out
    assert "silent host, 3 nodes" in told
    assert "known to all after, worst" in told
    assert "goals hold; 2 runs in" in told


def test_a_row_is_asked_for_by_the_beginning_of_its_title(capfd: pytest.CaptureFixture[str]) -> None:
    run(["sim", "accuracy", "--row", "starved, 1 of 8", "--jobs", "1", "--json"])
    assert [row["row"] for row in judged(capfd.readouterr().out)[1]] == ["starved, 1 of 8, 5 % loss"]


def test_a_measure_plays_other_seeds_if_asked_to(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[list[dict[str, Any]]] = []
    for first in ("1", "901", "901"):
        run(["sim", "detection", "--nodes", "3", "--seeds", "2", "--first", first, "--jobs", "1", "--json"])
        told.append(judged(capfd.readouterr().out)[1])
    ours, others, again = told
    assert [rows[0]["first"] for rows in told] == [1, 901, 901]
    assert others == again
    assert others[0]["figures"] != ours[0]["figures"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["detection", "--nodes", "4"], "give one of 3, 8, 32"),
        (["detection", "--seed", "4"], "a measure has --seeds, --first and --plot"),
        (["accuracy", "--row", "wet"], "give the beginning of one of '5 % loss, 50 nodes, UDP only'"),
        (["mixed", "--row", "wet"], "are for measures: detection"),
        (["mixed", "--compare"], "are for measures: detection"),
        (["detektion"], "did you mean detection?"),
        (["detection", "--nodes", "3", "--plot", "page.gif"], ".svg"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["sim", *arguments]) in (1, 2)
    assert said in capfd.readouterr().err

"""Every named scenario with a seed, under all checkers.

``MESHQ_SEEDS=300`` plays as many seeds of each; ``meshq sim SCENARIO --seeds 300`` does the same with a summary, and
makes small what fails.
"""

from __future__ import annotations

import os

import pytest

from meshq.sim.run import NAMES, run

SEEDS = int(os.environ.get("MESHQ_SEEDS", "1"))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_violated(name: str, seed: int) -> None:
    result = run(name, 5, seed)
    assert result.ok, result.report()
    assert result.counters["confirmed"] > 50
    assert result.counters["finished"] > 50


@pytest.mark.parametrize("nodes", [1, 2, 3])
@pytest.mark.parametrize("name", ["calm", "one-credit"])
def test_small_meshes_work_as_well(name: str, nodes: int) -> None:
    result = run(name, nodes, 1)
    assert result.ok, result.report()
    assert result.counters["finished"] > 50


def test_a_requeue_that_met_the_end_of_its_link_makes_nothing_early() -> None:
    """Lent on a session that had ended when its consumer asked for a delay: it comes back without one."""
    assert run("mixed", 5, 236).ok


def test_a_cursor_goes_on_when_late_finishes_take_what_it_waits_for() -> None:
    """It was hungry for messages that are finished over the next link; what comes after them is in memory already."""
    assert run("finish-after-restart", 5, 35).ok


def test_a_cursor_does_not_follow_a_batch_that_has_left_the_log_to_one_that_has_left_memory() -> None:
    """A late finish takes the batch at which a cursor stands, and lets the next one be put away."""
    assert run("spilling", 5, 17).ok


def test_what_was_lent_to_a_third_node_before_a_death_was_known_comes_without_the_attempt() -> None:
    """The origin had a new link to the third node before it had one to the dead node's next start."""
    assert run("power-storm", 5, 150).ok


def test_a_node_that_has_asked_nobody_yet_does_not_give_its_empty_catalog_for_the_meshs() -> None:
    """It was just started with seeds: whoever took its catalog served without knowing the channels."""
    assert run("mixed", 5, 141).ok

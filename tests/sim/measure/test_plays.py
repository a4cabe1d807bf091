"""Each course of a run, at a size that costs little: what befalls happens, and what came out has its names."""

from __future__ import annotations

import pytest

from meshq.membership.member import State
from meshq.sim.measure import plays
from meshq.sim.measure.ailments import AILMENTS
from meshq.sim.measure.cell import OURS, REFERENCE, Cell
from meshq.sim.measure.plays import PLAYS, Job, Run, play

NODES = 6
ENDS = ("silent", "slow_dies", "reset", "grid")
AGREE = ("join", "leave", "start", "crash", "restart", "partition")


@pytest.mark.parametrize("course", PLAYS)
def test_every_course_comes_to_something(course: str) -> None:
    outcome = play(
        Job(Cell(play=course, nodes=NODES, ailment="starved" if course == "slow_dies" else "", ill=1), OURS, 1)
    )
    if course in ENDS:
        assert 0.0 < outcome["first_s"] <= outcome["known_s"] < 60.0
    if course in AGREE:
        assert 0.0 < outcome["agreed_s"] < 60.0
    else:
        assert outcome["bytes_per_node_s"] > 10.0
        assert outcome["node_hours"] > 0.0


@pytest.mark.parametrize("ailment", AILMENTS)
def test_every_ailment_befalls_a_mesh_that_goes_on(ailment: str) -> None:
    run = Run(Job(Cell(play="watched", nodes=NODES, ailment=ailment, ill=2), OURS, 3))
    run.open()
    run.world.run_until(30.0)
    assert len(run.gossip.running) == NODES
    well = Run(Job(Cell(play="watched", nodes=NODES), OURS, 3))
    well.open()
    well.world.run_until(30.0)
    assert run.world.hash() != well.world.hash()


def test_the_same_seed_gives_the_same_outcome() -> None:
    cell = Cell(play="grid", nodes=NODES, loss=0.05, ailment="starved", ill=1)
    one, again, other = (play(Job(cell, REFERENCE, seed)) for seed in (1, 1, 2))
    assert one == again != other


def test_a_false_death_counts_once_however_many_hold_it() -> None:
    run = Run(Job(Cell(play="watched", nodes=NODES, ailment="starved", ill=1), REFERENCE, 1))
    run.open()
    run.ill[0].pause()
    run.world.run_until(60.0)
    held = [node for node in run.well if node.machine and node.machine.members[run.ill[0].name].state is State.DEAD]
    assert len(held) == NODES - 2
    assert (run.watch.suspicions, run.watch.deaths) == (1, 1)


def test_the_end_of_one_who_ended_is_not_false() -> None:
    outcome = play(Job(Cell(play="silent", nodes=NODES), REFERENCE, 2))
    assert (outcome["suspicions"], outcome["deaths"]) == (0, 0)


@pytest.mark.parametrize("share_from", [1, 1_000])
def test_what_nodes_consume_is_known_to_all_and_costs_nothing_from_then_on(
    share_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plays, "SHARE_FROM", share_from)
    consuming, idle = (play(Job(Cell(play=name, nodes=6), OURS, 1)) for name in ("interest", "idle"))
    assert consuming["pairs"] == 600
    assert consuming["replicated_s"] < 2.0
    assert consuming["given_up"] == consuming["rumours"] == 0
    assert consuming["idle_bytes"] < 1.2 * idle["bytes_per_node_s"]


def test_a_mesh_that_shares_what_is_alike_sends_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = []
    for share_from in (1, 1_000):
        monkeypatch.setattr(plays, "SHARE_FROM", share_from)
        outcome = play(Job(Cell(play="interest", nodes=5), OURS, 2))
        outcomes.append({name: value for name, value in outcome.items() if name != "megabytes"})
    assert outcomes[0] == outcomes[1]

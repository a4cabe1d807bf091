"""Faults happen and end when they say, and a plan is repeated from its words. What each does: test_every_fault."""

from __future__ import annotations

from random import Random

import pytest

from meshq.sim import faults, swarm
from meshq.sim.faults import Crash, Fault, OneWay, Partition, Pause, Slow, Starve, Storm
from meshq.sim.network import Weather
from tests.sim.parrot import parrot, parrots

EVERY = (
    Partition(at_s=1.0, for_s=1.0, groups=(("a",), ("b",))),
    OneWay(at_s=1.0, for_s=1.0, source="a", target="b"),
    Storm(at_s=1.0, for_s=1.0, weather=Weather(loss=1.0)),
    Pause(at_s=1.0, for_s=1.0, node="b"),
    Starve(at_s=1.0, for_s=1.0, node="b", least_s=0.9, most_s=1.0),
    Slow(at_s=1.0, for_s=1.0, node="b", turn_s=0.9),
    Crash(at_s=1.0, for_s=1.0, node="b"),
    Crash(at_s=1.0, for_s=1.0, node="b", host=True, disk="lost"),
)


@pytest.mark.parametrize("fault", EVERY, ids=lambda fault: type(fault).__name__)
def test_a_fault_is_felt_while_it_lasts_and_not_before_or_after(fault: Fault) -> None:
    fleet = parrots()
    start = fleet.world.now
    faults.schedule(fleet, [fault], start)
    heard = []
    for when in (0.5, 1.5, 4.5):
        fleet.world.run_until(start + when)
        machine = parrot(fleet, "b") if fleet.hosts["b"].running else None
        before = len(machine.datagrams()) if machine else 0
        fleet.hosts["a"].call("send", fleet.address("b"), b"x")
        fleet.world.run_until(start + when + 0.3)
        heard.append(len(machine.datagrams()) - before if machine else 0)
    assert heard == [1, 0, 1]


def test_calming_down_ends_every_fault_that_lasts() -> None:
    fleet = parrots()
    for fault in EVERY[:6]:
        fault.begin(fleet)
    fleet.calm_down()
    fleet.hosts["a"].call("send", fleet.address("b"), b"x")
    fleet.world.run_until(1.0)
    assert parrot(fleet, "b").datagrams() == [b"x"]


def test_a_drawn_plan_is_the_seeds_and_can_be_written_down() -> None:
    def plan(seed: int) -> list[Fault]:
        rng = Random(seed)
        return swarm.draw(rng, "abcde", swarm.KINDS, count=60, within_s=30.0)

    assert plan(1) == plan(1) != plan(2)
    assert plan(1) == sorted(plan(1), key=lambda fault: fault.at_s)
    names = {**vars(faults), "Weather": Weather}
    assert [eval(repr(fault), names) for fault in plan(1)] == plan(1)
    assert all(str(fault).startswith("at ") for fault in plan(1))


def test_a_swarm_takes_some_kinds_and_over_many_seeds_all() -> None:
    swarms = [swarm.kinds(Random(seed)) for seed in range(100)]
    assert all(1 <= len(kinds) <= 4 for kinds in swarms)
    assert {kind for kinds in swarms for kind in kinds} == set(swarm.KINDS)

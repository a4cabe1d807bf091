"""Rounds of probes: begun together, each member at its own place in them, however the clocks of nodes differ."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from meshq.config import membership_profile
from meshq.machine.effects import Address
from meshq.membership.member import State
from meshq.membership.membership import Membership
from meshq.membership.rounds import NEXT, ahead
from meshq.sim.gossip import Gossip
from meshq.sim.measure.cell import Cell
from meshq.wire import gossip
from meshq.wire.gossip import Ping
from tests.membership.desk import Desk, member

LAN = replace(membership_profile("lan"), grace_s=0.0)
INTERVAL_S = LAN.probe_interval_s


def due(desk: Desk) -> float:
    """When the desk's machine begins its next probe."""
    at = desk.machine._view.timers.due_at(NEXT)
    assert at is not None
    return at


def hears(desk: Desk, number: int) -> None:
    """A ping of a member in that round comes in now."""
    desk.hear(gossip.ping(1, "m2", "home", desk.machine.digest(), 0, number, []), member(2).address)


def begun(settled_s: float = 30.0) -> Desk:
    """A machine with nine others, some rounds on."""
    desk = Desk(others=9, settings=LAN)
    desk.run(settled_s)
    desk.machine.effects()
    return desk


def _recorded(mesh: Gossip, machine: Membership, probes: list[tuple[float, str]]) -> Any:
    """What the machine does with a Ping, keeping when it came and from whom if its sender's turn had come."""
    right = machine._packets[Ping]

    def take(now: float, ping: Ping, source: Address, via: int | None) -> None:
        sender = mesh.nodes[ping.source].machine
        if sender is not None and ping.round == sender._view.round:
            probes.append((mesh.world.now, ping.source))
        right(now, ping, source, via)

    return take


@pytest.mark.parametrize("nodes", [3, 8])
def test_probes_of_a_member_are_an_interval_apart_whoever_sends_them(nodes: int) -> None:
    """Clocks have nothing in common, and each node begins to count at a moment of its own."""
    mesh = Gossip(3, nodes, config=lambda name: Cell(play="", nodes=nodes).config("lan", name))
    probes: dict[str, list[tuple[float, str]]] = {name: [] for name in mesh.nodes}
    mesh.start_knowing_each_other()
    for node in mesh.running:
        assert node.machine is not None
        node.machine._packets[Ping] = _recorded(mesh, node.machine, probes[node.name])
    mesh.world.run_until(40.0)
    for told in probes.values():
        late = [at for at, _ in told if at > 20.0]
        assert len(late) >= 19
        assert len({source for _, source in told}) == nodes - 1
        assert [second - first for first, second in pairwise(late)] == pytest.approx(
            [INTERVAL_S] * (len(late) - 1), abs=0.02
        )


def test_who_is_behind_follows_a_round_that_began_before_its_own() -> None:
    desk = begun()
    planned = due(desk)
    hears(desk, desk.machine._view.round + 1)
    assert due(desk) < planned


def test_a_ping_that_is_late_or_out_of_turn_sets_nobody_back_and_nobody_forward() -> None:
    desk = begun()
    planned = due(desk)
    for number in (desk.machine._view.round - 1, desk.machine._view.round_before, 0):
        hears(desk, number)
        assert due(desk) == planned
    desk.now += INTERVAL_S * 0.9
    hears(desk, desk.machine._view.round)
    assert due(desk) <= planned


def test_no_round_follows_sooner_than_half_an_interval_whatever_is_told() -> None:
    desk = begun()
    before = desk.machine.counters.probes
    for tenth in range(100):
        hears(desk, 1_000 + 7 * tenth)
        desk.run(0.1)
    assert desk.machine.counters.probes - before <= 1.25 * 2 * 10 + 2


def test_a_node_that_stood_still_does_not_make_up_for_the_rounds_that_it_missed() -> None:
    desk = begun()
    desk.now += 20.0
    before = desk.machine.counters.probes
    desk.run(1.99 * INTERVAL_S)
    assert desk.machine.counters.probes - before <= 5


def test_who_is_forgotten_before_its_turn_is_passed_over() -> None:
    desk = Desk(others=2, settings=replace(LAN, dead_max=0))
    desk.run(10.0)
    for name in ("m1", "m2"):
        claim = member(int(name[1:]), state=State.LEFT).claim(name)
        desk.hear(gossip.gossip(name, [claim]), member(int(name[1:])).address)
    assert list(desk.machine.members) == ["home"]
    desk.run(5.0)
    assert due(desk) > desk.now


def test_rounds_are_counted_on_from_0() -> None:
    assert ahead(5, 4) == 1
    assert ahead(4, 4) == 0
    assert ahead(4, 5) == -1
    assert ahead(0, (1 << 32) - 1) == 1
    assert ahead((1 << 32) - 1, 0) == -1

"""A host gives its machine turns, clocks, pauses and crashes as the driver's contract has them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.sim.parrot import parrot, parrots


def test_a_deadline_is_met_on_time() -> None:
    fleet = parrots(1)
    fleet.hosts["a"].call("tick_every", 1.0)
    fleet.world.run_until(10.5)
    times = parrot(fleet, "a").times("tick")
    assert len(times) == 10
    assert [round(later - sooner, 6) for sooner, later in pairwise(times)] == [1.0] * 9


def test_a_pause_lets_inputs_queue_up_and_reads_them_before_the_late_timer() -> None:
    fleet = parrots()
    fleet.hosts["b"].call("tick_every", 1.0)
    fleet.world.run_until(1.5)
    fleet.hosts["b"].pause()
    for number in range(3):
        fleet.world.after(number, fleet.hosts["a"].call, "send", fleet.address("b"), bytes([number]))
    fleet.world.run_until(6.5)
    assert parrot(fleet, "b").datagrams() == []
    before = len(parrot(fleet, "b").log)
    fleet.hosts["b"].resume()
    fleet.world.run_until(6.6)
    assert parrot(fleet, "b").kinds()[before:] == ["datagram", "datagram", "datagram", "tick"]


def test_a_deadline_that_is_just_due_comes_before_the_input_of_its_turn() -> None:
    fleet = parrots()
    fleet.hosts["b"].call("tick_every", 1.0)
    fleet.world.run_until(0.5)
    host = fleet.hosts["b"]
    host.turn_s = 0.05
    due = parrot(fleet, "b").deadline()
    assert due is not None
    fleet.world.at(due - host.clock.base_s - 0.01, host.call, "send", fleet.address("a"), b"x")
    fleet.world.at(due - host.clock.base_s - 0.01, fleet.datagrams.send, host.address, host.address, b"y")
    fleet.world.run_until(1.2)
    assert parrot(fleet, "b").kinds()[-2:] == ["tick", "datagram"]


def test_a_starved_reader_reads_late_and_in_order_with_its_timers_on_time() -> None:
    fleet = parrots()
    host = fleet.hosts["b"]
    host.call("tick_every", 1.0)
    fleet.world.run_until(0.1)
    host.lag_s = (0.5, 2.5)
    for number in range(20):
        fleet.world.at(1.0 + 0.1 * number, fleet.datagrams.send, fleet.address("a"), host.address, bytes([number]))
    fleet.world.run_until(10.0)
    machine = parrot(fleet, "b")
    assert machine.datagrams() == [bytes([number]) for number in range(20)]
    arrived = [at - host.clock.base_s for at in machine.times("datagram")]
    assert all(late - (1.0 + 0.1 * number) >= 0.5 for number, late in enumerate(arrived))
    assert max(late - (1.0 + 0.1 * number) for number, late in enumerate(arrived)) < 2.6
    ticks = machine.times("tick")
    assert max(later - sooner for sooner, later in pairwise(ticks)) < 1.01


def test_a_full_receive_buffer_drops_the_newest_datagrams() -> None:
    fleet = parrots()
    fleet.hosts["b"].pause()
    for _ in range(3000):
        fleet.datagrams.send(fleet.address("a"), fleet.address("b"), bytes(1400))
    fleet.world.run_until(1.0)
    fleet.hosts["b"].resume()
    fleet.world.run_until(2.0)
    assert len(parrot(fleet, "b").datagrams()) == 4 * 1024 * 1024 // 1400 == 2995
    assert fleet.hosts["b"].counters.dropped == 5


def test_hosts_do_not_share_a_monotonic_clock_but_agree_on_the_wall() -> None:
    fleet = parrots()
    (_, a_now, a_wall), (_, b_now, b_wall) = parrot(fleet, "a").log[0], parrot(fleet, "b").log[0]
    assert a_now != b_now
    assert a_wall == b_wall


def test_a_wall_clock_that_jumps_or_drifts_is_told() -> None:
    fleet = parrots(1)
    host = fleet.hosts["a"]
    host.call("tick_every", 0.1)
    host.skew(-5.0, drift=0.01)
    fleet.world.run_until(0.02)
    (told,) = [entry for entry in parrot(fleet, "a").log if entry[0] == "wall"]
    (_, started, wall) = parrot(fleet, "a").log[0]
    assert isinstance(told[1], float)
    assert isinstance(told[2], int)
    assert isinstance(wall, int)
    assert isinstance(started, float)
    assert (told[2] - wall) / 1e9 - (told[1] - started) == pytest.approx(-5.0, abs=0.01)
    fleet.world.run_until(20.0)
    assert len([entry for entry in parrot(fleet, "a").log if entry[0] == "wall"]) == 1 + 3


def test_a_restart_has_a_later_epoch_and_draws_of_its_own() -> None:
    fleet = parrots(1)
    first = parrot(fleet, "a").started
    fleet.hosts["a"].skew(-5.0)
    fleet.crash("a")
    fleet.world.run_until(2.0)
    fleet.restart("a")
    second = parrot(fleet, "a").started
    assert second.epoch.ms == first.epoch.ms + 1
    assert second.epoch.nonce != first.epoch.nonce
    assert second.rng.random() != first.rng.random()


def test_a_crashed_machine_hears_nothing_of_before() -> None:
    fleet = parrots(1)
    fleet.hosts["a"].call("resolve", 1, "a")
    fleet.hosts["a"].call("tick_every", 0.5)
    fleet.world.run_until(0.011)
    fleet.crash("a")
    fleet.restart("a")
    fleet.world.run_until(2.0)
    assert parrot(fleet, "a").kinds() == ["start"]


def test_names_resolve_to_addresses_and_unknown_ones_to_none() -> None:
    fleet = parrots(2)
    fleet.hosts["a"].call("resolve", 1, "b")
    fleet.hosts["a"].call("resolve", 2, "nobody")
    fleet.world.run_until(1.0)
    answers = {entry[2]: entry[3] for entry in parrot(fleet, "a").log if entry[0] == "resolved"}
    assert answers == {1: [fleet.address("b")], 2: []}


def test_a_machine_that_stops_ends_its_process_cleanly() -> None:
    fleet = parrots()
    fleet.hosts["a"].call("dial", 100, fleet.address("b"))
    fleet.world.run_until(0.5)
    fleet.hosts["a"].call("stop")
    fleet.world.run_until(1.0)
    host = fleet.hosts["a"]
    assert not host.running
    assert host.stopped is not None
    assert host.stopped.messages_left == 3
    assert fleet.events[-1][1:] == ("a", "goodbye")
    assert parrot(fleet, "b").ends_of(3) == ["eof"]


def test_a_machine_whose_deadline_never_moves_is_caught_spinning() -> None:
    fleet = parrots(1)
    fleet.hosts["a"].call("tick_every", 0.0)
    with pytest.raises(AssertionError, match="spins"):
        fleet.world.run_until(5.0)

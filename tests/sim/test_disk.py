"""The disk answers when it says so, and forgets exactly what a crash may take."""

from __future__ import annotations

from meshq.sim.disk import Disk
from meshq.sim.world import World
from tests.sim.parrot import parrot, parrots


def written(sync: bool = False) -> tuple[World, Disk, list[str]]:
    """A disk with one synced row, one that is committed only, and one on its way."""
    world, answered = World(1), list[str]()
    disk = Disk(world, latency_s=0.01, sync_s=1.0, sync=sync)
    disk.write(["synced"], lambda: answered.append("synced"))
    world.run_until(2.0)
    disk.write(["committed"], lambda: answered.append("committed"))
    world.run_until(2.5)
    disk.write(["on its way"], lambda: answered.append("on its way"))
    return world, disk, answered


def test_a_write_is_answered_once_committed_or_once_synced() -> None:
    assert written()[2] == ["synced", "committed"]
    assert written(sync=True)[2] == ["synced"]


def test_a_crash_of_the_process_keeps_what_is_committed() -> None:
    world, disk, answered = written()
    disk.process_died()
    world.run_until(9.0)
    assert disk.rows == ["synced", "committed"]
    assert answered == ["synced", "committed"]


def test_a_power_loss_keeps_only_what_is_synced() -> None:
    world, disk, answered = written()
    disk.power_lost()
    world.run_until(9.0)
    assert disk.rows == ["synced"]
    assert answered == ["synced", "committed"]


def test_what_was_answered_by_a_syncing_disk_survives_every_power_loss() -> None:
    world, disk, answered = written(sync=True)
    world.run_until(3.02)
    disk.power_lost()
    assert set(answered) <= set(disk.rows)
    assert disk.rows == ["synced", "committed"]


def test_a_lost_disk_is_empty_and_knows_no_epoch() -> None:
    _, disk, _ = written()
    assert disk.next_epoch(1000) == 1000
    disk.become("lost")
    assert disk.rows == []
    assert disk.next_epoch(10) == 10


def test_epochs_rise_whatever_the_clock_says() -> None:
    disk = Disk(World(1))
    assert [disk.next_epoch(ms) for ms in (1000, 5, 5, 2000)] == [1000, 1001, 1002, 2000]


def test_a_machine_hears_stored_unless_its_process_died_first() -> None:
    fleet = parrots(2)
    for name in "ab":
        fleet.hosts[name].call("store", 7, ["row"])
    fleet.world.run_until(fleet.world.now + 0.000_5)
    fleet.crash("b")
    fleet.restart("b")
    fleet.world.run_until(1.0)
    assert "stored" in parrot(fleet, "a").kinds()
    assert "stored" not in parrot(fleet, "b").kinds()
    assert (fleet.hosts["a"].disk.rows, fleet.hosts["b"].disk.rows) == (["row"], [])

"""The disk answers when it says so, and forgets exactly what a crash may take."""

from __future__ import annotations

from meshq.machine.effects import Load, Store
from meshq.machine.store import BatchRow, Gone, Put, Row
from meshq.names import LogId
from meshq.sim.disk import FULL, Disk
from meshq.sim.world import World
from tests.sim.parrot import parrot, parrots

LOG = LogId("n1", 1, 2, 1, 0)


def note(text: str) -> Put:
    return Put("note", text, b"")


def batch(first: int, due_ns: int = 0) -> BatchRow:
    return BatchRow("orders", LOG, first, 1, b"\x81\x41a", 1, due_ns, 0)


def notes(disk: Disk) -> list[str]:
    """What a start would find."""
    return [put.key for put in disk.recovered().puts]


class Desk:
    """Somebody who writes, and keeps the answers."""

    def __init__(self) -> None:
        self.world = World(1)
        self.disk = Disk(self.world, latency_s=0.01, sync_s=0.5, flush_s=4.0)
        self.answers: list[tuple[str, str]] = []
        self.health: list[str] = []
        self.disk.told = self.health.append

    def write(self, name: str, *rows: Row, sync: bool = False, tied: int = 0) -> None:
        self.disk.write(Store(0, [note(name), *rows], sync, tied), lambda why: self.answers.append((name, why)))

    def run(self, for_s: float) -> None:
        self.world.run_until(self.world.now + for_s)


def three() -> Desk:
    """A desk with one synced write, one that is committed only, and one on its way."""
    desk = Desk()
    desk.write("synced", sync=True)
    desk.run(1.0)
    desk.write("committed")
    desk.run(1.0)
    desk.write("on its way")
    desk.run(0.005)
    return desk


def test_a_write_is_answered_once_committed_or_if_it_asks_for_that_once_synced() -> None:
    desk = Desk()
    desk.write("plain")
    desk.run(0.011)
    assert desk.answers == [("plain", "")]
    desk.write("sync", sync=True)
    desk.run(0.4)
    assert notes(desk.disk) == ["plain", "sync"]
    assert desk.answers == [("plain", "")]
    desk.run(0.2)
    assert desk.answers == [("plain", ""), ("sync", "")]


def test_what_waits_while_one_write_is_synced_is_the_next_transaction_and_answers_keep_their_order() -> None:
    desk = Desk()
    for name, sync in (("a", True), ("b", False), ("c", True), ("d", False)):
        desk.write(name, sync=sync)
        desk.run(0.02)
    assert (desk.answers, notes(desk.disk)) == ([], ["a"])
    desk.run(5.0)
    assert [name for name, _ in desk.answers] == ["a", "b", "c", "d"] == notes(desk.disk)


def test_a_crash_of_the_process_keeps_what_is_committed() -> None:
    desk = three()
    desk.disk.process_died()
    desk.run(9.0)
    assert notes(desk.disk) == ["synced", "committed"]
    assert desk.answers == [("synced", ""), ("committed", "")]


def test_a_power_loss_keeps_only_what_is_synced() -> None:
    desk = three()
    desk.disk.power_lost()
    desk.run(9.0)
    assert notes(desk.disk) == ["synced"]


def test_a_power_loss_between_commit_and_sync_takes_what_was_not_answered() -> None:
    desk = three()
    desk.write("sync", sync=True)
    desk.run(0.1)
    assert notes(desk.disk)[-1] == "sync"
    desk.disk.power_lost()
    assert notes(desk.disk) == ["synced"]
    assert [name for name, _ in desk.answers] == ["synced", "committed"]


def test_one_write_that_asks_for_it_syncs_all_that_was_committed_before() -> None:
    desk = three()
    desk.write("sync", sync=True)
    desk.run(1.0)
    desk.disk.power_lost()
    assert notes(desk.disk) == ["synced", "committed", "on its way", "sync"]


def test_what_nobody_wants_synced_is_synced_all_the_same_after_a_while() -> None:
    desk = three()
    assert desk.disk.safe_at < 1.0
    desk.run(6.0)
    assert desk.disk.safe_at > 2.0
    desk.disk.power_lost()
    assert notes(desk.disk) == ["synced", "committed", "on its way"]


def test_a_disk_keeps_no_more_than_its_rows_and_what_is_not_synced() -> None:
    desk = Desk()
    for number in range(1, 2_000):
        desk.write("again", batch(number), Gone("orders", LOG, 1, number))
        desk.run(0.02)
    assert len(desk.disk._unsynced) < 250
    for shelf in (desk.disk.committed, desk.disk.synced):
        log = shelf.logs["orders", LOG]
        assert len(log.batches) < 250
        assert len(log._all._firsts) < 600


def test_a_lost_disk_is_empty_and_knows_no_epoch() -> None:
    desk = three()
    assert desk.disk.next_epoch(1000) == 1000
    desk.disk.become("lost")
    assert notes(desk.disk) == []
    assert desk.disk.losses == [(desk.world.now, desk.world.now, True)]
    assert desk.disk.next_epoch(10) == 10


def test_epochs_rise_whatever_the_clock_says() -> None:
    disk = Disk(World(1))
    assert [disk.next_epoch(ms) for ms in (1000, 5, 5, 2000)] == [1000, 1001, 1002, 2000]


def test_a_process_that_ends_in_order_leaves_nothing_unwritten() -> None:
    desk = three()
    desk.disk.close()
    assert notes(desk.disk) == ["synced", "committed", "on its way"]
    desk.disk.power_lost()
    assert notes(desk.disk) == ["synced", "committed", "on its way"]


def test_a_full_disk_refuses_batches_keeps_the_other_rows_and_takes_them_when_there_is_room() -> None:
    desk = Desk()
    desk.disk.full = True
    desk.write("with a batch", batch(1))
    desk.write("without")
    desk.run(0.02)
    assert desk.answers == [("with a batch", FULL)]
    assert desk.health == [FULL]
    desk.run(1.0)
    assert notes(desk.disk) == []
    desk.disk.full = False
    desk.run(0.5)
    assert desk.health == [FULL, ""]
    assert desk.answers == [("with a batch", FULL), ("without", "")]
    assert notes(desk.disk) == ["with a batch", "without"]
    assert desk.disk.recovered().logs == []
    desk.write("later", batch(2))
    desk.run(0.02)
    assert desk.answers[-1] == ("later", "")
    assert desk.disk.recovered().logs[0].ready == [(2, 3)]


def test_what_is_tied_to_a_batch_is_refused_with_it() -> None:
    desk = Desk()
    desk.disk.full = True
    desk.write("refused", batch(1), note("tied"), tied=1)
    desk.write("kept", note("alone"), tied=1)
    desk.run(0.5)
    desk.disk.full = False
    desk.run(0.5)
    assert desk.answers == [("refused", FULL), ("kept", "")]
    assert notes(desk.disk) == ["refused", "kept", "alone"]


def test_a_full_disk_that_has_nothing_to_write_still_finds_out_when_it_has_room() -> None:
    desk = Desk()
    desk.disk.full = True
    desk.disk.write(Store(0, [batch(1)]), lambda why: desk.answers.append(("only a batch", why)))
    desk.run(3.0)
    desk.disk.full = False
    desk.run(0.5)
    assert desk.health == [FULL, ""]
    assert desk.answers == [("only a batch", FULL)]


def test_a_slow_disk_takes_so_much_longer_to_write_and_to_read() -> None:
    desk = Desk()
    desk.disk.slow_s = 1.0
    read: list[BatchRow] = []
    desk.write("slow", batch(1))
    desk.run(1.0)
    assert desk.answers == []
    desk.run(0.02)
    assert desk.answers == [("slow", "")]
    desk.disk.read(Load(1, "orders", LOG, 1, 2, 100), read.extend)
    desk.run(1.0)
    assert read == []
    desk.run(0.02)
    assert read == [batch(1)]


def test_a_machine_hears_stored_unless_its_process_died_first() -> None:
    fleet = parrots(2)
    for name in "ab":
        fleet.hosts[name].call("store", 7, [note("row")])
    fleet.world.run_until(fleet.world.now + 0.000_5)
    fleet.crash("b")
    fleet.restart("b")
    fleet.world.run_until(1.0)
    assert "stored" in parrot(fleet, "a").kinds()
    assert "stored" not in parrot(fleet, "b").kinds()
    assert (notes(fleet.hosts["a"].disk), notes(fleet.hosts["b"].disk)) == (["row"], [])


def test_a_machine_is_given_what_its_disk_kept_and_loads_it() -> None:
    fleet = parrots(1)
    fleet.hosts["a"].call("store", 7, [batch(1), batch(2), note("row")])
    fleet.world.run_until(1.0)
    fleet.crash("a")
    fleet.restart("a")
    recovered = parrot(fleet, "a").started.recovered
    assert recovered is not None
    assert (recovered.logs[0].ready, recovered.puts) == ([(1, 3)], [note("row")])
    fleet.hosts["a"].call("load", Load(9, "orders", LOG, 2, 3, 100))
    fleet.world.run_until(2.0)
    assert [entry[2:] for entry in parrot(fleet, "a").log if entry[0] == "loaded"] == [(9, [batch(2)])]

"""Every fault does what it says, no more, and no longer.

A table in the form of tests: ``shows`` names the fault and those of its settings that a test is about. The last tests
hold the table against the code: a fault, a setting, a fate of a disk or a kind of the swarm that no test shows fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from inspect import isabstract
from itertools import pairwise
from math import sqrt
from random import Random
from typing import Any, TypeVar, get_args

import pytest

from meshq.machine.store import Put
from meshq.sim import faults, swarm
from meshq.sim.disk import Fate
from meshq.sim.ends import GIVE_UP_S, WINDOW_BYTES
from meshq.sim.faults import (
    Crash,
    DiskFull,
    Drain,
    Fault,
    Flap,
    LinkCut,
    OneWay,
    Partition,
    Pause,
    Skew,
    Slow,
    SlowDisk,
    SlowReader,
    Starve,
    Storm,
)
from meshq.sim.fleet import Fleet
from meshq.sim.host import TURN_S
from meshq.sim.network import LAN, Weather
from meshq.sim.streams import DIAL_S_MAX
from tests.sim.parrot import Parrot, parrot, parrots

T = TypeVar("T")
SHOWN: dict[type[Fault], list[str]] = {}
WHOM = ("at_s", "for_s", "node", "one", "other", "groups")
DIALLED, ACCEPTED = 100, 3


def shows(kind: type[Fault], *settings: str) -> Callable[[T], T]:
    """The decorated test shows what this fault does, and these of its settings."""
    SHOWN.setdefault(kind, []).extend(settings)
    return lambda test: test


def plan(fleet: Fleet, *happen: Fault) -> None:
    """Let the faults happen, their times counted from now."""
    faults.schedule(fleet, happen, fleet.world.now)


def run(fleet: Fleet, for_s: float) -> None:
    fleet.world.run_until(fleet.world.now + for_s)


def sent(fleet: Fleet, source: str, target: str, count: int = 10, *, within_s: float = 1.0, size: int = 4) -> int:
    """How many of ``count`` datagrams arrive in time."""
    before = len(parrot(fleet, target).datagrams())
    for number in range(count):
        fleet.datagrams.send(fleet.address(source), fleet.address(target), number.to_bytes(size, "big"))
    run(fleet, within_s)
    return len(parrot(fleet, target).datagrams()) - before


def joined(fleet: Fleet) -> Fleet:
    """``a`` has dialled ``b`` under DIALLED, and ``b`` knows the stream as ACCEPTED and does not answer."""
    parrot(fleet, "b").answers = False
    fleet.hosts["a"].call("dial", DIALLED, fleet.address("b"))
    run(fleet, 0.1)
    assert parrot(fleet, "a").times("connected")
    return fleet


def write(fleet: Fleet, source: str, stream: int, data: bytes, for_s: float = 1.0) -> None:
    fleet.hosts[source].call("write", stream, data)
    run(fleet, for_s)


def dialled(fleet: Fleet, source: str, target: str, number: int, within_s: float = 1.0) -> object:
    """What becomes of a new stream in time: ``connected``, the reason against it, or ``waits``."""
    fleet.hosts[source].call("dial", number, fleet.address(target))
    run(fleet, within_s)
    machine = parrot(fleet, source)
    connected = any(entry[0] == "connected" and entry[2] == number for entry in machine.log)
    return "connected" if connected else (machine.ends_of(number) or ["waits"])[0]


def delays(fleet: Fleet, machine: Parrot, sent_at: float) -> list[float]:
    base = fleet.hosts["b"].clock.base_s
    return [at - base - sent_at for at in machine.times("datagram")]


# Partitions


@shows(Partition)
def test_a_partition_parts_the_groups_both_ways_and_leaves_those_within_one_alone() -> None:
    fleet = joined(parrots(4))
    plan(fleet, Partition(at_s=0.0, for_s=30.0, groups=(("a", "c"), ("b", "d"))))
    run(fleet, 0.1)
    assert [sent(fleet, *pair) for pair in ("ab", "ba", "cd", "dc", "ac", "db")] == [0, 0, 0, 0, 10, 10]
    assert dialled(fleet, "c", "b", 200, DIAL_S_MAX + 3.0) == "timeout"
    assert dialled(fleet, "c", "a", 202) == "connected"
    write(fleet, "a", DIALLED, b"there")
    write(fleet, "b", ACCEPTED, b"back")
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == parrot(fleet, "a").bytes_of(DIALLED) == b""


@shows(Partition)
def test_after_a_partition_everything_passes_and_streams_bring_what_was_written_meanwhile() -> None:
    fleet = joined(parrots())
    plan(fleet, Partition(at_s=0.0, for_s=5.0, groups=(("a",), ("b",))))
    write(fleet, "a", DIALLED, b"there")
    run(fleet, 20.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"there"
    assert sent(fleet, "a", "b") == sent(fleet, "b", "a") == 10
    assert dialled(fleet, "b", "a", 200) == "connected"


@shows(OneWay, "source", "target")
def test_a_one_way_partition_is_one_way_for_datagrams() -> None:
    fleet = parrots(3)
    plan(fleet, OneWay(at_s=0.0, for_s=10.0, source="a", target="b"))
    run(fleet, 0.1)
    assert [sent(fleet, *pair) for pair in ("ab", "ba", "ac", "cb")] == [0, 10, 10, 10]
    run(fleet, 10.0)
    assert sent(fleet, "a", "b") == 10


@shows(OneWay, "source", "target")
def test_a_one_way_partition_is_one_way_for_the_bytes_of_a_stream() -> None:
    fleet = joined(parrots())
    plan(fleet, OneWay(at_s=0.0, for_s=10.0, source="a", target="b"))
    run(fleet, 0.1)
    write(fleet, "a", DIALLED, b"there")
    write(fleet, "b", ACCEPTED, b"back")
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b""
    assert parrot(fleet, "a").bytes_of(DIALLED) == b"back"
    run(fleet, 20.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"there"


@shows(OneWay, "source", "target")
def test_a_one_way_partition_lets_nobody_dial_since_a_handshake_goes_both_ways() -> None:
    for source, target in ("ab", "ba"):
        fleet = parrots()
        plan(fleet, OneWay(at_s=0.0, for_s=10.0, source="a", target="b"))
        run(fleet, 0.1)
        assert dialled(fleet, source, target, 200, DIAL_S_MAX + 3.0) == "timeout"
        run(fleet, 10.0)
        assert dialled(fleet, source, target, 202) == "connected"


# Weather


def storm(fleet: Fleet, for_s: float = 100.0, source: str | None = None, **weather: Any) -> None:
    """Bad weather from now on."""
    plan(fleet, Storm(at_s=0.0, for_s=for_s, source=source, weather=Weather(**weather)))
    run(fleet, 0.001)


def near(share: float, count: int) -> Any:
    """Within four standard deviations of what ``count`` independent draws bring."""
    return pytest.approx(share * count, abs=4 * sqrt(count * share * (1 - share)))


@shows(Storm, "weather", "loss")
@pytest.mark.parametrize("loss", [0.01, 0.25, 0.9])
def test_loss_takes_its_share_of_datagrams(loss: float) -> None:
    fleet = parrots()
    storm(fleet, loss=loss)
    assert 5000 - sent(fleet, "a", "b", 5000) == near(loss, 5000) == fleet.datagrams.counters.lost


@shows(Storm, "weather", "loss")
def test_losses_come_one_by_one_and_not_in_a_pattern() -> None:
    fleet = parrots(weather=Weather())
    storm(fleet, loss=0.5)
    sent(fleet, "a", "b", 5000)
    heard = [int.from_bytes(data, "big") for data in parrot(fleet, "b").datagrams()]
    assert sum(later == sooner + 1 for sooner, later in pairwise(heard)) == near(0.5, len(heard))


@shows(Storm, "loss")
def test_loss_delays_a_stream_and_takes_nothing_from_it() -> None:
    fleet = joined(parrots())
    storm(fleet, loss=0.5)
    for number in range(100):
        fleet.world.after(0.01 * number, fleet.hosts["a"].call, "write", DIALLED, b"%02d" % number)
    run(fleet, 1.0)
    whole = b"".join(b"%02d" % number for number in range(100))
    assert parrot(fleet, "b").bytes_of(ACCEPTED) != whole
    run(fleet, 60.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == whole


@shows(Storm, "source", "target")
def test_weather_of_one_path_is_felt_on_that_path_alone() -> None:
    fleet = parrots(3)
    plan(fleet, Storm(at_s=0.0, for_s=9.0, weather=Weather(loss=1.0), source="a", target="b"))
    plan(fleet, Storm(at_s=0.0, for_s=9.0, weather=Weather(loss=1.0), target="c"))
    run(fleet, 0.1)
    assert [sent(fleet, *pair) for pair in ("ab", "ba", "ac", "bc", "ca", "cb")] == [0, 10, 0, 0, 10, 10]
    run(fleet, 9.0)
    assert [sent(fleet, *pair) for pair in ("ab", "bc")] == [10, 10]


@shows(Storm, "latency_s", "jitter_s")
def test_latency_and_jitter_are_the_bounds_of_a_datagrams_way_and_fill_them() -> None:
    fleet = parrots(weather=Weather())
    storm(fleet, latency_s=0.1, jitter_s=0.04)
    at = fleet.world.now
    sent(fleet, "a", "b", 400)
    took = sorted(delays(fleet, parrot(fleet, "b"), at))
    assert 0.1 <= took[0] <= took[-1] <= 0.14 + 2 * TURN_S
    assert took[200] == pytest.approx(0.12, abs=0.005)


@shows(Storm, "latency_s")
def test_latency_is_paid_by_streams_and_twice_by_a_dial() -> None:
    fleet = parrots()
    storm(fleet, latency_s=0.5)
    began = fleet.world.now
    assert dialled(fleet, "a", "b", DIALLED, 0.99) == "waits"
    run(fleet, 0.6)
    assert parrot(fleet, "a").times("connected")[0] - fleet.hosts["a"].clock.base_s - began >= 1.0
    began = fleet.world.now
    write(fleet, "a", DIALLED, b"x", 2.0)
    assert 0.5 <= parrot(fleet, "b").times("received")[0] - fleet.hosts["b"].clock.base_s - began <= 0.51


@shows(Storm, "duplication")
def test_duplication_brings_its_share_of_datagrams_twice_and_none_three_times() -> None:
    fleet = parrots()
    storm(fleet, duplication=0.2)
    assert sent(fleet, "a", "b", 5000) - 5000 == near(0.2, 5000) == fleet.datagrams.counters.duplicated
    heard = parrot(fleet, "b").datagrams()
    assert max(heard.count(each) for each in heard[:500]) == 2


@shows(Storm, "reordering", "reorder_s")
def test_reordering_holds_its_share_of_datagrams_back_for_at_most_its_time() -> None:
    fleet = parrots(weather=Weather(latency_s=0.001))
    storm(fleet, reordering=0.3, reorder_s=0.5)
    at = fleet.world.now
    assert sent(fleet, "a", "b", 5000) == 5000
    late = [delay for delay in delays(fleet, parrot(fleet, "b"), at) if delay > 0.001 + 2 * TURN_S]
    assert len(late) == near(0.3, 5000)
    assert 0.45 < max(late) <= 0.501 + 2 * TURN_S
    heard = parrot(fleet, "b").datagrams()
    assert heard != sorted(heard)


@shows(Storm, "bandwidth_bytes_s")
def test_bandwidth_is_the_rate_of_datagrams_and_of_streams() -> None:
    fleet = joined(parrots())
    storm(fleet, bandwidth_bytes_s=100_000.0)
    sent(fleet, "a", "b", 200, size=1000)
    times = parrot(fleet, "b").times("datagram")
    assert (len(times) - 1) * 1000 / (times[-1] - times[0]) == pytest.approx(100_000, rel=0.01)
    assert len(times) < 200, "a full queue drops"
    write(fleet, "a", DIALLED, b"x" * 1_000_000, 6.0)
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == pytest.approx(600_000, abs=70_000)


@shows(Storm, "mtu_bytes")
def test_the_mtu_loses_larger_datagrams_and_cuts_no_stream() -> None:
    fleet = joined(parrots())
    storm(fleet, for_s=5.0, mtu_bytes=500)
    assert sent(fleet, "a", "b", size=501) == 0
    assert sent(fleet, "a", "b", size=500) == 10
    write(fleet, "a", DIALLED, b"x" * 10_000)
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == 10_000
    run(fleet, 5.0)
    assert sent(fleet, "a", "b", size=501) == 10


@shows(Storm)
def test_after_a_storm_the_weather_is_what_it_was_and_storms_add_up_meanwhile() -> None:
    fleet = parrots()
    a, b = fleet.hosts["a"].ip, fleet.hosts["b"].ip
    bad = Weather(loss=0.5, latency_s=0.1)
    plan(fleet, Storm(at_s=0.0, for_s=2.0, weather=bad), Storm(at_s=1.0, for_s=2.0, weather=bad, source="a"))
    seen = []
    for _ in range(4):
        run(fleet, 0.9)
        seen.append(fleet.paths.between(a, b).loss)
    assert seen == [0.5, 0.75, 0.5, 0.0]
    assert fleet.paths.between(a, b) == LAN


# Processes


@shows(Pause)
def test_a_paused_process_reads_nothing_while_its_kernel_buffers_and_accepts() -> None:
    fleet = joined(parrots())
    fleet.hosts["b"].call("tick_every", 0.5)
    plan(fleet, Pause(at_s=1.0, for_s=10.0, node="b"))
    run(fleet, 1.1)
    before = len(parrot(fleet, "b").log)
    assert sent(fleet, "a", "b") == 0
    assert dialled(fleet, "a", "b", 200) == "connected"
    write(fleet, "a", DIALLED, b"x" * 1_000_000)
    assert len(parrot(fleet, "b").log) == before
    (first, _) = fleet.streams.between(fleet.hosts["a"].ip, fleet.hosts["b"].ip)
    assert first.buffered_bytes == 1_000_000 - WINDOW_BYTES
    run(fleet, 10.0)
    machine = parrot(fleet, "b")
    assert len(machine.datagrams()) == 10
    assert len(machine.times("accepted")) == 2
    assert len(machine.bytes_of(ACCEPTED)) == 1_000_000
    assert machine.kinds()[before:].index("tick") > machine.kinds()[before:].index("datagram")


@shows(Starve, "least_s", "most_s")
def test_a_starved_process_reads_late_and_its_timers_are_on_time() -> None:
    fleet = parrots()
    fleet.hosts["b"].call("tick_every", 0.25)
    plan(fleet, Starve(at_s=0.0, for_s=30.0, node="b", least_s=1.0, most_s=2.0))
    took = []
    for _ in range(10):
        run(fleet, 0.1)
        at, heard = fleet.world.now, len(parrot(fleet, "b").datagrams())
        assert sent(fleet, "a", "b", 1, within_s=2.5) == 1
        took.append(delays(fleet, parrot(fleet, "b"), at)[heard])
    assert 1.0 <= min(took) < max(took) <= 2.01
    assert max(took) - min(took) > 0.3
    ticks = parrot(fleet, "b").times("tick")
    assert max(later - sooner for sooner, later in pairwise(ticks)) < 0.26
    run(fleet, 10.0)
    assert sent(fleet, "a", "b", 1, within_s=0.1) == 1


@shows(Slow, "turn_s")
def test_a_slow_node_takes_each_turn_late_and_takes_all_that_waits() -> None:
    fleet = parrots(weather=Weather(latency_s=0.001))
    plan(fleet, Slow(at_s=0.0, for_s=5.0, node="b", turn_s=0.2))
    run(fleet, 0.1)
    at, turns = fleet.world.now, fleet.hosts["b"].counters.turns
    sent(fleet, "a", "b", 10)
    assert delays(fleet, parrot(fleet, "b"), at) == [pytest.approx(0.201, abs=0.001)] * 10
    assert fleet.hosts["b"].counters.turns == turns + 1
    run(fleet, 5.0)
    assert sent(fleet, "a", "b", 1, within_s=0.01) == 1


@shows(SlowReader, "bytes_s")
def test_a_slow_reader_reads_at_its_rate_and_holds_the_writer_up() -> None:
    fleet = joined(parrots())
    plan(fleet, SlowReader(at_s=0.0, for_s=10.0, node="b", bytes_s=50_000.0))
    run(fleet, 0.1)
    write(fleet, "a", DIALLED, b"x" * 2_000_000, 8.0)
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == pytest.approx(400_000, rel=0.02)
    (end,) = fleet.streams.between(fleet.hosts["a"].ip, fleet.hosts["b"].ip)
    assert end.buffered_bytes >= 2_000_000 - 400_000 - WINDOW_BYTES - 1000
    assert sent(fleet, "a", "b", within_s=0.1) == 10, "datagrams have a socket of their own"
    run(fleet, 5.0)
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == 2_000_000


@shows(SlowReader, "bytes_s")
def test_a_slow_reader_hears_the_end_after_what_came_before_it() -> None:
    fleet = joined(parrots())
    plan(fleet, SlowReader(at_s=0.0, for_s=90.0, node="b", bytes_s=1_000.0))
    run(fleet, 0.1)
    write(fleet, "a", DIALLED, b"x" * 5_000, 0.1)
    fleet.hosts["a"].call("close", DIALLED)
    run(fleet, 2.0)
    assert parrot(fleet, "b").ends_of(ACCEPTED) == []
    run(fleet, 5.0)
    assert parrot(fleet, "b").ends_of(ACCEPTED) == ["eof"]
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == 5_000


@shows(Crash, "host")
def test_a_process_that_crashes_resets_its_streams_refuses_dials_and_starts_again_with_a_later_epoch() -> None:
    fleet = joined(parrots())
    first = parrot(fleet, "b").started.epoch
    plan(fleet, Crash(at_s=0.0, for_s=5.0, node="b"))
    run(fleet, 0.01)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["reset"]
    assert dialled(fleet, "a", "b", 200) == "refused"
    delivered = fleet.datagrams.counters.delivered
    fleet.datagrams.send(fleet.address("a"), fleet.address("b"), b"x")
    run(fleet, 5.0)
    assert fleet.datagrams.counters.delivered == delivered
    assert parrot(fleet, "b").started.epoch > first
    assert dialled(fleet, "a", "b", 202) == "connected"


@shows(Crash, "host")
def test_a_host_that_crashes_says_nothing_to_anybody_until_it_is_back() -> None:
    fleet = joined(parrots())
    monotonic = fleet.hosts["b"].now
    plan(fleet, Crash(at_s=0.0, for_s=20.0, node="b", host=True))
    write(fleet, "a", DIALLED, b"anyone?")
    assert dialled(fleet, "a", "b", 200, DIAL_S_MAX + 3.0) == "timeout"
    assert parrot(fleet, "a").ends_of(DIALLED) == []
    run(fleet, 30.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["reset"], "the new kernel knows no such stream"
    assert dialled(fleet, "a", "b", 202) == "connected"
    assert fleet.hosts["b"].now - monotonic != pytest.approx(fleet.world.now, abs=5.0), "its clock began anew"


FATES: dict[tuple[bool, Fate], list[str]] = {
    (False, "kept"): ["synced", "committed"],
    (False, "unsynced-lost"): ["synced"],
    (False, "lost"): [],
    (True, "kept"): ["synced"],
    (True, "unsynced-lost"): ["synced"],
    (True, "lost"): [],
}


@shows(Crash, "disk", "host", *get_args(Fate))
@pytest.mark.parametrize(("host", "disk"), FATES)
def test_a_crash_takes_what_was_on_its_way_and_then_what_its_kind_and_the_disks_fate_say(
    host: bool, disk: Fate
) -> None:
    fleet = parrots()
    node, rows = fleet.hosts["b"], fleet.hosts["b"].disk
    rows.latency_s, rows.flush_s = 0.01, 5.0
    for at_s, row in ((0.0, "synced"), (2.0, "committed"), (2.495, "on its way")):
        fleet.world.after(at_s, node.call, "store", 7, [Put("note", row, b"")], row == "synced")
    plan(fleet, Crash(at_s=2.5, for_s=0.25, node="b", host=host, disk=disk))
    epoch = parrot(fleet, "b").started.epoch.ms
    run(fleet, 2.4)
    assert len(parrot(fleet, "b").times("stored")) == 2
    run(fleet, 10.0)
    assert [put.key for put in rows.recovered().puts] == FATES[host, disk]
    assert (parrot(fleet, "b").started.epoch.ms > epoch) == (disk != "lost" or rows.epoch_ms > epoch)


@shows(DiskFull)
def test_a_full_disk_writes_nothing_until_it_has_room_again() -> None:
    fleet = parrots()
    plan(fleet, DiskFull(at_s=0.0, for_s=2.0, node="b"), DiskFull(at_s=1.0, for_s=3.0, node="b"))
    run(fleet, 0.5)
    for name in "ab":
        fleet.hosts[name].call("store", 7, [Put("note", "row", b"")])
    run(fleet, 3.0)
    assert [parrot(fleet, name).kinds()[-1] for name in "ab"] == ["stored", "store_health"]
    run(fleet, 1.0)
    assert parrot(fleet, "b").kinds()[-2:] == ["store_health", "stored"]


@shows(SlowDisk, "slow_s")
def test_a_slow_disk_answers_so_much_later() -> None:
    fleet = parrots()
    plan(fleet, SlowDisk(at_s=0.0, for_s=2.0, node="b", slow_s=0.7))
    asked_at = [fleet.world.now + 0.1, fleet.world.now + 5.0]
    for at_s in asked_at:
        fleet.world.at(at_s, fleet.hosts["b"].call, "store", 7, [Put("note", "row", b"")])
    run(fleet, 9.0)
    took = [at - fleet.hosts["b"].clock.base_s for at in parrot(fleet, "b").times("stored")]
    assert [round(at - since, 1) for at, since in zip(took, asked_at, strict=True)] == [0.7, 0.0]


@shows(Drain, "timeout_s")
def test_a_node_that_drains_is_told_for_how_long_ends_in_order_and_starts_again() -> None:
    fleet = joined(parrots())
    old = parrot(fleet, "b")
    plan(fleet, Drain(at_s=1.0, for_s=5.0, node="b", timeout_s=2.5))
    run(fleet, 1.5)
    assert [entry[2] for entry in old.log if entry[0] == "drain"] == [2.5]
    assert parrot(fleet, "a").ends_of(DIALLED) == ["eof"], "no reset: it left in order"
    assert not fleet.hosts["b"].running
    run(fleet, 5.0)
    assert parrot(fleet, "b").started.epoch > old.started.epoch


@shows(Skew, "offset_s", "drift")
def test_a_skewed_wall_clock_is_off_by_its_offset_and_its_drift_and_the_monotonic_one_is_not() -> None:
    fleet = parrots()
    for node in fleet.hosts.values():
        node.call("tick_every", 0.1)
    plan(fleet, Skew(at_s=1.0, node="a", offset_s=-5.0, drift=0.01))
    run(fleet, 1.0 + 100.0)
    a, b = fleet.hosts["a"], fleet.hosts["b"]
    now = fleet.world.now
    assert (a.clock.wall_ns(now) - b.clock.wall_ns(now)) / 1e9 == pytest.approx(-5.0 + 1.0, abs=1e-3)
    told = [entry for entry in parrot(fleet, "a").log if entry[0] == "wall"]
    assert 17 <= len(told) <= 21, "the jump, and every 50 ms of drift"
    assert "wall" not in parrot(fleet, "b").kinds()
    ticks = [len(parrot(fleet, name).times("tick")) for name in "ab"]
    assert ticks[0] == ticks[1]


# Streams


@shows(LinkCut)
def test_a_cut_link_is_reset_at_both_ends_and_can_be_dialled_again() -> None:
    fleet = joined(parrots(3))
    assert dialled(fleet, "a", "c", 200) == "connected"
    plan(fleet, LinkCut(at_s=1.0, one="b", other="a"))
    run(fleet, 1.1)
    assert parrot(fleet, "a").ends_of(DIALLED) == parrot(fleet, "b").ends_of(ACCEPTED) == ["reset"]
    assert parrot(fleet, "a").ends_of(200) == []
    assert dialled(fleet, "a", "b", 202) == "connected"


@shows(LinkCut, "silently")
def test_a_half_open_stream_tells_neither_end_for_hours_while_new_ones_and_datagrams_pass() -> None:
    fleet = joined(parrots())
    plan(fleet, LinkCut(at_s=1.0, one="a", other="b", silently=True))
    run(fleet, 4 * 3600.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == parrot(fleet, "b").ends_of(ACCEPTED) == []
    assert sent(fleet, "a", "b") == 10
    assert dialled(fleet, "a", "b", 200) == "connected"
    write(fleet, "a", 200, b"new")
    assert parrot(fleet, "b").bytes_of(ACCEPTED + 2) == b"new"


@shows(LinkCut, "silently")
def test_who_writes_to_a_half_open_stream_hears_a_timeout_in_the_end_and_the_other_end_nothing() -> None:
    fleet = joined(parrots())
    plan(fleet, LinkCut(at_s=1.0, one="a", other="b", silently=True))
    run(fleet, 1.1)
    write(fleet, "a", DIALLED, b"lost", GIVE_UP_S - 20.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == []
    run(fleet, 60.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["timeout"]
    run(fleet, 3600.0)
    assert parrot(fleet, "b").ends_of(ACCEPTED) == []
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b""


@shows(LinkCut, "silently")
def test_a_half_open_stream_that_one_end_closes_stays_open_at_the_other() -> None:
    fleet = joined(parrots())
    plan(fleet, LinkCut(at_s=0.0, one="a", other="b", silently=True))
    run(fleet, 0.1)
    fleet.hosts["a"].call("close", DIALLED)
    run(fleet, 3600.0)
    assert parrot(fleet, "b").ends_of(ACCEPTED) == []


@shows(Flap, "every_s")
def test_a_flapping_link_is_cut_as_often_as_its_time_allows() -> None:
    fleet = parrots()
    for number in range(12):  # one new stream after each cut
        fleet.world.at(0.125 + 0.25 * number, fleet.hosts["a"].call, "dial", DIALLED + number, fleet.address("b"))
    faults.schedule(fleet, [Flap(at_s=1.0, for_s=1.0, one="a", other="b", every_s=0.25)], 0.0)
    run(fleet, 10.0)
    cut = [number for number in range(12) if parrot(fleet, "a").ends_of(DIALLED + number) == ["reset"]]
    assert cut == [0, 1, 2, 3, 4, 5, 6], "four before the first cut at 1.0 s, one before each at 1.25, 1.5 and 1.75 s"


# One after, and during, another

LASTING: tuple[Fault, ...] = (
    Partition(at_s=1.0, for_s=2.0, groups=(("a",), ("b",))),
    OneWay(at_s=1.0, for_s=2.0, source="a", target="b"),
    Storm(at_s=1.0, for_s=2.0, weather=Weather(loss=1.0)),
    Pause(at_s=1.0, for_s=2.0, node="b"),
    Starve(at_s=1.0, for_s=2.0, node="b", least_s=0.4, most_s=0.5),
    Slow(at_s=1.0, for_s=2.0, node="b", turn_s=0.4),
    Crash(at_s=1.0, for_s=2.0, node="b"),
    Crash(at_s=1.0, for_s=2.0, node="b", host=True),
    Drain(at_s=1.0, for_s=2.0, node="b"),
)


@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: type(fault).__name__)
def test_of_two_that_overlap_the_end_of_the_first_is_not_the_end(fault: Fault) -> None:
    fleet = parrots()
    settings = {field.name: getattr(fault, field.name) for field in fields(fault)}
    plan(fleet, fault, type(fault)(**{**settings, "at_s": 2.0, "for_s": 3.0}))
    start, heard = fleet.world.now, []
    for when in (0.5, 1.5, 2.5, 3.5, 6.0):
        fleet.world.run_until(start + when)
        machine = fleet.hosts["b"].machine
        heard.append(sent(fleet, "a", "b", 1, within_s=0.3) if isinstance(machine, Parrot) else 0)
    assert heard == [1, 0, 0, 0, 1]


def test_a_pause_that_began_before_a_crash_does_not_end_one_that_began_after_it() -> None:
    fleet = parrots()
    plan(fleet, Pause(at_s=1.0, for_s=5.0, node="b"), Crash(at_s=2.0, for_s=1.0, node="b"))
    plan(fleet, Pause(at_s=4.0, for_s=5.0, node="b"))
    run(fleet, 3.5)
    assert not fleet.hosts["b"].paused
    run(fleet, 3.5)
    assert fleet.hosts["b"].paused
    run(fleet, 3.5)
    assert not fleet.hosts["b"].paused


def test_a_process_that_is_down_cannot_be_paused_and_starts_unpaused() -> None:
    fleet = parrots()
    plan(fleet, Crash(at_s=1.0, for_s=2.0, node="b"), Pause(at_s=2.0, for_s=9.0, node="b"))
    run(fleet, 4.0)
    assert sent(fleet, "a", "b") == 10


def test_a_fault_from_before_a_calm_mends_nothing_of_what_came_after_it() -> None:
    fleet = parrots()
    old = fleet.partition("a", "b")
    fleet.calm_down()
    new = fleet.partition("a", "b")
    old()
    assert sent(fleet, "a", "b") == 0
    new()
    new()
    assert sent(fleet, "a", "b") == 10


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_of_all_kinds_that_is_over_leaves_no_trace_but_in_clocks_and_streams(seed: int) -> None:
    fleet = parrots(5, seed=seed)
    plan(fleet, *swarm.draw(Random(seed), "abcde", swarm.KINDS, count=40, within_s=30.0))
    run(fleet, 90.0)
    for one in "abcde":
        host = fleet.hosts[one]
        assert (host.running, host.paused, host.lag_s, host.turn_s) == (True, False, (0.0, 0.0), TURN_S)
        assert (host.read_bytes_s, host.disk.full, host.disk.slow_s) == (0.0, False, 0.0)
        assert not any(host.held.values())
        for other in "abcde".replace(one, ""):
            assert fleet.paths.between(host.ip, fleet.hosts[other].ip) == LAN
            assert sent(fleet, one, other, within_s=0.01) == 10


# The table is whole


def settings_of(kind: type[Fault]) -> list[str]:
    """What a test must show of a fault."""
    names = [field.name for field in fields(kind) if field.name not in WHOM]
    if "weather" in names:
        names += [field.name for field in fields(Weather)]
    if "disk" in names:
        names += get_args(Fate)
    return names


def test_every_fault_and_every_setting_of_it_is_shown() -> None:
    named = [each for each in vars(faults).values() if isinstance(each, type) and issubclass(each, Fault)]
    kinds = [kind for kind in named if not isabstract(kind)]
    assert len(kinds) == len(named) - 1
    missing = {
        kind.__name__: [name for name in settings_of(kind) if name not in SHOWN.get(kind, [])]
        for kind in kinds
        if kind not in SHOWN or not set(settings_of(kind)) <= set(SHOWN[kind])
    }
    assert missing == {}, "write the test that shows it, above"


DRAWN: dict[swarm.Kind, Callable[[Any], bool]] = {
    "partition": lambda fault: isinstance(fault, Partition) and sorted(sum(fault.groups, ())) == list("abcde"),
    "one-way": lambda fault: isinstance(fault, OneWay) and fault.source != fault.target,
    "loss": lambda fault: isinstance(fault, Storm) and fault.weather == Weather(loss=fault.weather.loss),
    "storm": lambda fault: isinstance(fault, Storm) and fault.weather.loss == 0.0,
    "pause": lambda fault: isinstance(fault, Pause),
    "starve": lambda fault: isinstance(fault, Starve) and 0.1 < fault.least_s < fault.most_s,
    "slow": lambda fault: isinstance(fault, Slow) and fault.turn_s > TURN_S,
    "crash": lambda fault: isinstance(fault, Crash) and not fault.host and fault.for_s > 0,
    "power": lambda fault: isinstance(fault, Crash) and fault.host and fault.disk == "unsynced-lost",
    "cut": lambda fault: isinstance(fault, LinkCut) and not fault.silently and fault.one != fault.other,
    "half-open": lambda fault: isinstance(fault, LinkCut) and fault.silently and fault.one != fault.other,
    "flap": lambda fault: isinstance(fault, Flap) and fault.for_s > 0,
    "skew": lambda fault: isinstance(fault, Skew) and fault.offset_s != 0.0,
    "disk-full": lambda fault: isinstance(fault, DiskFull) and fault.for_s > 0,
    "slow-disk": lambda fault: isinstance(fault, SlowDisk) and fault.slow_s > 0.0,
}


def test_every_kind_of_the_swarm_is_in_the_table() -> None:
    assert tuple(DRAWN) == swarm.KINDS


@pytest.mark.parametrize("kind", DRAWN)
def test_a_kind_draws_the_fault_of_its_name(kind: swarm.Kind) -> None:
    drawn = swarm.draw(Random(1), "abcde", [kind], count=200, within_s=30.0)
    assert all(DRAWN[kind](fault) and type(fault) in SHOWN for fault in drawn)
    assert all(0.0 <= fault.at_s <= 30.0 for fault in drawn)
    assert len({repr(fault) for fault in drawn}) > 100

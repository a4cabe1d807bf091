"""Each fault of the datagram network does what it says, and no more."""

from __future__ import annotations

import pytest

from meshq.sim.network import LAN, Weather
from tests.sim.parrot import parrot, parrots


def send(fleet, source: str, target: str, count: int, size: int = 4) -> int:  # type: ignore[no-untyped-def]
    """How many of ``count`` datagrams from ``source`` arrive at ``target``."""
    before = len(parrot(fleet, target).datagrams())
    for number in range(count):
        fleet.hosts[source].call("send", fleet.address(target), number.to_bytes(size, "big"))
    fleet.world.run_until(fleet.world.now + 20.0)
    return len(parrot(fleet, target).datagrams()) - before


def test_a_datagram_arrives_whole_and_is_answered() -> None:
    fleet = parrots()
    fleet.hosts["a"].call("send", fleet.address("b"), b"?hello")
    fleet.world.run_until(1.0)
    assert parrot(fleet, "b").datagrams() == [b"?hello"]
    assert parrot(fleet, "a").datagrams() == [b"hello"]


def test_latency_lies_between_its_bounds() -> None:
    fleet = parrots(weather=Weather(latency_s=0.1, jitter_s=0.05))
    sent_at = fleet.world.now
    for _ in range(200):
        fleet.datagrams.send(fleet.address("a"), fleet.address("b"), b"x")
    fleet.world.run_until(1.0)
    base = fleet.hosts["b"].clock.base_s
    delays = [at - base - sent_at for at in parrot(fleet, "b").times("datagram")]
    assert 0.1 <= min(delays) < 0.105
    assert 0.145 < max(delays) <= 0.151


@pytest.mark.parametrize("loss", [0.05, 0.5])
def test_the_loss_rate_is_as_asked(loss: float) -> None:
    fleet = parrots(weather=Weather(latency_s=0.001, loss=loss))
    lost = 1.0 - send(fleet, "a", "b", 4000) / 4000
    assert abs(lost - loss) < 0.03
    assert fleet.datagrams.counters.lost == round(lost * 4000)


def test_nothing_is_lost_duplicated_or_reordered_on_a_calm_path() -> None:
    fleet = parrots(weather=Weather(latency_s=0.001))
    assert send(fleet, "a", "b", 500) == 500
    seen = parrot(fleet, "b").datagrams()
    assert seen == sorted(set(seen))


def test_duplication_brings_packets_twice() -> None:
    fleet = parrots(weather=Weather(latency_s=0.001, duplication=0.3))
    assert 0.25 < (send(fleet, "a", "b", 2000) - 2000) / 2000 < 0.35


def test_reordering_lets_packets_pass_each_other_and_loses_none() -> None:
    fleet = parrots(weather=Weather(latency_s=0.001, reordering=0.3, reorder_s=0.1))
    for number in range(100):
        fleet.world.after(0.001 * number, fleet.hosts["a"].call, "send", fleet.address("b"), bytes([number]))
    fleet.world.run_until(2.0)
    seen = parrot(fleet, "b").datagrams()
    assert len(seen) == 100
    assert seen != sorted(seen)


def test_a_one_way_partition_is_one_way() -> None:
    fleet = parrots(3)
    mend = fleet.one_way("a", "b")
    assert send(fleet, "a", "b", 10) == 0
    assert send(fleet, "b", "a", 10) == 10
    assert send(fleet, "a", "c", 10) == 10
    mend()
    assert send(fleet, "a", "b", 10) == 10


def test_a_partition_parts_the_groups_and_nobody_else() -> None:
    fleet = parrots(4)
    mend = fleet.partition("ab", "cd")
    assert send(fleet, "a", "b", 5) == 5
    assert send(fleet, "d", "c", 5) == 5
    assert send(fleet, "a", "c", 5) == 0
    assert send(fleet, "d", "b", 5) == 0
    mend()
    assert send(fleet, "a", "c", 5) == 5


def test_two_partitions_at_once_end_each_for_itself() -> None:
    fleet = parrots(3)
    first, second = fleet.partition("a", "bc"), fleet.partition("ac", "b")
    first()
    assert send(fleet, "a", "b", 5) == 0
    assert send(fleet, "a", "c", 5) == 5
    second()
    assert send(fleet, "a", "b", 5) == 5


def test_bandwidth_makes_packets_wait_and_a_full_queue_drops_them() -> None:
    fleet = parrots(weather=Weather(latency_s=0.001, bandwidth_bytes_s=10_000))
    arrived = send(fleet, "a", "b", 200, size=100)
    assert 45 <= arrived <= 60
    assert fleet.datagrams.counters.queue_full == 200 - arrived
    times = parrot(fleet, "b").times("datagram")
    assert times[-1] - times[0] == pytest.approx((arrived - 1) * 0.01, abs=0.002)


def test_a_packet_above_the_mtu_is_lost() -> None:
    fleet = parrots(weather=Weather(latency_s=0.001, mtu_bytes=100))
    assert send(fleet, "a", "b", 5, size=101) == 0
    assert send(fleet, "a", "b", 5, size=100) == 5
    assert fleet.datagrams.counters.too_big == 5


def test_spells_of_weather_add_up_and_end() -> None:
    fleet = parrots()
    paths = fleet.paths
    end = fleet.spell(Weather(loss=0.5, latency_s=1.0), source="a")
    more = fleet.spell(Weather(loss=0.5, bandwidth_bytes_s=7.0))
    a, b = fleet.hosts["a"].ip, fleet.hosts["b"].ip
    assert paths.between(a, b).loss == pytest.approx(0.75)
    assert paths.between(a, b).latency_s == pytest.approx(1.0 + LAN.latency_s)
    assert paths.between(b, a).loss == pytest.approx(0.5)
    assert paths.between(b, a).bandwidth_bytes_s == 7.0
    end()
    more()
    assert paths.between(a, b) == LAN


def test_packets_for_a_dead_process_or_host_are_lost() -> None:
    fleet = parrots(3)
    fleet.crash("b")
    fleet.crash("c", host=True)
    for target in "bc":
        fleet.hosts["a"].call("send", fleet.address(target), b"x")
    fleet.world.run_until(1.0)
    assert fleet.datagrams.counters.delivered == 0


def test_loopback_is_untouched_by_weather_and_cuts() -> None:
    fleet = parrots(weather=Weather(loss=1.0))
    fleet.partition("a", "b")
    assert send(fleet, "a", "a", 5) == 5

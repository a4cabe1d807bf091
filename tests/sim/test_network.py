"""Each fault of the datagram network does what it says, and no more."""

from __future__ import annotations

import pytest

from meshq.sim.network import LAN, Weather
from tests.sim.parrot import parrot, parrots


def send(mesh, source: str, target: str, count: int, size: int = 4) -> int:  # type: ignore[no-untyped-def]
    """How many of ``count`` datagrams from ``source`` arrive at ``target``."""
    before = len(parrot(mesh, target).datagrams())
    for number in range(count):
        mesh.hosts[source].call("send", mesh.address(target), number.to_bytes(size, "big"))
    mesh.world.run_until(mesh.world.now + 20.0)
    return len(parrot(mesh, target).datagrams()) - before


def test_a_datagram_arrives_whole_and_is_answered() -> None:
    mesh = parrots()
    mesh.hosts["a"].call("send", mesh.address("b"), b"?hello")
    mesh.world.run_until(1.0)
    assert parrot(mesh, "b").datagrams() == [b"?hello"]
    assert parrot(mesh, "a").datagrams() == [b"hello"]


def test_latency_lies_between_its_bounds() -> None:
    mesh = parrots(weather=Weather(latency_s=0.1, jitter_s=0.05))
    sent_at = mesh.world.now
    for _ in range(200):
        mesh.datagrams.send(mesh.address("a"), mesh.address("b"), b"x")
    mesh.world.run_until(1.0)
    base = mesh.hosts["b"].clock.base_s
    delays = [at - base - sent_at for at in parrot(mesh, "b").times("datagram")]
    assert 0.1 <= min(delays) < 0.105
    assert 0.145 < max(delays) <= 0.151


@pytest.mark.parametrize("loss", [0.05, 0.5])
def test_the_loss_rate_is_as_asked(loss: float) -> None:
    mesh = parrots(weather=Weather(latency_s=0.001, loss=loss))
    lost = 1.0 - send(mesh, "a", "b", 4000) / 4000
    assert abs(lost - loss) < 0.03
    assert mesh.datagrams.counters.lost == round(lost * 4000)


def test_nothing_is_lost_duplicated_or_reordered_on_a_calm_path() -> None:
    mesh = parrots(weather=Weather(latency_s=0.001))
    assert send(mesh, "a", "b", 500) == 500
    seen = parrot(mesh, "b").datagrams()
    assert seen == sorted(set(seen))


def test_duplication_brings_packets_twice() -> None:
    mesh = parrots(weather=Weather(latency_s=0.001, duplication=0.3))
    assert 0.25 < (send(mesh, "a", "b", 2000) - 2000) / 2000 < 0.35


def test_reordering_lets_packets_pass_each_other_and_loses_none() -> None:
    mesh = parrots(weather=Weather(latency_s=0.001, reordering=0.3, reorder_s=0.1))
    for number in range(100):
        mesh.world.after(0.001 * number, mesh.hosts["a"].call, "send", mesh.address("b"), bytes([number]))
    mesh.world.run_until(2.0)
    seen = parrot(mesh, "b").datagrams()
    assert len(seen) == 100
    assert seen != sorted(seen)


def test_a_one_way_partition_is_one_way() -> None:
    mesh = parrots(3)
    mend = mesh.one_way("a", "b")
    assert send(mesh, "a", "b", 10) == 0
    assert send(mesh, "b", "a", 10) == 10
    assert send(mesh, "a", "c", 10) == 10
    mend()
    assert send(mesh, "a", "b", 10) == 10


def test_a_partition_parts_the_groups_and_nobody_else() -> None:
    mesh = parrots(4)
    mend = mesh.partition("ab", "cd")
    assert send(mesh, "a", "b", 5) == 5
    assert send(mesh, "d", "c", 5) == 5
    assert send(mesh, "a", "c", 5) == 0
    assert send(mesh, "d", "b", 5) == 0
    mend()
    assert send(mesh, "a", "c", 5) == 5


def test_two_partitions_at_once_end_each_for_itself() -> None:
    mesh = parrots(3)
    first, second = mesh.partition("a", "bc"), mesh.partition("ac", "b")
    first()
    assert send(mesh, "a", "b", 5) == 0
    assert send(mesh, "a", "c", 5) == 5
    second()
    assert send(mesh, "a", "b", 5) == 5


def test_bandwidth_makes_packets_wait_and_a_full_queue_drops_them() -> None:
    mesh = parrots(weather=Weather(latency_s=0.001, bandwidth_bytes_s=10_000))
    arrived = send(mesh, "a", "b", 200, size=100)
    assert 45 <= arrived <= 60
    assert mesh.datagrams.counters.queue_full == 200 - arrived
    times = parrot(mesh, "b").times("datagram")
    assert times[-1] - times[0] == pytest.approx((arrived - 1) * 0.01, abs=0.002)


def test_a_packet_above_the_mtu_is_lost() -> None:
    mesh = parrots(weather=Weather(latency_s=0.001, mtu_bytes=100))
    assert send(mesh, "a", "b", 5, size=101) == 0
    assert send(mesh, "a", "b", 5, size=100) == 5
    assert mesh.datagrams.counters.too_big == 5


def test_spells_of_weather_add_up_and_end() -> None:
    mesh = parrots()
    paths = mesh.paths
    end = mesh.spell(Weather(loss=0.5, latency_s=1.0), source="a")
    more = mesh.spell(Weather(loss=0.5, bandwidth_bytes_s=7.0))
    a, b = mesh.hosts["a"].ip, mesh.hosts["b"].ip
    assert paths.between(a, b).loss == pytest.approx(0.75)
    assert paths.between(a, b).latency_s == pytest.approx(1.0 + LAN.latency_s)
    assert paths.between(b, a).loss == pytest.approx(0.5)
    assert paths.between(b, a).bandwidth_bytes_s == 7.0
    end()
    more()
    assert paths.between(a, b) == LAN


def test_packets_for_a_dead_process_or_host_are_lost() -> None:
    mesh = parrots(3)
    mesh.crash("b")
    mesh.crash("c", host=True)
    for target in "bc":
        mesh.hosts["a"].call("send", mesh.address(target), b"x")
    mesh.world.run_until(1.0)
    assert mesh.datagrams.counters.delivered == 0


def test_loopback_is_untouched_by_weather_and_cuts() -> None:
    mesh = parrots(weather=Weather(loss=1.0))
    mesh.partition("a", "b")
    assert send(mesh, "a", "a", 5) == 5

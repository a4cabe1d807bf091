"""Simulated streams keep order, split and join reads, hold the writer up, and end or hang as asked."""

from __future__ import annotations

import pytest

from meshq.sim.mesh import Mesh
from meshq.sim.network import Weather
from meshq.sim.streams import DIAL_S_MAX, WINDOW_BYTES, End
from tests.sim.parrot import parrot, parrots

DIALLED, ACCEPTED = 100, 3


def joined(mesh: Mesh, *, answers: bool = True) -> Mesh:
    """``a`` has dialled ``b`` under 100, ``b`` knows the stream as 3."""
    parrot(mesh, "b").answers = answers
    mesh.hosts["a"].call("dial", DIALLED, mesh.address("b"))
    mesh.world.run_while(lambda: "accepted" not in parrot(mesh, "b").kinds(), within_s=10.0)
    assert "connected" in parrot(mesh, "a").kinds()
    return mesh


def write(mesh: Mesh, *chunks: bytes, within_s: float = 1.0) -> None:
    mesh.hosts["a"].call("write", DIALLED, *chunks)
    mesh.world.run_until(mesh.world.now + within_s)


def test_a_dialled_stream_carries_bytes_both_ways() -> None:
    mesh = joined(parrots())
    write(mesh, b"hel", b"lo")
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b"hello"
    assert parrot(mesh, "a").bytes_of(DIALLED) == b"HELLO"


def test_connecting_takes_a_round_trip() -> None:
    mesh = parrots(weather=Weather(latency_s=0.1))
    mesh.hosts["a"].call("dial", DIALLED, mesh.address("b"))
    began = mesh.hosts["a"].now
    mesh.world.run_until(1.0)
    assert parrot(mesh, "a").times("connected")[0] - began == pytest.approx(0.2, abs=0.01)
    assert parrot(mesh, "b").times("accepted")


def test_order_holds_whatever_jitter_and_loss_do() -> None:
    mesh = joined(parrots(weather=Weather(latency_s=0.01, jitter_s=0.5, loss=0.2), seed=3), answers=False)
    for number in range(200):
        mesh.world.after(0.01 * number, mesh.hosts["a"].call, "write", DIALLED, b"%03d," % number)
    mesh.world.run_until(120.0)
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b"".join(b"%03d," % number for number in range(200))


def test_reads_are_split_and_joined() -> None:
    mesh = joined(parrots(), answers=False)
    for _ in range(200):
        mesh.hosts["a"].call("write", DIALLED, b"0123456789")
        mesh.world.run_until(mesh.world.now + 0.01)
    mesh.hosts["b"].pause()
    write(mesh, b"one")
    write(mesh, b"two")
    mesh.hosts["b"].resume()
    mesh.world.run_until(mesh.world.now + 0.01)
    reads = [entry[3] for entry in parrot(mesh, "b").log if entry[0] == "received"]
    assert any(isinstance(read, bytes) and 0 < len(read) < 10 for read in reads)
    assert b"".join(read for read in reads if isinstance(read, bytes)).endswith(b"onetwo")
    assert b"one" not in reads[-1:]


def test_a_port_where_nobody_listens_refuses() -> None:
    mesh = parrots()
    mesh.crash("b")
    mesh.hosts["a"].call("dial", DIALLED, mesh.address("b"))
    mesh.world.run_until(1.0)
    assert parrot(mesh, "a").ends_of(DIALLED) == ["refused"]


def test_a_dead_host_does_not_answer_a_dial() -> None:
    mesh = parrots()
    mesh.crash("b", host=True)
    mesh.hosts["a"].call("dial", DIALLED, mesh.address("b"))
    mesh.world.run_until(DIAL_S_MAX - 0.5)
    assert parrot(mesh, "a").ends_of(DIALLED) == []
    mesh.world.run_until(DIAL_S_MAX + 3.0)
    assert parrot(mesh, "a").ends_of(DIALLED) == ["timeout"]


def test_a_dial_through_a_short_cut_succeeds_at_a_later_knock() -> None:
    mesh = parrots()
    mend = mesh.one_way("b", "a")
    mesh.hosts["a"].call("dial", DIALLED, mesh.address("b"))
    mesh.world.run_until(0.5)
    mend()
    mesh.world.run_until(2.0)
    assert parrot(mesh, "a").times("connected")


def test_a_close_arrives_after_the_bytes_before_it() -> None:
    mesh = joined(parrots(), answers=False)
    mesh.hosts["a"].call("write", DIALLED, b"x" * 100_000)
    mesh.hosts["a"].call("close", DIALLED)
    mesh.world.run_until(3.0)
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b"x" * 100_000
    assert parrot(mesh, "b").ends_of(ACCEPTED) == ["eof"]
    assert parrot(mesh, "a").ends_of(DIALLED) == []


def test_an_abort_resets() -> None:
    mesh = joined(parrots())
    mesh.hosts["a"].call("close", DIALLED, True)
    mesh.world.run_until(3.0)
    assert parrot(mesh, "b").ends_of(ACCEPTED) == ["reset"]


def test_a_process_crash_resets_its_streams_at_once() -> None:
    mesh = joined(parrots())
    at = mesh.world.now
    mesh.crash("b")
    mesh.world.run_until(at + 0.01)
    assert parrot(mesh, "a").ends_of(DIALLED) == ["reset"]


def test_a_host_crash_is_silent_until_somebody_writes_to_the_host_after_its_return() -> None:
    mesh = joined(parrots())
    mesh.crash("b", host=True)
    write(mesh, b"anyone?", within_s=20.0)
    assert parrot(mesh, "a").ends_of(DIALLED) == []
    mesh.restart("b")
    mesh.world.run_until(mesh.world.now + 20.0)
    assert parrot(mesh, "a").ends_of(DIALLED) == ["reset"]
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b""


def test_a_reset_stream_is_reset_at_both_ends_and_others_are_not() -> None:
    mesh = joined(parrots(3))
    mesh.hosts["a"].call("dial", 200, mesh.address("c"))
    mesh.world.run_until(2.0)
    assert mesh.cut_streams("a", "b") == 2
    mesh.world.run_until(3.0)
    assert parrot(mesh, "a").ends_of(DIALLED) == ["reset"]
    assert parrot(mesh, "b").ends_of(ACCEPTED) == ["reset"]
    assert parrot(mesh, "a").ends_of(200) == []


def test_a_half_open_stream_stays_half_open_while_a_new_one_works() -> None:
    mesh = joined(parrots())
    assert mesh.cut_streams("a", "b", silently=True) == 2
    write(mesh, b"lost", within_s=120.0)
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b""
    assert parrot(mesh, "a").ends_of(DIALLED) == parrot(mesh, "b").ends_of(ACCEPTED) == []
    mesh.hosts["a"].call("dial", 200, mesh.address("b"))
    mesh.hosts["a"].call("write", 200, b"new")
    mesh.world.run_until(mesh.world.now + 1.0)
    assert parrot(mesh, "a").bytes_of(200) == b"NEW"


def test_bytes_written_into_a_partition_arrive_after_it() -> None:
    mesh = joined(parrots(), answers=False)
    mend = mesh.partition("a", "b")
    write(mesh, b"late", within_s=5.0)
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b""
    mend()
    mesh.world.run_until(mesh.world.now + 10.0)
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b"late"


def test_a_partition_longer_than_the_system_waits_ends_the_stream() -> None:
    mesh = joined(parrots())
    mesh.partition("a", "b")
    write(mesh, b"late", within_s=1000.0)
    assert parrot(mesh, "a").ends_of(DIALLED) == ["timeout"]


def test_what_a_paused_reader_does_not_read_stays_with_the_writer() -> None:
    mesh = joined(parrots(), answers=False)
    mesh.hosts["b"].pause()
    write(mesh, b"x" * 1_000_000)
    (end,) = mesh.streams.between(mesh.hosts["a"].ip, mesh.hosts["b"].ip)
    assert end.buffered_bytes == 1_000_000 - WINDOW_BYTES
    told = [entry[3] for entry in parrot(mesh, "a").log if entry[0] == "buffered"]
    assert told == [1_000_000 - WINDOW_BYTES]
    mesh.hosts["b"].resume()
    mesh.world.run_until(mesh.world.now + 1.0)
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b"x" * 1_000_000
    told = [entry[3] for entry in parrot(mesh, "a").log if entry[0] == "buffered"]
    assert told[-1] == 0 or end.buffered_bytes == 0
    assert told[-1] in range(256 * 1024)


def test_a_lost_way_back_holds_the_writer_up_though_bytes_arrive() -> None:
    mesh = joined(parrots(), answers=False)
    mend = mesh.one_way("b", "a")
    write(mesh, b"x" * 600_000, within_s=5.0)
    assert parrot(mesh, "b").bytes_of(ACCEPTED) == b"x" * WINDOW_BYTES
    mend()
    mesh.world.run_until(mesh.world.now + 20.0)
    assert len(parrot(mesh, "b").bytes_of(ACCEPTED)) == 600_000


def test_bandwidth_sets_the_pace() -> None:
    mesh = joined(parrots(weather=Weather(latency_s=0.001, bandwidth_bytes_s=100_000)), answers=False)
    write(mesh, b"x" * 500_000, within_s=2.0)
    assert 130_000 <= len(parrot(mesh, "b").bytes_of(ACCEPTED)) <= 210_000
    mesh.world.run_until(mesh.world.now + 4.0)
    assert len(parrot(mesh, "b").bytes_of(ACCEPTED)) == 500_000


class Client:
    """Holds the client's end of an in-process stream."""

    def __init__(self, mesh: Mesh) -> None:
        self.rng, self.data, self.ended = mesh.world.rng("client"), b"", ""

    def stream_accepted(self, end: End) -> None: ...

    def stream_connected(self, end: End) -> None: ...

    def stream_buffered(self, end: End, size_bytes: int) -> None: ...

    def stream_readable(self, end: End) -> None:
        self.data += end.read(self.rng)
        self.ended = end.ended or ""
        if end.waiting:
            end.notice()


@pytest.mark.parametrize("whole_host", [False, True])
def test_an_in_process_client_talks_and_is_reset_when_its_node_dies(whole_host: bool) -> None:
    mesh = parrots()
    client = Client(mesh)
    end = mesh.hosts["a"].pipe(client)
    assert end is not None
    end.write([b"hi ", b"there"])
    mesh.world.run_until(1.0)
    assert client.data == b"HI THERE"
    mesh.crash("a", host=whole_host)
    mesh.world.run_until(2.0)
    assert client.ended == "reset"
    assert mesh.hosts["a"].pipe(client) is None

"""Simulated streams keep order, split and join reads, hold the writer up, and end or hang as asked."""

from __future__ import annotations

import pytest

from meshq.sim.ends import LINGER_S, WINDOW_BYTES, End
from meshq.sim.fleet import Fleet
from meshq.sim.network import Weather
from meshq.sim.streams import DIAL_S_MAX
from tests.sim.parrot import parrot, parrots

DIALLED, ACCEPTED = 100, 3


def joined(fleet: Fleet, *, answers: bool = True) -> Fleet:
    """``a`` has dialled ``b`` under 100, ``b`` knows the stream as 3."""
    parrot(fleet, "b").answers = answers
    fleet.hosts["a"].call("dial", DIALLED, fleet.address("b"))
    fleet.world.run_while(lambda: "accepted" not in parrot(fleet, "b").kinds(), within_s=10.0)
    assert "connected" in parrot(fleet, "a").kinds()
    return fleet


def write(fleet: Fleet, *chunks: bytes, within_s: float = 1.0) -> None:
    fleet.hosts["a"].call("write", DIALLED, *chunks)
    fleet.world.run_until(fleet.world.now + within_s)


def test_a_dialled_stream_carries_bytes_both_ways() -> None:
    fleet = joined(parrots())
    write(fleet, b"hel", b"lo")
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"hello"
    assert parrot(fleet, "a").bytes_of(DIALLED) == b"HELLO"


def test_connecting_takes_a_round_trip() -> None:
    fleet = parrots(weather=Weather(latency_s=0.1))
    fleet.hosts["a"].call("dial", DIALLED, fleet.address("b"))
    began = fleet.hosts["a"].now
    fleet.world.run_until(1.0)
    assert parrot(fleet, "a").times("connected")[0] - began == pytest.approx(0.2, abs=0.01)
    assert parrot(fleet, "b").times("accepted")


def test_order_holds_whatever_jitter_and_loss_do() -> None:
    fleet = joined(parrots(weather=Weather(latency_s=0.01, jitter_s=0.5, loss=0.2), seed=3), answers=False)
    for number in range(200):
        fleet.world.after(0.01 * number, fleet.hosts["a"].call, "write", DIALLED, b"%03d," % number)
    fleet.world.run_until(120.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"".join(b"%03d," % number for number in range(200))


def test_reads_are_split_and_joined() -> None:
    fleet = joined(parrots(), answers=False)
    for _ in range(200):
        fleet.hosts["a"].call("write", DIALLED, b"0123456789")
        fleet.world.run_until(fleet.world.now + 0.01)
    fleet.hosts["b"].pause()
    write(fleet, b"one")
    write(fleet, b"two")
    fleet.hosts["b"].resume()
    fleet.world.run_until(fleet.world.now + 0.01)
    reads = [entry[3] for entry in parrot(fleet, "b").log if entry[0] == "received"]
    assert any(isinstance(read, bytes) and 0 < len(read) < 10 for read in reads)
    assert b"".join(read for read in reads if isinstance(read, bytes)).endswith(b"onetwo")
    assert b"one" not in reads[-1:]


def test_a_port_where_nobody_listens_refuses() -> None:
    fleet = parrots()
    fleet.crash("b")
    fleet.hosts["a"].call("dial", DIALLED, fleet.address("b"))
    fleet.world.run_until(1.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["refused"]


def test_a_dead_host_does_not_answer_a_dial() -> None:
    fleet = parrots()
    fleet.crash("b", host=True)
    fleet.hosts["a"].call("dial", DIALLED, fleet.address("b"))
    fleet.world.run_until(DIAL_S_MAX - 0.5)
    assert parrot(fleet, "a").ends_of(DIALLED) == []
    fleet.world.run_until(DIAL_S_MAX + 3.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["timeout"]


def test_a_dial_through_a_short_cut_succeeds_at_a_later_knock() -> None:
    fleet = parrots()
    mend = fleet.one_way("b", "a")
    fleet.hosts["a"].call("dial", DIALLED, fleet.address("b"))
    fleet.world.run_until(0.5)
    mend()
    fleet.world.run_until(2.0)
    assert parrot(fleet, "a").times("connected")


def test_a_close_arrives_after_the_bytes_before_it() -> None:
    fleet = joined(parrots(), answers=False)
    fleet.hosts["a"].call("write", DIALLED, b"x" * 100_000)
    fleet.hosts["a"].call("close", DIALLED)
    fleet.world.run_until(3.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"x" * 100_000
    assert parrot(fleet, "b").ends_of(ACCEPTED) == ["eof"]
    assert parrot(fleet, "a").ends_of(DIALLED) == []


def test_a_closed_end_gives_up_when_its_peer_does_not_read_in_time() -> None:
    fleet = joined(parrots(), answers=False)
    fleet.hosts["b"].pause()
    fleet.hosts["a"].call("write", DIALLED, b"x" * 1_000_000)
    fleet.hosts["a"].call("close", DIALLED)
    fleet.world.run_until(fleet.world.now + LINGER_S + 1.0)
    fleet.hosts["b"].resume()
    fleet.world.run_until(fleet.world.now + 1.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"x" * WINDOW_BYTES
    assert parrot(fleet, "b").ends_of(ACCEPTED) == ["reset"]


def test_what_a_dying_process_had_closed_and_not_sent_is_lost() -> None:
    fleet = joined(parrots(), answers=False)
    fleet.hosts["b"].pause()
    fleet.hosts["a"].call("write", DIALLED, b"x" * 1_000_000)
    fleet.hosts["a"].call("close", DIALLED)
    fleet.world.run_until(fleet.world.now + 1.0)
    fleet.crash("a")
    fleet.world.run_until(fleet.world.now + 0.1)
    fleet.hosts["b"].resume()
    fleet.world.run_until(fleet.world.now + 1.0)
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == WINDOW_BYTES
    assert parrot(fleet, "b").ends_of(ACCEPTED) == ["reset"]


def test_an_address_outside_the_network_is_unreachable_at_once() -> None:
    fleet = parrots()
    fleet.hosts["a"].call("dial", DIALLED, ("192.0.2.1", 4155))
    fleet.world.run_until(fleet.world.now + 0.1)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["unreachable"]


def test_an_abort_resets() -> None:
    fleet = joined(parrots())
    fleet.hosts["a"].call("close", DIALLED, True)
    fleet.world.run_until(3.0)
    assert parrot(fleet, "b").ends_of(ACCEPTED) == ["reset"]


def test_a_process_crash_resets_its_streams_at_once() -> None:
    fleet = joined(parrots())
    at = fleet.world.now
    fleet.crash("b")
    fleet.world.run_until(at + 0.01)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["reset"]


def test_a_host_crash_is_silent_until_somebody_writes_to_the_host_after_its_return() -> None:
    fleet = joined(parrots())
    fleet.crash("b", host=True)
    write(fleet, b"anyone?", within_s=20.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == []
    fleet.restart("b")
    fleet.world.run_until(fleet.world.now + 20.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["reset"]
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b""


def test_a_reset_stream_is_reset_at_both_ends_and_others_are_not() -> None:
    fleet = joined(parrots(3))
    fleet.hosts["a"].call("dial", 200, fleet.address("c"))
    fleet.world.run_until(2.0)
    assert fleet.cut_streams("a", "b") == 2
    fleet.world.run_until(3.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["reset"]
    assert parrot(fleet, "b").ends_of(ACCEPTED) == ["reset"]
    assert parrot(fleet, "a").ends_of(200) == []


def test_a_half_open_stream_stays_half_open_while_a_new_one_works() -> None:
    fleet = joined(parrots())
    assert fleet.cut_streams("a", "b", silently=True) == 2
    write(fleet, b"lost", within_s=120.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b""
    assert parrot(fleet, "a").ends_of(DIALLED) == parrot(fleet, "b").ends_of(ACCEPTED) == []
    fleet.hosts["a"].call("dial", 200, fleet.address("b"))
    fleet.world.run_until(fleet.world.now + 1.0)
    fleet.hosts["a"].call("write", 200, b"new")
    fleet.world.run_until(fleet.world.now + 1.0)
    assert parrot(fleet, "a").bytes_of(200) == b"NEW"


def test_bytes_written_into_a_partition_arrive_after_it() -> None:
    fleet = joined(parrots(), answers=False)
    mend = fleet.partition("a", "b")
    write(fleet, b"late", within_s=5.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b""
    mend()
    fleet.world.run_until(fleet.world.now + 10.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"late"


def test_a_partition_longer_than_the_system_waits_ends_the_stream() -> None:
    fleet = joined(parrots())
    fleet.partition("a", "b")
    write(fleet, b"late", within_s=1000.0)
    assert parrot(fleet, "a").ends_of(DIALLED) == ["timeout"]


def test_what_a_paused_reader_does_not_read_stays_with_the_writer() -> None:
    fleet = joined(parrots(), answers=False)
    fleet.hosts["b"].pause()
    write(fleet, b"x" * 1_000_000)
    (end,) = fleet.streams.between(fleet.hosts["a"].ip, fleet.hosts["b"].ip)
    assert end.buffered_bytes == 1_000_000 - WINDOW_BYTES
    told = [entry[3] for entry in parrot(fleet, "a").log if entry[0] == "buffered"]
    assert told == [1_000_000 - WINDOW_BYTES]
    fleet.hosts["b"].resume()
    fleet.world.run_until(fleet.world.now + 1.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"x" * 1_000_000
    told = [entry[3] for entry in parrot(fleet, "a").log if entry[0] == "buffered"]
    assert told[1:] == [0]
    assert end.buffered_bytes == 0


def test_a_lost_way_back_holds_the_writer_up_though_bytes_arrive() -> None:
    fleet = joined(parrots(), answers=False)
    mend = fleet.one_way("b", "a")
    write(fleet, b"x" * 600_000, within_s=5.0)
    assert parrot(fleet, "b").bytes_of(ACCEPTED) == b"x" * WINDOW_BYTES
    mend()
    fleet.world.run_until(fleet.world.now + 20.0)
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == 600_000


def test_bandwidth_sets_the_pace() -> None:
    fleet = joined(parrots(weather=Weather(latency_s=0.001, bandwidth_bytes_s=100_000)), answers=False)
    write(fleet, b"x" * 500_000, within_s=2.0)
    assert 130_000 <= len(parrot(fleet, "b").bytes_of(ACCEPTED)) <= 210_000
    fleet.world.run_until(fleet.world.now + 4.0)
    assert len(parrot(fleet, "b").bytes_of(ACCEPTED)) == 500_000


class Client:
    """Holds the client's end of an in-process stream."""

    def __init__(self, fleet: Fleet) -> None:
        self.rng, self.data, self.ended = fleet.world.rng("client"), b"", ""

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
    fleet = parrots()
    client = Client(fleet)
    end = fleet.hosts["a"].pipe(client)
    assert end is not None
    end.write([b"hi ", b"there"])
    fleet.world.run_until(1.0)
    assert client.data == b"HI THERE"
    fleet.crash("a", host=whole_host)
    fleet.world.run_until(2.0)
    assert client.ended == "reset"
    assert fleet.hosts["a"].pipe(client) is None

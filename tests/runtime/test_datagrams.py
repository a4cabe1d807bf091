"""The UDP door: bounded, deaf to strangers, and not harmed by the error of an earlier packet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from meshq.machine.effects import Address
from meshq.runtime.addresses import Admission, bind_mesh
from meshq.runtime.counters import DatagramCounters
from meshq.runtime.datagrams import WAITING_MAX, DatagramDoor, Inbox
from meshq.runtime.loop import new_loop
from tests.runtime.loops import until

HOME = Admission("127.0.0.1", open_to_all=False)
LOOPS = pytest.mark.parametrize("loop_factory", [new_loop, asyncio.SelectorEventLoop], ids=["uvloop", "asyncio"])
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def opened(receive: Callable[[bytes, Address], None]) -> tuple[DatagramDoor, Address]:
    sockets = bind_mesh("127.0.0.1", 0)
    sockets.tcp.close()
    door = DatagramDoor(HOME, receive)
    await door.open(sockets.udp)
    return door, sockets.address


@LOOPS
def test_packets_are_handed_over_in_order_until_the_door_is_closed(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        heard: list[bytes] = []
        door, address = await opened(lambda data, _: heard.append(data))
        reading = asyncio.ensure_future(door.read())
        for number in range(200):
            door.send(address, bytes((number,)))
        await until(lambda: len(heard) == 200)
        assert heard == [bytes((n,)) for n in range(200)]
        door.close()
        await reading
        door.send(address, b"after the end")
        assert door.counters.sent == 200

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


@LOOPS
def test_the_error_of_a_packet_does_not_cost_the_next_one(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        heard: list[bytes] = []
        door, address = await opened(lambda data, _: heard.append(data))
        reading = asyncio.ensure_future(door.read())
        door.send(address, b"x" * 70_000)  # longer than any datagram
        door.send(("fd00::1", 4155), b"of another family")
        door.send(address, b"fine")
        await until(lambda: heard == [b"fine"])
        assert door.counters.errors == 2
        door.close()
        await reading

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def inbox(admission: Admission = HOME) -> tuple[Inbox, DatagramCounters]:
    counters = DatagramCounters()
    return Inbox(admission, counters, None), counters


def test_a_full_inbox_drops_the_newest_and_counts_it() -> None:
    box, counters = inbox()
    for number in range(WAITING_MAX + 3):
        box.datagram_received(number.to_bytes(2, "big"), ("127.0.0.1", 1))
    assert (box.packets.qsize(), counters.dropped_full) == (WAITING_MAX, 3)
    assert box.packets.get_nowait() == (b"\0\0", ("127.0.0.1", 1))


def test_a_full_inbox_still_says_that_the_door_was_closed() -> None:
    box, _ = inbox()
    for _ in range(WAITING_MAX):
        box.datagram_received(b"x", ("127.0.0.1", 1))
    box.connection_lost(None)
    last = [box.packets.get_nowait() for _ in range(WAITING_MAX)][-1]
    assert last == (None, None)


def test_packets_of_strangers_and_overlong_ones_are_counted_and_dropped() -> None:
    box, counters = inbox(Admission("0.0.0.0", open_to_all=False))
    box.datagram_received(b"x", ("8.8.8.8", 1))
    box.datagram_received(b"x" * 1401, ("10.0.0.1", 1))
    box.datagram_received(b"x" * 1400, ("::ffff:10.0.0.1", 1, 0, 0))
    assert (counters.dropped_stranger, counters.dropped_too_long, counters.received) == (1, 1, 1)
    assert box.packets.get_nowait()[1] == ("10.0.0.1", 1)


def test_errors_are_kept_within_a_bound() -> None:
    box, counters = inbox()
    for _ in range(1000):
        box.error_received(OSError("full"))
    assert counters.errors == 1000
    assert box.errors.qsize() <= 16


def test_while_the_socket_takes_nothing_packets_are_dropped_and_counted() -> None:
    async def main() -> None:
        door, address = await opened(lambda *_: None)
        assert door._inbox is not None
        door._inbox.pause_writing()
        door.send(address, b"x")
        assert (door.counters.dropped_unsent, door.counters.sent) == (1, 0)
        door._inbox.resume_writing()
        door.send(address, b"x")
        assert door.counters.sent == 1
        door.close()
        await door.read()

    asyncio.run(main())


def test_a_socket_for_both_families_speaks_ipv4_too() -> None:
    async def main() -> None:
        sockets = bind_mesh("::", 0)
        sockets.tcp.close()
        heard: list[tuple[bytes, Address]] = []
        door = DatagramDoor(Admission("::", open_to_all=False), lambda *packet: heard.append(packet))
        await door.open(sockets.udp)
        reading = asyncio.ensure_future(door.read())
        port = sockets.address[1]
        door.send(("127.0.0.1", port), b"four")
        await until(lambda: heard == [(b"four", ("127.0.0.1", port))])
        door.send(("::1", port), b"six")
        await until(lambda: heard[1:] == [(b"six", ("::1", port))])
        door.close()
        await reading

    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 on this host")
    asyncio.run(main())

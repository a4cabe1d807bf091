"""Nodes at addresses of other kinds: behind a translator of ports, and on IPv6 alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from meshq.config import Config
from meshq.machine import events
from meshq.machine.effects import Address
from meshq.runtime.addresses import bind_mesh, show_address
from meshq.runtime.host import Host
from tests.runtime.loops import play, until


def names(host: Host) -> set[str]:
    return set(host.engine.view()["members"])


class Forwarder(asyncio.DatagramProtocol):
    """Passes datagrams on, as a translator does to those that come from outside."""

    def __init__(self, inside: Address) -> None:
        self.inside = inside
        self.passed = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.passed += 1
        self.transport.sendto(data, self.inside)


@asynccontextmanager
async def translator(port: int) -> AsyncIterator[tuple[Address, Forwarder]]:
    """An outside address whose datagrams and streams go to ``port`` inside, which is another one."""
    sockets = bind_mesh("127.0.0.1", 0)
    inside = ("127.0.0.1", port)
    pumps: set[asyncio.Task[None]] = set()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*inside)
        for source, target in ((reader, back), (there, writer)):
            pumps.add(asyncio.create_task(pump(source, target)))

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                target.write(data)
        target.close()

    forwarder = Forwarder(inside)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: forwarder, sock=sockets.udp)
    server = await asyncio.start_server(join, sock=sockets.tcp)
    try:
        yield sockets.address, forwarder
    finally:
        server.close()
        transport.close()
        for each in pumps:
            each.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


def test_a_node_behind_a_translator_is_reached_at_what_it_advertises_and_believed_from_its_own_port() -> None:
    async def main() -> None:
        heard: list[events.Event] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with translator(port) as (outside, forwarder):
            a = Host(Config(name="a"), bind="127.0.0.1", port=0, on_event=heard.append)
            await a.start()
            await a.wait_ready()
            b = Host(
                Config(name="b", seeds=(show_address(a.address),)), bind="127.0.0.1", port=port,
                advertise=show_address(outside),
            )  # fmt: skip
            await b.start()
            await b.wait_ready()
            await until(lambda: names(a) == names(b) == {"a", "b"})
            assert a.engine.membership.members["b"].address == outside  # type: ignore[attr-defined]
            await until(lambda: forwarder.passed >= 2)
            b.drain(1.0)
            await b.stopped()
            await until(lambda: events.MemberLeft("b") in heard)
            assert not [event for event in heard if isinstance(event, events.MemberSuspected | events.MemberFailed)]
            await b.close()
            await a.close()

    play(main())


def ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not ipv6(), reason="this host has no IPv6")
def test_nodes_on_ipv6_alone_meet_link_and_part() -> None:
    async def main() -> None:
        heard: list[events.Event] = []
        a = Host(Config(name="a"), bind="::1", port=0, on_event=heard.append)
        await a.start()
        await a.wait_ready()
        seed = show_address(a.address)
        assert seed.startswith("[::1]:")
        b = Host(Config(name="b", seeds=(seed,)), bind="::1", port=0)
        await b.start()
        await b.wait_ready()
        await until(lambda: names(a) == names(b) == {"a", "b"})
        a.engine.links.want(asyncio.get_running_loop().time(), "b")  # type: ignore[attr-defined]
        a._turns.soon()
        await until(lambda: events.LinkUp("b") in heard)
        b.drain(1.0)
        await b.stopped()
        await until(lambda: events.MemberLeft("b") in heard)
        await b.close()
        await a.close()

    play(main())

"""The real engine on real sockets: two nodes meet, survive rubbish, and part."""

from __future__ import annotations

import random
import socket
import sys

import pytest

from meshq.config import Config
from meshq.engine.engine import Engine
from meshq.machine import events
from meshq.machine.effects import Stop
from meshq.runtime.addresses import show_address
from meshq.runtime.clock import monotonic
from meshq.runtime.host import Host
from meshq.runtime.streams import connect
from tests.runtime.loops import Ear, play, until


def names(host: Host) -> set[str]:
    return set(host.engine.view()["members"])


async def two() -> tuple[Host, Host, list[events.Event]]:
    heard: list[events.Event] = []
    a = Host(Config(name="a"), bind="127.0.0.1", port=0, on_event=heard.append)
    await a.start()
    await a.wait_ready()
    b = Host(Config(name="b", seeds=(show_address(a.address),)), bind="127.0.0.1", port=0)
    await b.start()
    await b.wait_ready()
    await until(lambda: names(a) == names(b) == {"a", "b"})
    return a, b, heard


def test_two_nodes_meet_and_a_leave_is_heard() -> None:
    async def main() -> None:
        a, b, heard = await two()
        b.drain(1.0)
        assert await b.stopped() == Stop(None, 0)
        await b.close()
        await until(lambda: events.MemberLeft("b") in heard)
        await a.close()

    play(main())


def test_a_node_in_a_mesh_on_both_families_joins_by_name() -> None:
    async def main() -> None:
        a = Host(Config(name="a"), bind="::" if socket.has_dualstack_ipv6() else "0.0.0.0", port=0)
        await a.start()
        await a.wait_ready()
        b = Host(Config(name="b", seeds=(f"localhost:{a.address[1]}",)), bind="0.0.0.0", port=0)
        await b.start()
        await b.wait_ready()
        await until(lambda: names(a) == names(b) == {"a", "b"})
        await b.close()
        await a.close()

    play(main())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of the host")
def test_a_goodbye_is_heard_though_it_leaves_by_another_address_of_its_host() -> None:
    """The first node is known at 127.0.0.2, and the system sends its packets from 127.0.0.1."""

    async def main() -> None:
        heard: list[events.Event] = []
        a = Host(Config(name="a"), port=0, advertise="127.0.0.2")
        await a.start()
        await a.wait_ready()
        seed = f"127.0.0.1:{a.address[1]}"
        b = Host(Config(name="b", seeds=(seed,)), bind="127.0.0.1", port=0, on_event=heard.append)
        await b.start()
        await b.wait_ready()
        await until(lambda: names(a) == names(b) == {"a", "b"})
        a.drain(1.0)
        await a.stopped()
        await until(lambda: events.MemberLeft("a") in heard)
        assert not [event for event in heard if isinstance(event, events.MemberSuspected | events.MemberFailed)]
        await a.close()
        await b.close()

    play(main())


def test_rubbish_costs_its_sender_only() -> None:
    async def main() -> None:
        a, b, _ = await two()
        rng = random.Random(5)
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            for _ in range(500):
                peer.sendto(rng.randbytes(rng.randrange(1, 1500)), a.address)
        ears = [Ear() for _ in range(20)]
        for ear in ears:
            stream = await connect(a.address, ear)
            stream.write([rng.randbytes(rng.randrange(64, 4000))])
        await until(lambda: all(ear.reasons == ["eof"] for ear in ears))
        assert names(a) == names(b) == {"a", "b"}
        await b.close()
        await a.close()
        assert (await a.stopped()).error is None

    play(main())


@pytest.mark.parametrize(
    ("bind", "advertise"),
    [("127.0.0.1", None), ("0.0.0.0", None), (None, None), ("127.0.0.1", "127.0.0.9")],
)
def test_a_node_reads_what_it_sends_to_itself_however_it_is_bound(bind: str | None, advertise: str | None) -> None:
    """It has to, to know how late it reads; the address that it gives to others may not be its own."""

    async def main() -> None:
        a = Host(Config(name="a"), bind=bind, port=0, advertise=advertise)
        await a.start()
        await a.wait_ready()
        assert isinstance(a.engine, Engine)
        lag = a.engine.membership._lag
        await until(lambda: lag.comes_back(monotonic()))
        await a.close()

    play(main())

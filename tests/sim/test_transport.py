"""Simulated streams as asyncio has them: any protocol, the errors of the system, and no bytes lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

import meshq
from meshq.sim import Mesh


def play(main: Coroutine[Any, Any, Any], mesh: Mesh) -> Any:
    return mesh.run(main, within_s=120)


def test_asyncios_own_streams_reach_a_node_and_see_its_end() -> None:
    mesh = Mesh(nodes=1)

    async def main() -> None:
        reader, writer = await asyncio.open_connection("n1", 4155)
        assert writer.get_extra_info("peername") == ("10.0.0.1", 4155)
        writer.write(b"nothing that a node would know\n")
        await writer.drain()
        await reader.read()  # until the node has had enough: it ends the stream
        writer.close()
        await writer.wait_closed()

    play(main(), mesh)


def test_who_does_not_listen_refuses() -> None:
    mesh = Mesh(nodes=1)

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("n1", 80)
        with pytest.raises(OSError, match="no simulated host"):
            await asyncio.open_connection("n2", 4155)

    play(main(), mesh)


def test_a_dial_into_a_silent_host_runs_into_its_timeout() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        mesh.crash("n2", host=True)
        with pytest.raises(OSError, match="timed out") as caught:
            await asyncio.open_connection("n2", 4155)
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.open_connection("n2", 4155)

    play(main(), mesh)


def test_a_crash_resets_and_the_client_moves_on_to_another_node() -> None:
    mesh = Mesh(nodes=2)

    async def main() -> None:
        async with meshq.connect("n1", "n2") as client:
            assert client.node_name == "n1"
            mesh.crash("n1")
            receipt = await client.publish("t", b"x", timeout_s=30, retry=True)
            assert receipt.node == client.node_name == "n2"

    play(main(), mesh)


@pytest.mark.parametrize("door", ["pipe", "stream"])
def test_megabytes_cross_whole_and_in_order(door: str) -> None:
    mesh = Mesh(nodes=2)
    bodies = [bytes([number]) * 700_000 for number in range(12)]

    async def main() -> None:
        async with meshq.connect("n1") as remote:
            client = mesh.node("n1") if door == "pipe" else remote
            async with mesh.node("n2").subscribe("big", "all") as messages:
                for body in bodies:
                    await client.publish("big", body)
                for body in bodies:
                    message = await anext(messages)
                    assert message.body == body
                    message.finish()

    play(main(), mesh)


def test_a_paused_client_reads_when_it_goes_on() -> None:
    mesh = Mesh(nodes=2)
    heard: list[float] = []

    async def listen() -> None:
        async with meshq.connect("n1") as client, client.subscribe("t", "c") as messages:
            async for message in messages:
                heard.append(mesh.now_s)
                message.finish()

    mesh.service("listener", listen)

    async def main() -> None:
        await mesh.run_until(lambda: any("ChannelCreated" in repr(each.event) for each in mesh.events))
        mesh.pause("listener")
        await mesh.node("n2").publish("t", b"x")
        await asyncio.sleep(2)
        assert heard == []
        mesh.resume("listener")
        await mesh.run_until(lambda: len(heard) == 1)

    play(main(), mesh)

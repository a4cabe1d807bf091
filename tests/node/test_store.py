"""Embedded nodes with a data directory, on real disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshq.errors import StoreTrouble
from meshq.node import Node
from tests.client.nodes import on_loop
from tests.node.meshes import quick_node


async def consumed(node: Node, wanted: set[bytes]) -> set[bytes]:
    """Consume until all that is wanted has come; everything that did."""
    came: set[bytes] = set()
    async with node.subscribe("orders", "billing") as messages:
        async for lease in messages.leases():
            async with lease:
                came |= {message.body for message in lease}
            if wanted <= came:
                break
    return came


def test_a_node_started_again_on_its_directory_is_the_same_node_and_has_its_messages(tmp_path: Path) -> None:
    on_loop(lambda: start_again(tmp_path))()


async def start_again(tmp_path: Path) -> None:
    async with quick_node(data=tmp_path) as node:
        name = node.name
        receipt = await node.publish("orders", b"safe", level="fsync")
        assert receipt.level == "fsync"
        await node.publish("orders", b"soon", delay_s=0.3)
        assert (await node.stats())["level"] == "disk"
    async with quick_node(data=tmp_path) as node:
        assert node.name == name
        assert await consumed(node, {b"safe", b"soon"}) == {b"safe", b"soon"}
    async with quick_node(data=tmp_path) as node:
        assert sum(topic["messages"] for topic in (await node.stats())["topics"]) == 0


def test_a_node_whose_disk_is_full_refuses_starts_again_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    on_loop(lambda: fill_and_empty(small_disk))()


async def fill_and_empty(small_disk: Path) -> None:
    sent: set[bytes] = set()

    async def publish() -> None:
        bodies = [f"{len(sent) + number:08}".encode().ljust(1000, b".") for number in range(64)]
        await node.publish_many("orders", bodies, timeout_s=1)
        sent.update(bodies)

    async def publish_until_full() -> None:
        while len(sent) < 10_000:
            await publish()

    async with quick_node(data=small_disk / "data") as node:
        with pytest.raises(StoreTrouble, match="full"):
            await publish_until_full()
        assert "full" in (await node.ask("ping"))["health"]
        assert (await node.publish("orders", b"held", level="memory")).level == "memory"
    async with quick_node(data=small_disk / "data") as node:
        assert sent <= await consumed(node, sent), "nothing confirmed was lost"
        while (await node.ask("ping"))["health"] != "OK":  # it may have found room while messages were finished
            pass
        await publish()
    async with quick_node(data=small_disk / "data") as node:
        assert await consumed(node, set(sorted(sent)[-64:])) >= set(sorted(sent)[-64:])

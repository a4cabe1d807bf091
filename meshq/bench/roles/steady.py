"""The two ends of the failover bench: a steady flow of numbered messages, and every time and number kept."""

from __future__ import annotations

import asyncio
import struct
import time
from contextlib import AsyncExitStack
from typing import Any, Final

from meshq.bench.roles.names import TOPIC, channels
from meshq.bench.roles.pace import start_pace
from meshq.bench.roles.telling import end_of_input, tell
from meshq.client import connect
from meshq.errors import MeshError

TICK_S: Final = 0.002
"""What is due is published this often: in the same turn, but each message by a call of its own."""
DRAIN_S: Final = 10.0
LOOK_S: Final = 0.02
NUMBER: Final = struct.Struct("<Q")


async def publish_steady(node: str, first: int, messages: int, per_s: float, size_bytes: int, level: str) -> None:
    """Publish messages numbered from ``first``, once given the sign; goes on at another node when its own dies.

    Tells, when all have their answer, ``confirms``: [time, number, node that accepted it], and how many have no
    confirmation.
    """
    begin = end_of_input()
    confirms: list[Any] = []
    unconfirmed = 0
    numbers = iter(range(first, first + messages))
    padding = b"." * (size_bytes - NUMBER.size)
    running: set[asyncio.Task[None]] = set()
    done = asyncio.Event()
    async with connect(node) as mesh:

        async def publish(number: int) -> None:
            nonlocal unconfirmed
            try:
                receipt = await mesh.publish(TOPIC, NUMBER.pack(number) + padding, level=level, timeout_s=10.0)
                confirms.append((round(time.monotonic(), 5), number, receipt.node))
            except MeshError:
                unconfirmed += 1  # it may be published or not: nothing was promised
            if len(confirms) + unconfirmed == messages:
                done.set()

        def start(count: int) -> None:
            for _ in range(count):
                task = asyncio.get_running_loop().create_task(publish(next(numbers)), name="publish")
                running.add(task)
                task.add_done_callback(running.discard)

        tell(ready=True)
        await begin.wait()
        start_pace(messages, per_s, start, tick_s=TICK_S)
        await done.wait()
    tell(confirms=confirms, unconfirmed=unconfirmed)


async def consume_steady(node: str) -> None:
    """Take and finish until told to stop; tells ``takes``: [time, numbers taken together]."""
    stop = end_of_input()
    takes: list[Any] = []
    async with connect(node) as mesh, mesh.subscribe(TOPIC, channels(1)[0]) as subscription:

        async def take() -> None:
            async for lease in subscription.leases():
                async with lease:
                    numbers = [NUMBER.unpack_from(body)[0] for body in lease.bodies]
                    takes.append((round(time.monotonic(), 5), numbers))

        task = asyncio.create_task(take(), name="take")
        tell(ready=True)
        await stop.wait()
        task.cancel()
    tell(takes=takes)


async def drained(nodes: list[str]) -> None:
    """Until none of these nodes has anything unfinished; tells so. Raises MeshError when that takes too long."""
    end_s = time.monotonic() + DRAIN_S
    async with AsyncExitStack() as stack:
        meshes = [await stack.enter_async_context(connect(node)) for node in nodes]
        while left := sum([_unfinished(await mesh.stats()) for mesh in meshes]):
            if time.monotonic() > end_s:
                raise MeshError(f"{left:,} messages are still unfinished {DRAIN_S:g} s after the last publish")
            await asyncio.sleep(LOOK_S)
    tell(ready=True)


def _unfinished(stats: dict[str, Any]) -> int:
    return sum(topic["messages"] for topic in stats["topics"])

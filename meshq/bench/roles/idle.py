"""Consumers that wait for messages which never come, each with a connection of its own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from meshq.bench.roles.telling import end_of_input, tell
from meshq.client import connect

AT_A_TIME: Final = 50
TOPICS: Final = 100


async def idle(node: str, consumers: int) -> None:
    """So many consumers, spread over some topics; waits to be stopped.

    Tells how many connections the node counts when all have subscribed.
    """
    stop = end_of_input()
    room = asyncio.Semaphore(AT_A_TIME)
    async with AsyncExitStack() as stack:

        async def consume(number: int) -> None:
            async with room:
                mesh = await stack.enter_async_context(connect(node, name=f"idle-{number}"))
                await stack.enter_async_context(mesh.subscribe(f"idle-{number % TOPICS}", "channel"))

        async with asyncio.TaskGroup() as group:
            for number in range(consumers):
                group.create_task(consume(number), name=f"idle:{number}")
        async with connect(node) as mesh:
            tell(connections=(await mesh.stats())["connections"])
        await stop.wait()
        tell(stopped=True)
        stack.pop_all()  # no use in two thousand goodbyes: the process ends

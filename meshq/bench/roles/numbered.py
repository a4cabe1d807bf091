"""The two ends of the crash bench: as much as is confirmed, every message with a number, and every number kept.

Numbers are told as spans, [seconds, first, count]: what was confirmed, or taken and finished, together.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, Final

from meshq.bench.roles.names import IN_FLIGHT, TOPIC
from meshq.bench.roles.telling import end_of_input, tell
from meshq.client import Mesh, connect
from meshq.client.subscription import Subscription
from meshq.errors import MeshError

NUMBER: Final = struct.Struct("<Q")
PUBLISH_S: Final = 10.0
PAUSE_S: Final = 0.02
"""After a refusal; what waits for a node that is away waits in the client."""
HELD: Final = 2_000
"""What a consumer may hold that takes its time: the rest waits where it was published."""
FINISH_S: Final = 30.0
"""So long without anything finished is no slow host any more."""
LOOK_S: Final = 0.02


async def publish_numbered(node: str, first: int, size_bytes: int, batch: int, calls: int, level: str) -> None:
    """Publish messages numbered from ``first`` until told to stop, so many calls at a time.

    Goes on at another node when its own dies. Tells what was ``confirmed`` and how many messages were not.
    """
    stop = end_of_input()
    confirmed: list[tuple[float, int, int]] = []
    unconfirmed = 0
    padding = b"." * (size_bytes - NUMBER.size)
    starts = count(first, batch)
    async with connect(node) as mesh:

        async def work() -> None:
            nonlocal unconfirmed
            while not stop.is_set():
                start = next(starts)
                bodies = [NUMBER.pack(number) + padding for number in range(start, start + batch)]
                try:
                    await mesh.publish_many(TOPIC, bodies, level=level, timeout_s=PUBLISH_S)
                except MeshError:
                    unconfirmed += batch  # they may be published or not: nothing was promised
                    await asyncio.sleep(PAUSE_S)
                else:
                    confirmed.append((round(time.monotonic(), 4), start, batch))

        tell(ready=True)
        async with asyncio.TaskGroup() as group:
            for number in range(calls):
                group.create_task(work(), name=f"publish:{number}")
    tell(confirmed=confirmed, unconfirmed=unconfirmed)


async def consume_numbered(node: str, channels: dict[str, float]) -> None:
    """Take and finish on each channel until told to stop, at most so many messages a second (0: as fast as they come).

    Tells what was ``finished`` by channel.
    """
    stop = end_of_input()
    finished: dict[str, list[Any]] = {channel: [] for channel in channels}
    async with connect(node) as mesh, AsyncExitStack() as stack:
        for channel, per_s in channels.items():
            held = HELD if per_s else IN_FLIGHT
            subscription = await stack.enter_async_context(mesh.subscribe(TOPIC, channel, max_in_flight=held))
            task = asyncio.create_task(_take(subscription, per_s, finished[channel]), name=f"take:{channel}")
            stack.callback(task.cancel)
        tell(ready=True)
        await stop.wait()
    tell(finished=finished)


async def _take(subscription: Subscription, per_s: float, spans: list[Any]) -> None:
    free_s = 0.0
    async for lease in subscription.leases():
        async with lease:
            numbers = [NUMBER.unpack_from(body)[0] for body in lease.bodies]
            if per_s:
                free_s = max(free_s, time.monotonic()) + len(numbers) / per_s
                await asyncio.sleep(max(0.0, free_s - time.monotonic()))
        at = round(time.monotonic(), 4)
        spans.extend((at, first, many) for first, many in runs(numbers))


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Neighbours as (first, count), in the order given."""
    first = many = 0
    for number in numbers:
        if many and number == first + many:
            many += 1
            continue
        if many:
            yield first, many
        first, many = number, 1
    if many:
        yield first, many


async def all_settled(nodes: list[str]) -> None:
    """Until none of these nodes has anything unfinished, or nothing moves any more; tells how much is ``left``."""
    async with AsyncExitStack() as stack:
        meshes = [await stack.enter_async_context(connect(node)) for node in nodes]
        left, moved_s = -1, time.monotonic()
        while (now_left := sum([await _unfinished(mesh) for mesh in meshes])) and (
            now_left != left or time.monotonic() - moved_s < FINISH_S
        ):
            if now_left != left:
                left, moved_s = now_left, time.monotonic()
            await asyncio.sleep(LOOK_S)
    tell(left=now_left)


async def _unfinished(mesh: Mesh) -> int:
    return sum(topic["messages"] for topic in (await mesh.stats())["topics"])

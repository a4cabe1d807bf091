"""The publisher of the throughput benches: as fast as it is confirmed, until the origin knows that all is finished."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

from meshq.bench.roles.names import TOPIC
from meshq.bench.roles.telling import tell
from meshq.client import Mesh, connect
from meshq.errors import MeshError

PUBLISH_S: Final = 60.0
"""How long a publish may be refused: a node that is full makes its publishers wait."""
LOOK_S: Final = (0.001, 0.1)
"""The least and most time between two looks at what is finished."""
STILL_S: Final = 10.0
"""So long without anything finished is no slow host any more."""


async def publish(node: str, messages: int, size_bytes: int, batch: int, calls: int, level: str, finishes: int) -> None:
    """Publish, so many calls at a time, and wait until ``finishes`` are finished (0: for none).

    Tells when the first call was made, the last confirmed, and the last finish seen in the origin's own count.
    """
    async with connect(node) as mesh:
        began_s = time.monotonic()
        turns = iter(range(messages // batch))
        work = _publish_single if batch == 1 else _publish_batches
        bodies = [b"x" * size_bytes] * batch
        async with asyncio.TaskGroup() as group:
            for number in range(calls):
                group.create_task(work(mesh, turns, bodies, level), name=f"publish:{number}")
        confirmed_s = time.monotonic()
        await all_finished(mesh, finishes, began_s)
        tell(began_s=began_s, confirmed_s=confirmed_s, finished_s=time.monotonic())


async def finished(node: str, finishes: int) -> None:
    """Until the node counts so many finished; tells when."""
    async with connect(node) as mesh:
        await all_finished(mesh, finishes, time.monotonic())
    tell(finished_s=time.monotonic())


async def _publish_batches(mesh: Mesh, turns: Iterator[int], bodies: list[bytes], level: str) -> None:
    for _ in turns:
        await mesh.publish_many(TOPIC, bodies, level=level, timeout_s=PUBLISH_S)


async def _publish_single(mesh: Mesh, turns: Iterator[int], bodies: list[bytes], level: str) -> None:
    body = bodies[0]
    for _ in turns:
        await mesh.publish(TOPIC, body, level=level, timeout_s=PUBLISH_S)


async def all_finished(mesh: Mesh, finishes: int, began_s: float) -> None:
    """Until the node counts so many finished messages of its own, over all channels.

    It is asked seldom while much is left and each millisecond near the end: an answer costs the node about as much
    as a batch. Raises MeshError when nothing moves any more.
    """
    before, moved_s = -1, time.monotonic()
    while (finished := _finished(await mesh.stats())) < finishes:
        now = time.monotonic()
        if finished > before:
            before, moved_s = finished, now
        elif now - moved_s > STILL_S:
            raise MeshError(f"nothing was finished for {STILL_S:g} s: {finished:,} of {finishes:,} are")
        left_s = (finishes - finished) * (now - began_s) / max(1, finished)
        await asyncio.sleep(min(max(left_s / 2, LOOK_S[0]), LOOK_S[1]))


def _finished(stats: dict[str, Any]) -> int:
    channels = [channel for topic in stats["topics"] if topic["topic"] == TOPIC for channel in topic["channels"]]
    return sum(channel.get("finished", 0) for channel in channels)

"""The two ends of the latency bench: single messages at a pace, each with the time of its publish."""

from __future__ import annotations

import asyncio
import time

from meshq.bench.roles.names import TOPIC, channels
from meshq.bench.roles.pace import start_pace
from meshq.bench.roles.relay import STAMP
from meshq.bench.roles.telling import ladder_ms, quantiles_ms, tell
from meshq.client import connect


async def publish_paced(node: str, messages: int, size_bytes: int, per_s: float, level: str) -> None:
    """Publish single messages at a pace; tells how long their confirmations took."""
    done = asyncio.Event()
    padding = b"." * (size_bytes - STAMP.size)
    confirms_s: list[float] = []
    running: set[asyncio.Task[None]] = set()
    async with connect(node) as mesh:

        async def publish() -> None:
            began_s = time.monotonic()
            await mesh.publish(TOPIC, STAMP.pack(began_s) + padding, level=level)
            confirms_s.append(time.monotonic() - began_s)
            if len(confirms_s) == messages:
                done.set()

        def start(_: int) -> None:
            task = asyncio.get_running_loop().create_task(publish(), name="publish")
            running.add(task)
            task.add_done_callback(running.discard)

        start_pace(messages, per_s, start)
        await done.wait()
    tell(confirm=quantiles_ms(confirms_s[messages // 10 :]))


async def consume_paced(node: str, messages: int) -> None:
    """Take messages one by one and note how long each was on its way; the first tenth is warm-up."""
    ways_s: list[float] = []
    async with connect(node) as mesh, mesh.subscribe(TOPIC, channels(1)[0]) as subscription:
        tell(ready=True)
        async for message in subscription:
            ways_s.append(time.monotonic() - STAMP.unpack_from(message.body)[0])
            message.finish()
            if len(ways_s) == messages:
                break
    measured = ways_s[messages // 10 :]
    tell(delivery=quantiles_ms(measured), ladder=ladder_ms(measured))

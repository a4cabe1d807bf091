"""What the processes of a bench do: publish, consume, measure. Each prints JSON lines for whoever started it.

``time.monotonic`` is one clock for all processes of a host, so times of one process can be taken from
those of another.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from meshq.client import Mesh, connect

TOPIC: Final = "bench"
CHANNEL: Final = "bench"
IN_FLIGHT: Final = 50_000
_STAMP: Final = struct.Struct("<d")


def tell(**fields: Any) -> None:
    """One JSON line to the process that started this one."""
    print(json.dumps(fields), flush=True)


async def publish_batches(node: str, messages: int, size_bytes: int, batch: int, outstanding: int) -> None:
    """Publish in batches with so many calls outstanding; tells when the first call was made and the last answered."""
    bodies = [b"x" * size_bytes] * batch
    calls = iter(range(messages // batch))
    async with connect(node) as mesh:
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(outstanding):
                group.create_task(_publish_from(mesh, calls, bodies), name=f"publish:{number}")
        tell(began_s=began_s, ended_s=time.monotonic())


async def _publish_from(mesh: Mesh, calls: Any, bodies: list[bytes]) -> None:
    for _ in calls:
        await mesh.publish_many(TOPIC, bodies, timeout_s=60.0)


async def consume_leases(node: str, messages: int) -> None:
    """Take and finish so many messages; tells when it is ready, and when the last one was finished."""
    async with connect(node) as mesh, mesh.subscribe(TOPIC, CHANNEL, max_in_flight=IN_FLIGHT) as subscription:
        tell(ready=True)
        finished = size_bytes = leases = 0
        async for lease in subscription.leases():
            async with lease:
                size_bytes += sum(map(len, lease.bodies))
            finished += len(lease)
            leases += 1
            if finished >= messages:
                break
        tell(ended_s=time.monotonic(), finished=finished, bytes=size_bytes, leases=leases)


async def publish_paced(node: str, messages: int, size_bytes: int, per_s: float) -> None:
    """Publish single messages at a pace kept by ``time.sleep`` in a thread; each carries the time of its call."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    padding = b"." * (size_bytes - _STAMP.size)
    confirms_s: list[float] = []
    running: set[asyncio.Task[None]] = set()
    async with connect(node) as mesh:

        async def publish() -> None:
            began_s = time.monotonic()
            await mesh.publish(TOPIC, _STAMP.pack(began_s) + padding)
            confirms_s.append(time.monotonic() - began_s)
            if len(confirms_s) == messages:
                done.set()

        def start() -> None:
            task = loop.create_task(publish(), name="publish")
            running.add(task)
            task.add_done_callback(running.discard)

        threading.Thread(target=_pace, args=(loop, start, messages, per_s), name="pace", daemon=True).start()
        await done.wait()
    tell(confirm=quantiles_ms(confirms_s))


def _pace(loop: asyncio.AbstractEventLoop, start: Callable[[], None], messages: int, per_s: float) -> None:
    due_s = time.monotonic()
    for _ in range(messages):
        due_s += 1 / per_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        loop.call_soon_threadsafe(start)


async def consume_messages(node: str, messages: int) -> None:
    """Take messages one by one and note how long each was on its way; the first tenth is warm-up."""
    ways_s: list[float] = []
    async with connect(node) as mesh, mesh.subscribe(TOPIC, CHANNEL) as subscription:
        tell(ready=True)
        async for message in subscription:
            ways_s.append(time.monotonic() - _STAMP.unpack_from(message.body)[0])
            message.finish()
            if len(ways_s) == messages:
                break
    tell(delivery=quantiles_ms(ways_s[messages // 10 :]), measured=messages - messages // 10)


def quantiles_ms(times_s: list[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest, in milliseconds."""
    ordered = sorted(times_s)
    last = len(ordered) - 1
    named = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999, "max": 1.0}
    return {name: round(ordered[round(last * part)] * 1000, 3) for name, part in named.items()}


def main(arguments: list[str]) -> None:
    """Play one role, as the bench's own process: its name and its numbers."""
    from meshq.runtime.loop import run

    name, node, *numbers = arguments
    roles: dict[str, Callable[..., Any]] = {
        "publish-batches": publish_batches,
        "consume-leases": consume_leases,
        "publish-paced": publish_paced,
        "consume-messages": consume_messages,
    }
    run(roles[name](node, *(int(each) for each in numbers)))


if __name__ == "__main__":
    main(sys.argv[1:])

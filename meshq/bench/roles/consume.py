"""The consumers of the throughput benches: take and finish until told to stop."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from meshq.bench.roles.names import IN_FLIGHT, TOPIC
from meshq.bench.roles.telling import end_of_input, tell
from meshq.client import connect
from meshq.client.subscription import Subscription


class Tally:
    """What one process took."""

    def __init__(self) -> None:
        self.messages = self.bytes = self.takes = 0

    async def leases(self, subscription: Subscription) -> None:
        """Take what came together, and finish it in one step."""
        async for lease in subscription.leases():
            async with lease:
                self.bytes += sum(map(len, lease.bodies))
            self.messages += len(lease)
            self.takes += 1

    async def each(self, subscription: Subscription) -> None:
        """Take and finish message by message."""
        async for message in subscription:
            async with message:
                self.bytes += len(message.body)
            self.messages += 1
            self.takes += 1


async def consume(node: str, channels: list[str], each: bool) -> None:
    """One consumer of each channel; tells when all are subscribed and, at the end, what they took."""
    stop = end_of_input()
    tally = Tally()
    take = tally.each if each else tally.leases
    async with connect(node) as mesh, AsyncExitStack() as stack:
        for channel in channels:
            subscription = await stack.enter_async_context(mesh.subscribe(TOPIC, channel, max_in_flight=IN_FLIGHT))
            task = asyncio.create_task(take(subscription), name=f"consume:{channel}")
            stack.callback(task.cancel)
        tell(ready=True)
        await stop.wait()
    tell(messages=tally.messages, bytes=tally.bytes, takes=tally.takes)

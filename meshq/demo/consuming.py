"""The demo's consumers: each takes a channel's messages at one node, and keeps the demo's own count."""

from __future__ import annotations

import asyncio
from typing import Final

from meshq.client import Mesh, connect
from meshq.demo.ledger import number
from meshq.demo.publishing import TOPIC
from meshq.demo.stage import NodeView, Stage

MAX_IN_FLIGHT: Final = 400
WORK_S: Final = 0.0003
"""What a message takes, as if something were done with it: so some are always in a consumer's hands."""
NAP_S: Final = 0.005
"""Work is slept off in naps of at least this long: timers are no finer than a millisecond."""


class Consumer:
    """One consumer of a channel at a node, from ``start`` until ``stop`` or until it dies with the node."""

    def __init__(self, stage: Stage, node: NodeView, channel: str) -> None:
        self._stage = stage
        self._node = node
        self._channel = channel
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._busy_until = 0.0
        self.in_hands = 0

    async def start(self) -> None:
        """Consume; returns when it is subscribed. Raises MeshError when it can't be."""
        self._task = asyncio.create_task(self._consume(), name=f"consume:{self._node.name}:{self._channel}")
        subscribed = asyncio.create_task(self._subscribed.wait())
        await asyncio.wait((self._task, subscribed), return_when=asyncio.FIRST_COMPLETED)
        subscribed.cancel()
        if self._task.done():
            self._task.result()

    def die(self) -> int:
        """End where it is: what is in its hands, so many messages, is never finished by it."""
        if self._task is not None:
            self._task.cancel()
        return self.in_hands

    async def stop(self) -> None:
        """Leave the channel and give back what is unfinished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _consume(self) -> None:
        async with connect(self._node.mesh, name=f"{self._channel}-at-{self._node.name}") as mesh:
            await self._take(mesh)

    async def _take(self, mesh: Mesh) -> None:
        channel = self._stage.ledger.channels[self._channel]
        flow = self._node.consumed[self._channel]
        async with mesh.subscribe(TOPIC, self._channel, max_in_flight=MAX_IN_FLIGHT) as messages:
            self._subscribed.set()
            async for lease in messages.leases():
                numbers = [number(body) for body in lease.bodies]
                channel.deliver(numbers)
                self.in_hands = len(numbers)
                async with lease:
                    await self._work(len(numbers))
                channel.finish(numbers)
                flow.add(len(numbers))
                self.in_hands = 0

    async def _work(self, count: int) -> None:
        """Be busy with so many messages."""
        now = asyncio.get_running_loop().time()
        self._busy_until = max(self._busy_until, now) + count * WORK_S
        if self._busy_until - now >= NAP_S:
            await asyncio.sleep(self._busy_until - now)

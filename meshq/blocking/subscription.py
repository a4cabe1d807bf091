"""A subscription that threads iterate.

Decides that several threads may share one, each taking messages that came together, and that a loop which was broken
out of leaves the rest of them to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from meshq import client
from meshq.blocking.messages import Lease, Message
from meshq.blocking.worker import Worker, awaited
from meshq.client.checks import whole
from meshq.client.extent import Extent


class Subscription:
    """``client.Subscription`` without ``await``: an iterator of messages, or by ``leases()`` of leases.

    Several threads may iterate one subscription; each takes messages that came together.
    """

    def __init__(self, worker: Worker, subscription: client.Subscription) -> None:
        self._worker = worker
        self._subscription = subscription
        self._left: deque[Extent] = deque()

    def __enter__(self) -> Self:
        self._worker.run(awaited(self._subscription))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the channel; what is not settled goes back at once. Idempotent."""
        self._worker.run(self._subscription.close())

    @property
    def barrier(self) -> tuple[int, int]:
        """How many members acknowledged the channel, of how many asked."""
        return self._subscription.barrier

    @property
    def max_in_flight(self) -> int:
        """How many messages may be here unsettled."""
        return self._subscription.max_in_flight

    def set_max_in_flight(self, messages: int, size_bytes: int | None = None) -> None:
        """Hold at most this many from now on. 0 pauses."""
        whole("max_in_flight", messages, least=0)
        self._worker.post(self._subscription.set_max_in_flight, messages, size_bytes)

    def __iter__(self) -> Iterator[Message]:
        """Messages, each taken when it is asked for. Another loop goes on where an earlier one was left."""
        while (extent := self._next()) is not None:
            # The extent stays the loop's: it keeps what is untaken alive, and moves the index to the end when the
            # session is lost.
            try:
                while (position := extent.index) < extent.count:
                    if extent.stale:
                        self._worker.run(_freshen(self._subscription, extent))
                    extent.index = position + 1
                    yield Message(self._worker, extent, position)
            finally:
                if extent.index < extent.count:
                    self._left.append(extent)

    def _next(self) -> Extent | None:
        """What a loop left behind when it was broken out of, else what comes next."""
        try:
            return self._left.popleft()
        except IndexError:
            return self._worker.run(_next_extent(self._subscription))

    def leases(self) -> Iterator[Lease]:
        """All messages that came together at once: the fast way."""
        while (lease := self._worker.run(_next_lease(self._subscription))) is not None:
            yield Lease(self._worker, lease)


async def _next_extent(subscription: client.Subscription) -> Extent | None:
    try:
        return await subscription.extent()
    except StopAsyncIteration:
        return None


async def _next_lease(subscription: client.Subscription) -> Extent | None:
    try:
        return await subscription.whole_extent()
    except StopAsyncIteration:
        return None


async def _freshen(subscription: client.Subscription, extent: Extent) -> None:
    subscription.freshen(extent)

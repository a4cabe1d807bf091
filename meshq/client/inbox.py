"""What came for a subscription: extents that wait, extents of which something was taken, tasks that wait for either.

Decides what is handed out next and to whom, and when the loop must have its turn first. Knows nothing of the
wire: what is to be said about extents is the subscription's.
"""

from __future__ import annotations

import asyncio
from collections import deque

from meshq.client.extent import Extent


class Inbox:
    """``waiting`` extents are untaken; ``taken`` ones have something unsettled, by identity."""

    __slots__ = ("_loop", "_readers", "current", "handed", "taken", "waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._readers: deque[asyncio.Future[None]] = deque()
        self.waiting: deque[Extent] = deque()
        self.taken: dict[int, Extent] = {}
        self.current: Extent | None = None
        """The extent from which messages are taken one by one."""
        self.handed = 0
        """Messages of extents taken since the loop's last turn."""

    def put(self, extent: Extent) -> None:
        """An extent came."""
        self.waiting.append(extent)
        self.rouse(extent.count)

    def take(self) -> Extent:
        """The oldest waiting extent, with its body read. Raises RemoteProtocolError, and it is out."""
        extent = self.waiting.popleft()
        extent.load()
        self.taken[id(extent)] = extent
        self.handed += extent.count
        return extent

    def settled(self, extent: Extent) -> None:
        """Nothing of the extent is unsettled any more."""
        self.taken.pop(id(extent), None)

    def unfinished(self) -> int:
        """How many messages are here, taken or not, and not settled."""
        return sum(extent.count for extent in self.waiting) + sum(extent.unsettled for extent in self.taken.values())

    def untaken(self) -> list[Extent]:
        """Every extent of which something is untaken."""
        return [*self.waiting, *(extent for extent in self.taken.values() if extent.index < extent.count)]

    def shed(self, excess: int) -> list[tuple[Extent, int]]:
        """Take out untaken messages, the newest first, until ``excess`` are: (extent, from which position)."""
        out: list[tuple[Extent, int]] = []
        while excess > 0 and self.waiting:
            extent = self.waiting[-1]
            kept = max(extent.count - excess, 0)
            excess -= extent.count - kept
            out.append((extent, kept))
            if not kept:
                self.waiting.pop()
        return out

    def clear(self) -> None:
        """Forget everything; what is being taken ends where it is."""
        for extent in self.taken.values():
            extent.index = extent.count
        self.waiting.clear()
        self.taken.clear()
        self.current = None

    async def more(self) -> None:
        """Wait until there may be something to take; tasks are served in order."""
        reader: asyncio.Future[None] = self._loop.create_future()
        self._readers.append(reader)
        try:
            await reader
        except asyncio.CancelledError:
            if reader.done() and not reader.cancelled():
                self.rouse(1)  # what it was woken for is still there for another one
            raise

    def rouse(self, count: int) -> None:
        """Wake as many tasks as there are messages for."""
        readers = self._readers
        while readers and count > 0:
            reader = readers.popleft()
            if not reader.done():
                reader.set_result(None)
                count -= 1

    def rouse_all(self) -> None:
        """Wake every task: there is nothing more to wait for."""
        self.rouse(len(self._readers))

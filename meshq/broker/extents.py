"""Parts of batches on their way, kept by number.

``Extents`` holds items that do not overlap: leases at an origin, what waits there, hands at a receiver.
Whole items go in and out in one step; taking a part cuts items at its edges. What an item stands
for is its owner's business.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Generic, Protocol, Self, TypeVar

from meshq.broker.batch import Batch


class Cuttable(Protocol):
    """What ``Extents`` holds."""

    start: int
    stop: int

    def cut(self, at: int) -> Self:
        """Keep ``start`` to ``at``; return the rest as an item of its own."""
        ...


C = TypeVar("C", bound=Cuttable)


class Extent:
    """Messages ``start`` to ``stop`` of a batch, waiting or lent (then ``number`` is its delivery number)."""

    __slots__ = ("batch", "number", "start", "stop")

    def __init__(self, batch: Batch, start: int, stop: int, number: int = 0) -> None:
        self.batch = batch
        self.start = start
        self.stop = stop
        self.number = number

    def __repr__(self) -> str:
        return f"Extent({self.start}, {self.stop}, number={self.number})"

    def cut(self, at: int) -> Extent:
        """Keep ``start`` to ``at``; return the rest. Both were delivered together."""
        rest = Extent(self.batch, at, self.stop, self.number)
        self.stop = at
        return rest


class Extents(Generic[C]):
    """Items that don't overlap, in the order of their numbers; ``messages`` of them in all."""

    __slots__ = ("_items", "_starts", "messages")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._items: dict[int, C] = {}
        self.messages = 0

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[C]:
        return map(self._items.__getitem__, self._starts)

    def first(self) -> C:
        """The item with the lowest numbers."""
        return self._items[self._starts[0]]

    def add(self, item: C) -> None:
        """Put ``item`` in; it overlaps none that is in."""
        start = item.start
        starts = self._starts
        self._items[start] = item
        if not starts or start > starts[-1]:
            starts.append(start)
        else:
            insort(starts, start)
        self.messages += item.stop - start

    def whole(self, start: int, stop: int) -> C | None:
        """The item that is exactly ``start`` to ``stop``, if there is one."""
        item = self._items.get(start)
        return item if item is not None and item.stop == stop else None

    def remove(self, item: C) -> None:
        """Take out an item that is in, whole."""
        start = item.start
        starts = self._starts
        del self._items[start]
        del starts[0 if starts[0] == start else bisect_left(starts, start)]
        self.messages -= item.stop - start

    def overlapping(self, start: int, stop: int) -> list[C]:
        """The items with a number in ``start`` to ``stop``, in order, left in place."""
        starts = self._starts
        at = max(0, bisect_right(starts, start) - 1)
        end = bisect_left(starts, stop)
        return [item for item in map(self._items.__getitem__, starts[at:end]) if item.stop > start]

    def isolate(self, start: int, stop: int) -> list[C]:
        """The same, cut at ``start`` and ``stop`` so that none reaches beyond."""
        found = self.overlapping(start, stop)
        if found and found[0].start < start:
            found[0] = self._cut(found[0], start)
        if found and found[-1].stop > stop:
            self._cut(found[-1], stop)
        return found

    def take(self, start: int, stop: int) -> list[C]:
        """Take out what is in of ``start`` to ``stop``; items are cut at the edges. In order."""
        taken = self.isolate(start, stop)
        for item in taken:
            self.remove(item)
        return taken

    def clear(self) -> list[C]:
        """Take out everything, in order."""
        taken = list(self)
        self._starts.clear()
        self._items.clear()
        self.messages = 0
        return taken

    def _cut(self, item: C, at: int) -> C:
        rest = item.cut(at)
        self._items[at] = rest
        insort(self._starts, at)
        return rest


class Waiting(Extents[Extent]):
    """Extents that came back: neighbours of one batch grow together again, so they leave as one."""

    __slots__ = ()

    def put(self, extent: Extent) -> None:
        """Put an extent in, joined with those it continues."""
        starts = self._starts
        self.messages += extent.stop - extent.start
        at = bisect_left(starts, extent.start)
        if at < len(starts):
            after = self._items[starts[at]]
            if after.start == extent.stop and after.batch is extent.batch:
                del self._items[after.start]
                del starts[at]
                extent.stop = after.stop
        if at:
            before = self._items[starts[at - 1]]
            if before.stop == extent.start and before.batch is extent.batch:
                before.stop = extent.stop
                return
        starts.insert(at, extent.start)
        self._items[extent.start] = extent

    def shorten(self, extent: Extent, start: int) -> None:
        """The first ``extent`` begins at ``start`` from now on: what was before it is lent."""
        self.messages -= start - extent.start
        del self._items[extent.start]
        if start == extent.stop:
            del self._starts[0]
            return
        extent.start = self._starts[0] = start
        self._items[start] = extent

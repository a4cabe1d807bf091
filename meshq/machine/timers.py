"""Named deadlines of one machine, and the next of them.

Decides which deadlines are due; what they mean is the machine's. One machine has one
``deadline()``, so a driver needs one timer and never meets a stale one.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """A set of deadlines by key; arming a key again moves it.

    Cancelled entries stay in the heap until they come up, or until they outnumber the live ones.
    """

    def __init__(self) -> None:
        self._due: dict[K, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._armed = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: K) -> bool:
        return key in self._due

    def arm(self, key: K, due: float) -> None:
        """Set the deadline of ``key``, replacing an earlier one."""
        self._armed += 1
        self._due[key] = (due, self._armed)
        heappush(self._heap, (due, self._armed, key))
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._due):
            self._heap = [(d, n, k) for k, (d, n) in self._due.items()]
            heapify(self._heap)

    def cancel(self, key: K) -> None:
        """Forget the deadline of ``key``, if it has one."""
        self._due.pop(key, None)

    def due_at(self, key: K) -> float | None:
        """When ``key`` is due, or None."""
        found = self._due.get(key)
        return found[0] if found else None

    def deadline(self) -> float | None:
        """The earliest deadline, or None when nothing waits."""
        heap = self._heap
        while heap:
            due, number, key = heap[0]
            if self._due.get(key) == (due, number):
                return due
            heappop(heap)
        return None

    def due(self, now: float) -> list[K]:
        """Take out every key whose deadline has come, earliest first, equal ones as armed."""
        keys: list[K] = []
        while (first := self.deadline()) is not None and first <= now:
            _, _, key = heappop(self._heap)
            del self._due[key]
            keys.append(key)
        return keys

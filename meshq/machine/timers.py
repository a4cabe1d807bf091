"""Named deadlines of one machine, and the next of them.

Decides which deadlines are due; what they mean is the machine's. One machine has one
``deadline()``, so a driver needs one timer and never meets a stale one.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Any, Final, Generic, TypeAlias, TypeVar

K = TypeVar("K", bound=Hashable)
_Entry: TypeAlias = list[Any]
"""When it is due, a number in the order of arming, and the key: ``_GONE`` once it is due at another time, or never."""
DUE, KEY = 0, 2
_GONE: Final = object()


class Timers(Generic[K]):
    """A set of deadlines by key; arming a key again moves it.

    Cancelled entries stay in the heap until they come up, or until they outnumber the live ones.
    """

    def __init__(self) -> None:
        self._live: dict[K, _Entry] = {}
        self._heap: list[_Entry] = []
        self._armed = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, key: K) -> bool:
        return key in self._live

    def arm(self, key: K, due: float) -> None:
        """Set the deadline of ``key``, replacing an earlier one."""
        before = self._live.get(key)
        if before is not None:
            before[KEY] = _GONE
        self._armed += 1
        entry = self._live[key] = [due, self._armed, key]
        heap = self._heap
        heappush(heap, entry)
        if len(heap) > 64 and len(heap) > 2 * len(self._live):
            heap[:] = self._live.values()
            heapify(heap)

    def cancel(self, key: K) -> None:
        """Forget the deadline of ``key``, if it has one."""
        entry = self._live.pop(key, None)
        if entry is not None:
            entry[KEY] = _GONE

    def due_at(self, key: K) -> float | None:
        """When ``key`` is due, or None."""
        found = self._live.get(key)
        return found[DUE] if found else None

    def deadline(self) -> float | None:
        """The earliest deadline, or None when nothing waits."""
        heap = self._heap
        while heap:
            first = heap[0]
            if first[KEY] is not _GONE:
                due: float = first[DUE]
                return due
            heappop(heap)
        return None

    def due(self, now: float) -> list[K]:
        """Take out every key whose deadline has come, earliest first, equal ones as armed."""
        keys: list[K] = []
        while (first := self.deadline()) is not None and first <= now:
            key = heappop(self._heap)[KEY]
            del self._live[key]
            keys.append(key)
        return keys

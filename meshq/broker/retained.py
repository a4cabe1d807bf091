"""What every channel of one log has finished, and a channel to come may still want.

In the store only (``numbers``), or, of what the store does not have, in memory (``held``). Decides nothing about for
how long: ``keep`` with a time is the grace of a topic's first channels, without one it is the topic's ``retention``,
which takes the oldest from here when it is too old or too much.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Final

from meshq.broker.batch import Batch
from meshq.machine.ages import Ages
from meshq.machine.ranges import Ranges

STEP_S: Final = 1.0


class Retained:
    """Numbers of one log, and batches of it that nobody has to finish."""

    __slots__ = ("_entries", "_order", "ages", "held", "held_bytes", "numbers")

    def __init__(self) -> None:
        self._entries: deque[tuple[float, int, int]] = deque()
        """Those of the grace: until when, from, up to; times only go up."""
        self.numbers = Ranges()
        self.ages: Ages | None = None
        """When the log's messages were accepted, once its topic retains."""
        self.held: dict[int, Batch] = {}
        """By first number."""
        self._order: list[int] = []
        """A heap of their first numbers, and of some that have left."""
        self.held_bytes = 0

    def __bool__(self) -> bool:
        return bool(self.numbers or self.held)

    # the grace

    def keep(self, start: int, stop: int, until: float) -> None:
        """Keep these for so long."""
        self.numbers.add(start, stop)
        entries = self._entries
        if entries:
            last_until, low, high = entries[-1]
            if high == start and until - last_until < STEP_S:
                entries[-1] = (max(until, last_until), low, stop)
                return
        entries.append((until, start, stop))

    def expired(self, now: float) -> list[tuple[int, int]]:
        """What has been kept long enough, and is forgotten here."""
        over: list[tuple[int, int]] = []
        while self._entries and self._entries[0][0] <= now:
            _, start, stop = self._entries.popleft()
            over += self.take(start, stop)
        return over

    def next(self) -> float | None:
        """When ``expired`` has something to say."""
        return self._entries[0][0] if self._entries else None

    # whatever it is kept for

    def take(self, start: int, stop: int) -> list[tuple[int, int]]:
        """A channel wants them after all, or nobody any more: what of ``start`` to ``stop`` was kept in the store."""
        parts = self.numbers.within(start, stop)
        for low, high in parts:
            self.numbers.discard(low, high)
        return parts

    def hold(self, batch: Batch) -> None:
        """A batch stays in memory, whose ``keeps`` the caller has raised."""
        self.held[batch.first] = batch
        self.held_bytes += len(batch.body)
        heappush(self._order, batch.first)

    def let_go(self, batch: Batch) -> bool:
        """It stays no longer on this account; False when it did not. The caller lowers its ``keeps``."""
        if self.held.get(batch.first) is not batch:
            return False
        del self.held[batch.first]
        self.held_bytes -= len(batch.body)
        return True

    # the retention

    def messages(self) -> int:
        """How many are kept."""
        return self.numbers.count() + sum(batch.count() for batch in self.held.values())

    def stored_bytes(self) -> float:
        """What those in the store take, about."""
        return self.ages.of(self.numbers) if self.ages is not None else 0.0

    def size(self, start: int, stop: int) -> float:
        """What these take, about."""
        return self.ages.of([(start, stop)]) if self.ages is not None else 0.0

    def before(self, wall_ns: int) -> int:
        """All messages below this number were accepted before that time, as far as it is known."""
        return self.ages.before(wall_ns) if self.ages is not None else 0

    def oldest_held(self) -> Batch | None:
        """The batch of the lowest number that is held in memory."""
        order = self._order
        while order and order[0] not in self.held:
            heappop(order)
        return self.held[order[0]] if order else None

    def oldest_stored(self) -> tuple[int, int, int] | None:
        """Of those in the store the oldest that are about of one age: when, from, up to."""
        if self.ages is None or not self.numbers:
            return None
        low, high = next(iter(self.numbers))
        accepted_ns, stop = self.ages.step(low)
        return accepted_ns, low, min(high, stop) if stop > low else high

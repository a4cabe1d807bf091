"""Messages of one log that are wanted up to a certain time only, and what happens then: they are finished.

Decides when. Whole batches go, on every channel, within ``STEP_S`` of their time even when nobody consumes; and at the
latest when a cursor would lend one, so none is lent after its time. What is lent already may still be delivered.
What has left memory costs one range per second of the clock here. After a restart what only the store has
is looked at when it is loaded, not before.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

from meshq.broker.batch import Batch
from meshq.machine.ranges import Ranges

if TYPE_CHECKING:
    from meshq.broker.cursor import Cursor
    from meshq.broker.log import Log

STEP_S: Final = 0.5


class Expiry:
    """The batches of a log that have a time to live."""

    __slots__ = ("_log", "_steps")

    def __init__(self, log: Log) -> None:
        self._log = log
        self._steps: dict[int, Ranges] = {}
        """Numbers that have expired at the end of a step of the clock, by step."""

    def add(self, batch: Batch) -> None:
        """The batch is in the log."""
        step = ceil(batch.traits.expires / STEP_S)
        first = not self._steps or step < min(self._steps)
        self._steps.setdefault(step, Ranges()).add(batch.first, batch.stop)
        if first:
            self._log.turn.timers.arm(self, step * STEP_S)

    def rang(self) -> None:
        """Time passed: what has expired goes."""
        turn = self._log.turn
        for step in sorted(step for step in self._steps if step * STEP_S <= turn.now):
            for start, stop in self._steps.pop(step):
                self._expire(start, stop)
        if self._steps:
            turn.timers.arm(self, min(self._steps) * STEP_S)

    def sweep(self, cursor: Cursor) -> None:
        """The cursor is about to lend: not what has expired."""
        while len(cursor.returned) and self._over(cursor.returned.first().batch):
            self._expire_batch(cursor.returned.first().batch)
        while cursor.batch is not None and self._over(cursor.batch):
            self._expire_batch(cursor.batch)
            cursor.skip()

    def _over(self, batch: Batch) -> bool:
        return 0.0 < batch.traits.expires <= self._log.turn.now

    def _expire_batch(self, batch: Batch) -> None:
        self._expire(batch.first, batch.stop)

    def _expire(self, start: int, stop: int) -> None:
        log, counters = self._log, self._log.turn.counters
        if not log.cursors:
            counters.expired += log.unwant(start, stop)
        spilled = log.away.within(start, stop)
        for cursor in list(log.cursors):
            messages = cursor.finish(start, stop)
            counters.expired += messages
            cursor.channel.counters.expired += messages
            cursor.channel.touch()
        for low, high in spilled:  # nobody looked at their time, as of a batch in memory: no channel to come wants them
            log.unretain(low, high)

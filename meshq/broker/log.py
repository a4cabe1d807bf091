"""A log of this node: the batches of one topic in one order, numbered from 1.

Every number from ``first`` on is in exactly one place: in a batch in memory, ``away`` (in the store only, for cursors
that come that far), ``sleeping`` (in the store only, until it is due), ``retained`` (finished, in the store for
channels to come) or ``gone``. Decides when a batch leaves memory, and when the log: when every channel has finished
it, no window wants it, and the topic has a channel at all (a topic without keeps everything for its first). What of
the store is finished without being loaded is ``spilled``'s, what is kept for channels to come ``grace``'s and
``retention``'s, where one begins ``beginning``'s, and what waits for a channel is its ``cursor``'s.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import TYPE_CHECKING, Final

from meshq.broker import spilled
from meshq.broker.batch import Batch
from meshq.broker.cursor import Cursor
from meshq.broker.expiry import Expiry
from meshq.broker.grace import Grace
from meshq.broker.retained import Retained
from meshq.broker.sizes import Sizes
from meshq.broker.turn import Turn
from meshq.machine.ranges import Ranges
from meshq.names import LogId

if TYPE_CHECKING:
    from meshq.broker.retention import Retention

TIMES_MAX: Final = 256
TIME_STEP_S: Final = 0.25


class Log:
    """One log of one life of a topic: the one that this start of the node writes, or one of an earlier start."""

    __slots__ = (
        "_firsts", "_here", "_last", "abandoned_ns", "abandoned_to", "away", "away_messages", "backlog_from",
        "batches", "current", "cursors", "ended_ns", "expiry", "falling", "first", "gone", "grace", "id",
        "kept_bytes_mean", "later", "leaving", "next", "retained", "retention", "sizes", "sleeping",
        "sleeping_messages", "times", "topic", "turn", "ungone", "window", "window_bytes", "written",
    )  # fmt: skip

    def __init__(self, turn: Turn, topic: str, log: LogId, retention: Retention, first: int = 1) -> None:
        self.turn = turn
        self.topic = topic
        self.retention = retention
        """The topic's."""
        self.id = log
        self.current = True
        """This start of the node writes it."""
        self.ended_ns = 0
        """If it does not: everything in it was accepted before this wall time."""
        self.leaving = False
        """It is being handed over to another node: nothing of it is lent."""
        self.first = first
        """The lowest number: 1, but for an ephemeral topic that came again."""
        self.next = first
        """The number that the next message gets."""
        self.batches: dict[int, Batch] = {}
        """What is in memory, by first number."""
        self.later: dict[int, Batch] = {}
        """Those that were deferred when published."""
        self._firsts: list[int] = []
        """Their first numbers in order, and some that have left."""
        self._last: Batch | None = None
        self.cursors: list[Cursor] = []
        self.expiry: Expiry | None = None
        """Once a batch had a time to live."""
        self._here = 0
        """Messages in memory that some channel, or a channel to come, has not finished."""
        self.away = Ranges()
        self.away_messages = 0
        self.sleeping = Ranges()
        self.sleeping_messages = 0
        self.falling: dict[int, Batch] = {}
        """Asleep, but not yet in the store."""
        self.retained = Retained()
        self.gone = Ranges()
        self.ungone = Ranges()
        """What of it the store has not been told."""
        self.written = False
        """The store has heard of the log."""
        self.backlog_from = first
        """From here on everything is kept while there is no channel."""
        self.abandoned_to = first
        """What lies before is for no channel to come: somebody dropped it."""
        self.abandoned_ns = 0
        """What was accepted before, by the wall clock, is for no channel to come: only the store knows what that is."""
        self.sizes: Sizes | None = None
        """What its messages take, if somebody limits that."""
        self.kept_bytes_mean = 0.0
        """What a message of an earlier start takes on average."""
        self.grace = Grace(self)
        self.window: deque[Batch] = deque()
        self.window_bytes = 0
        self.times: deque[tuple[float, int]] = deque(maxlen=TIMES_MAX)

    @property
    def messages(self) -> int:
        """Messages that some channel, or a channel to come, has not finished."""
        return self._here + self.away_messages + self.sleeping_messages

    # what comes

    def append(self, batch: Batch) -> None:
        """The batch is the last now; every channel sees it."""
        first, stop = batch.first, batch.stop
        self.next = stop
        times = self.times
        if not times or batch.accepted_at >= times[-1][0] + TIME_STEP_S:
            times.append((batch.accepted_at, first))
        last = self._last
        if last is not None:
            last.following = batch
            batch.preceding = last
        self._last = self.batches[first] = batch
        self._firsts.append(first)
        count = stop - first
        self._here += count
        self.turn.memory_bytes += batch.memory_bytes()
        if self.sizes is not None:
            self.sizes.add(stop, len(batch.body))
        if self.retained.ages is not None:
            self.retained.ages.add(stop, batch.accepted_ns, len(batch.body))
        if batch.traits.expires:
            self.expire(batch)
        if batch.due:
            self.later[first] = batch
        cursors = self.cursors
        batch.open = count * (len(cursors) or 1)
        for cursor in cursors:
            if cursor.batch is None and not cursor.hungry:
                cursor.reach(batch)

    def expire(self, batch: Batch) -> None:
        """The batch is not wanted any more at a certain time."""
        if self.expiry is None:
            self.expiry = Expiry(self)
        self.expiry.add(batch)

    def address(self, batch: Batch) -> None:
        """The channels that the batch is not for have finished it."""
        channels = batch.traits.channels
        for cursor in list(self.cursors) if channels else ():
            if cursor.channel.key.channel not in channels:
                cursor.finish(batch.first, batch.stop)

    def committed(self, batch: Batch, horizon: float) -> None:
        """The store has the batch: it may leave memory. What is due before ``horizon`` does not sleep on."""
        batch.stored = True
        if self.falling.pop(batch.first, None) is None:
            if self.retained.held:
                self.retention.committed(self, batch)
            if self.turn.memory_bytes > self.turn.budget_bytes:
                self.put_away(batch)
            return
        self.turn.memory_bytes -= batch.memory_bytes()
        if batch.due < horizon and batch.first in self.sleeping:
            self.insert(batch)

    def uncommitted(self, batch: Batch) -> None:
        """The store could not take the batch: it is kept in memory only."""
        if self.falling.pop(batch.first, None) is not None:
            self.turn.memory_bytes -= batch.memory_bytes()
            if self.sleeping.within(batch.first, batch.stop):  # else everybody has finished it meanwhile
                self.insert(batch)

    def put_away(self, batch: Batch) -> None:
        """Out of memory, if the store has it, nobody keeps it and no cursor is at it."""
        if not batch.stored or batch.keeps or not batch.open or batch.due:
            return
        if self.batches.get(batch.first) is not batch:
            return
        for cursor in self.cursors:
            if cursor.needs(batch):
                return
        self._unlink(batch)
        self._here -= batch.stop - batch.first
        self.away_messages += self.away.add(batch.first, batch.stop)

    def insert(self, batch: Batch) -> None:
        """A batch that was in the store only is in memory again."""
        first, stop = batch.first, batch.stop
        self.away_messages -= self.away.discard(first, stop)
        self.sleeping_messages -= self.sleeping.discard(first, stop)
        self._link(batch)
        if batch.traits.expires:
            self.expire(batch)
        count = stop - first
        self._here += count
        self.turn.memory_bytes += batch.memory_bytes()
        batch.open = 0 if self.cursors else count
        for cursor in list(self.cursors):
            for low, high in cursor.finished.missing(max(first, cursor.born), stop):
                batch.open += high - low
        if not batch.open:
            self._here -= count
            self.release(batch)
            return
        for cursor in list(self.cursors):
            cursor.arrived(batch)

    def claim(self, batch: Batch, since: int) -> None:
        """One more channel has the messages from ``since`` on of a batch in memory to finish."""
        if batch.open == 0:
            self._here += batch.stop - batch.first
        batch.open += batch.stop - max(batch.first, since)
        if self.retained.held:
            self.retention.claimed(self, batch)

    # what goes

    def settle(self, batch: Batch, messages: int) -> None:
        """One channel is done with so many more messages of the batch."""
        batch.open -= messages
        if batch.open == 0:
            self._here -= batch.stop - batch.first
            if batch.keeps == 0:
                self.release(batch)
        elif batch.stored and self.turn.memory_bytes > self.turn.budget_bytes:
            self.put_away(batch)

    def settle_span(self, start: int, stop: int) -> None:
        """The same for numbers that may lie in several batches, or in the store only."""
        for batch in self.overlapping(start, stop):
            self.settle(batch, min(stop, batch.stop) - max(start, batch.first))
        if self.away_messages or self.sleeping_messages:
            spilled.settle(self, start, stop)

    def abandon(self, number: int) -> int:
        """While there is no channel: nothing is kept for one from below ``number``; how many messages that was."""
        start = max(self.backlog_from, self.abandoned_to)
        if self.cursors or number <= start:
            return 0
        self.abandoned_to = number
        self.turn.journal.backlog(self)
        return self.unwant(start, number)

    def unwant(self, start: int, stop: int) -> int:
        """While there is no channel: these are not kept for one; how many messages that was."""
        count = 0
        for batch in self.overlapping(start, stop):
            if batch.open:
                messages = min(stop, batch.stop) - max(start, batch.first)
                count += messages
                self.settle(batch, messages)
        return count + spilled.settle(self, start, stop, retain=False)

    def unkeep(self, batch: Batch) -> None:
        """One that wanted the batch to stay does no longer."""
        batch.keeps -= 1
        if batch.keeps == 0:
            if batch.open == 0:
                self.release(batch)
            elif batch.stored and self.turn.memory_bytes > self.turn.budget_bytes:
                self.put_away(batch)

    def overlapping(self, start: int, stop: int) -> list[Batch]:
        """The batches in memory with a number in ``start`` to ``stop``, in order."""
        firsts = self._firsts
        found: list[Batch] = []
        at = max(0, bisect_right(firsts, start) - 1)
        while at < len(firsts) and firsts[at] < stop:
            batch = self.batches.get(firsts[at])
            if batch is not None and batch.stop > start:
                found.append(batch)
            at += 1
        return found

    def from_number(self, number: int) -> Batch | None:
        """The first batch in memory that ends after ``number``."""
        firsts = self._firsts
        at = max(0, bisect_right(firsts, number) - 1)
        while at < len(firsts):
            batch = self.batches.get(firsts[at])
            if batch is not None and batch.stop > number:
                return batch
            at += 1
        return None

    def in_order(self) -> list[Batch]:
        """Every batch in memory, in order."""
        return [self.batches[first] for first in sorted(self.batches)]

    def detach(self, cursor: Cursor) -> int:
        """The channel ended: what it had not finished it never will; returns how many messages."""
        unfinished = cursor.finished.missing(cursor.born, self.next)
        if len(self.cursors) == 1:
            self.grace.end()
            self.backlog_from = self.next
            self.grace.born_at = None
        self.cursors.remove(cursor)
        for start, stop in unfinished:
            self.settle_span(start, stop)
        if not self.cursors:
            self.turn.journal.backlog(self)
        return sum(stop - start for start, stop in unfinished)

    def drop(self) -> None:
        """The topic ended, or every message of an earlier start is finished: nothing is kept any longer."""
        self.turn.journal.log_over(self)
        for batch in list(self.batches.values()):
            self._unlink(batch)
        for batch in self.falling.values():
            self.turn.memory_bytes -= batch.memory_bytes()
        self.falling.clear()
        self.window.clear()
        self.window_bytes = 0
        self.grace.drop()
        self.away, self.sleeping = Ranges(), Ranges()
        self._here = self.away_messages = self.sleeping_messages = 0
        if self.expiry is not None:
            self.turn.timers.cancel(self.expiry)

    def unretain(self, start: int, stop: int) -> None:
        """Nobody wants these any more, of what is retained in the store."""
        for low, high in self.retained.take(start, stop):
            self.let_go(low, high)

    def release(self, batch: Batch) -> None:
        """Every channel has finished it, and nobody keeps it."""
        if self.retention.on and not batch.stored and self.retention.wants(self, batch):
            self.retention.hold(self, batch)
        else:
            self.discard(batch)

    def discard(self, batch: Batch) -> None:
        """Out of memory: in the store it may be kept."""
        self._unlink(batch)
        if batch.stored and (not self.retention.on or self.retention.wants(self, batch)):
            self.retire(batch.first, batch.stop)
        else:
            self.let_go(batch.first, batch.stop)

    def retire(self, start: int, stop: int) -> None:
        """Nobody has to finish these, which are in the store: a channel to come may still want them."""
        if self.retention.on:
            self.retention.keep(self, start, stop)
        elif self.grace.until > self.turn.now:
            self.retained.keep(start, stop, self.grace.until)
            self.grace.arm()
        else:
            self.let_go(start, stop)

    def let_go(self, start: int, stop: int) -> None:
        """Nobody wants these any more: the store may forget them."""
        if self.turn.journal.on:
            self.gone.add(start, stop)
            if self.written:
                self.ungone.add(start, stop)
                self.turn.journal.gone(self)
        if not self.current:
            self.turn.drained[self] = None

    def _link(self, batch: Batch) -> None:
        first = batch.first
        after = self.from_number(first)
        before = after.preceding if after is not None else self._last
        batch.preceding, batch.following = before, after
        if before is not None:
            before.following = batch
        if after is not None:
            after.preceding = batch
        else:
            self._last = batch
        self.batches[first] = batch
        if batch.due:
            self.later[first] = batch
        firsts = self._firsts
        # Those within are of batches that have left: the store may have joined them into this one.
        firsts[bisect_left(firsts, first) : bisect_left(firsts, batch.stop)] = [first]

    def _unlink(self, batch: Batch) -> None:
        del self.batches[batch.first]
        self.later.pop(batch.first, None)
        self.turn.memory_bytes -= batch.memory_bytes()
        before, after = batch.preceding, batch.following
        if before is not None:
            before.following = after
        if after is not None:
            after.preceding = before
        elif self._last is batch:
            self._last = before
        batch.preceding = None
        if len(self._firsts) > 2 * len(self.batches) + 64:
            self._firsts = sorted(self.batches)

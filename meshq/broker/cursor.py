"""What of one log still waits for one channel: how far it has come, and what came back.

Every message of the log from ``born`` on is for this channel in exactly one place: finished, ahead of
the cursor, among the ``returned``, ``deferred`` or ``dying``, asleep in the store, or lent (which is the borrower's).
Decides the order in which messages leave: lowest numbers first. What lies ahead in the store only is loaded when
somebody wants it (``hungry``); how is ``loading``'s. How much waits is counted by ``depth``.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from meshq.broker.attempts import Attempts
from meshq.broker.batch import Batch
from meshq.broker.dead import Dying, doom
from meshq.broker.extents import Extent, Waiting
from meshq.broker.failures import Failures
from meshq.machine.ranges import Ranges
from meshq.machine.store import ChannelKept

if TYPE_CHECKING:
    from meshq.broker.channel import Channel
    from meshq.broker.log import Log

DIED = "the process that held it ended"
NO_ATTEMPTS: list[list[int]] = []
"""Of messages never tried before, nearly all of them. Shared: never changed."""


class Cursor:
    """One channel's place in one log."""

    __slots__ = (
        "at", "attempts", "batch", "born", "channel", "chunk", "deferred", "deferred_messages", "dying", "failures",
        "finished", "finished_to", "held", "hungry", "loading", "log", "postponed", "returned", "since_ns", "unsaved",
    )  # fmt: skip

    def __init__(self, channel: Channel, log: Log) -> None:
        self.channel = channel
        self.log = log
        self.born = self.at = log.next
        self.batch: Batch | None = None
        """The batch in which ``at`` lies; None at the end of the log, and while ``hungry``."""
        self.hungry = False
        """It can't go on at ``at``: what is there lies in the store only, or is ``held``."""
        self.held = False
        """At ``at`` is a batch with a key, and enough of such is lined up."""
        self.loading = False
        """It is being read."""
        self.chunk = 0
        """How many messages the last load brought: the next one is asked for when so many are left."""
        self.since_ns = 0
        """What was accepted before is not for the channel; 0: all is."""
        self.postponed: list[tuple[int, int, float]] = []
        """What came back before a restart, with a delay: (start, stop, due), for when the cursor gets there."""
        self.returned = Waiting()
        self.deferred: list[tuple[float, int, Extent]] = []
        """A heap by due time."""
        self.deferred_messages = 0
        self.finished = Ranges()
        self.unsaved = Ranges()
        """What of it the store has not been told."""
        self.attempts = Attempts()
        self.failures = Failures(channel.turn.config.broker.errors_max)
        self.dying: dict[Dying, None] = {}
        """What becomes dead letters with this turn, and what waits until the store has its letters."""
        self.finished_to = 0
        """Up to here numbers that the cursor has not reached may be finished."""

    # where it stands

    def begin(self, number: int) -> None:
        """The channel's messages are those from ``number`` on."""
        self.born = self.at = number

    def recover(self, kept: ChannelKept) -> None:
        """Go on where the store says; what is finished is finished, the rest is loaded when it is wanted."""
        turn = self.log.turn
        end = self.log.next  # beyond it lay messages in memory only: lost, finished or before the channel's time
        self.born, self.since_ns = min(kept.number, end), kept.since_ns
        self.finished = Ranges((start, min(stop, end)) for start, stop in kept.finished if start < end)
        for start, stop in self.log.gone:  # kept in memory only, and lost with it, or finished by everybody
            self.finished.add(max(start, self.born), stop)
        self.finished_to = self.log.next
        for tried in kept.tried:
            for start, stop in self.finished.missing(tried.start, tried.stop):
                if tried.attempts:
                    self.attempts.add(start, stop, tried.attempts)
                if tried.last_error:
                    self.failures.add(start, stop, tried.first_error, tried.last_error)
                due = turn.at(tried.due_ns) if tried.due_ns else 0.0
                if turn.now < due <= turn.now + turn.config.broker.delay_max_s:  # else of a clock that was far ahead
                    self.postponed.append((start, stop, due))
        left = self.finished.missing(self.born, self.log.next)
        self.seek(left[0][0] if left else self.log.next)

    def reach(self, batch: Batch | None) -> None:
        """The next batch is this one, if nothing lies between. What is not to be delivered now steps aside."""
        log = self.log
        while batch is not None:
            if log.away_messages and log.away.within(self.at, batch.first):
                self.seek(self.at)
                return
            start = max(batch.first, self.at)
            if batch.plain and not (self.since_ns or self.postponed):
                self.batch = batch
                self.at = start
                return
            following = batch.following
            if self._stays(batch, start):
                return
            batch = following
        self.seek(self.at)

    def seek(self, number: int) -> None:
        """Go on at ``number``: with the batch there, hungry for what must be loaded first, or at the end."""
        log = self.log
        batch = log.from_number(number)
        self.held = False
        if log.away_messages:
            for low, high in log.away.within(number, log.next if batch is None else batch.first):
                missing = self.finished.missing(low, high)
                if missing:
                    self.at, self.batch, self.hungry = missing[0][0], None, True
                    self.channel.touch()
                    return
        self.hungry = False
        if batch is None:
            self.at, self.batch = log.next, None
            return
        self.at = max(number, batch.first)
        self.batch = None
        self.reach(batch)

    def needs(self, batch: Batch) -> bool:
        """Whether the batch must stay in memory: the cursor is at it, or something of it came back or is lent."""
        if self.batch is batch:
            return True
        if self.at <= batch.first:
            return False
        start = max(batch.first, self.born)
        return start < batch.stop and not self.finished.covers(start, batch.stop)

    def arrived(self, batch: Batch) -> None:
        """A batch of the store is in memory again."""
        if self.at >= batch.stop:
            self._set_aside(batch, max(batch.first, self.born))
        elif self.batch is None and batch.first <= self.at:
            self.seek(self.at)

    def _stays(self, batch: Batch, start: int) -> bool:
        """Whether the cursor stays at a batch that wants a closer look; else it is past it."""
        channels = batch.traits.channels
        if channels and self.channel.key.channel not in channels:
            self.at = batch.stop
            self.finish(start, batch.stop)
            return False
        wanted = batch.accepted_ns >= self.since_ns
        if wanted and batch.plain and not self._postponed(batch, start):
            self.batch, self.at = batch, start
            return True
        if wanted and self._looks_no_further(batch, start):
            self.batch, self.at = None, start
            self.hungry = self.held = True
            return True
        self.at = batch.stop
        self._set_aside(batch, start)
        return False

    def _set_aside(self, batch: Batch, start: int) -> None:
        """The cursor is past a batch of which something may wait: until it is due, or for somebody to take it."""
        channels = batch.traits.channels
        if batch.accepted_ns < self.since_ns or (channels and self.channel.key.channel not in channels):
            self.finish(start, batch.stop)
            return
        left = Ranges(self.finished.missing(start, batch.stop))
        postponed = [] if batch.traits.key else self._postponed(batch, start)
        for begin, end, due in postponed:
            for low, high in left.within(begin, end):
                self.defer(Extent(batch, low, high), due)
            left.discard(begin, end)
        for low, high in left:
            if batch.due:
                self.defer(Extent(batch, low, high), batch.due)
            else:
                self._queue(Extent(batch, low, high))
        if postponed:
            self.postponed = [one for one in self.postponed if one[1] > batch.stop or one[0] < start]

    def _looks_no_further(self, batch: Batch, start: int) -> bool:
        """Whether the batch has a key, is still wanted, and enough of such is lined up."""
        if not batch.traits.key or batch.due or not self.channel.keyed.full(self):
            return False
        return not self.finished.covers(start, batch.stop)

    def _postponed(self, batch: Batch, start: int) -> list[tuple[int, int, float]]:
        """What of the batch, from ``start`` on, came back before a restart and waits longer."""
        return [one for one in self.postponed if one[0] < batch.stop and one[1] > start]

    def waits(self) -> bool:
        """Whether a message could be lent now."""
        if self.log.leaving:
            return False
        if self.log.expiry is not None:
            self.log.expiry.sweep(self)
        if self.finished_to > self.at:
            self.skip()
        return self.batch is not None or len(self.returned) > 0

    def unfinished(self) -> int:
        """Messages that are this channel's and not finished, wherever they are."""
        return self.log.next - self.born - self.finished.count()

    def least(self) -> int:
        """Bytes of the first waiting message."""
        if len(self.returned):
            extent = self.returned.first()
            return extent.batch.size(extent.start, extent.start + 1)
        assert self.batch is not None
        return self.batch.size(self.at, self.at + 1)

    # lending

    def take(self, messages: int, size_bytes: int) -> tuple[Extent, int] | None:
        """The first extent within these limits, and its bytes; None when its first message does not fit."""
        if len(self.returned):
            return self._take_returned(messages, size_bytes)
        batch = self.batch
        if batch is None or messages <= 0:
            return None
        start = self.at
        stop = batch.stop if start >= self.finished_to else self.finished.missing(start, batch.stop)[0][1]
        stop, taken_bytes = batch.most(start, stop, messages, size_bytes)
        if stop == start:
            return None
        if stop == batch.stop:
            self.at = stop
            following = batch.following
            if following is None and not self.log.away_messages:
                self.batch = None
                self.at = self.log.next  # what lies between is asleep, or gone
                if self.channel.keyed.early:
                    self.channel.touch()  # keys of later logs waited for this
            else:
                self.batch = None
                self.reach(following)
        else:
            self.at = stop
        return Extent(batch, start, stop), taken_bytes

    def _take_returned(self, messages: int, size_bytes: int) -> tuple[Extent, int] | None:
        extent = self.returned.first()
        batch, start = extent.batch, extent.start
        stop, taken_bytes = batch.most(start, extent.stop, messages, size_bytes)
        if stop == start:
            return None
        self.returned.shorten(extent, stop)
        return Extent(batch, start, stop), taken_bytes

    def tried(self, start: int, stop: int) -> list[list[int]]:
        """Earlier attempts of these messages, where there were any."""
        return self.attempts.within(start, stop) if self.attempts else NO_ATTEMPTS

    def give_up(self, error: str) -> None:
        """What comes first can't be read (a damaged store gave it back): it is dying, and the next one's turn."""
        if len(self.returned):
            first = self.returned.first()
            self.returned.remove(first)
            batch, start, stop = first.batch, first.start, first.stop
        else:
            assert self.batch is not None, "nothing waits"
            batch, start, stop = self.batch, self.at, self.batch.stop
        self.log.turn.counters.broken_bodies += stop - start
        self.failures.add(start, stop, error, error)
        for low, high in self.finished.missing(start, stop):
            doom(self, batch, low, high, broken=True)
        if self.batch is batch and self.at < stop:
            self.seek(stop)
        self.channel.touch()

    # coming back

    def put_back(
        self, extent: Extent, *, counts: bool, delay_s: float = 0.0, error: str = "", broken: bool = False
    ) -> int:
        """A lease was closed: what of it is not finished waits again, or is dying. Returns how many messages."""
        messages = 0
        for start, stop in self.finished.missing(extent.start, extent.stop):
            messages += stop - start
            if error and (counts or broken):
                self.failures.add(start, stop, error, error)
            if counts:
                self.attempts.add(start, stop)
            if counts or broken:
                for low, high in doom(self, extent.batch, start, stop, broken=broken):
                    self._wait(Extent(extent.batch, low, high), delay_s, tried=True)
            else:
                self._wait(Extent(extent.batch, start, stop), delay_s, tried=delay_s > 0)
        return messages

    def _wait(self, extent: Extent, delay_s: float, *, tried: bool) -> None:
        turn = self.log.turn
        due = turn.now + delay_s if delay_s > 0 else 0.0
        if tried:
            turn.journal.tried(self, extent.start, extent.stop, due)
        if due:
            self.defer(extent, due)
        else:
            self.returned.put(extent)

    def count_dead(self, start: int, stop: int) -> int:
        """The process that held these ended: an attempt each, unless they are finished. Returns how many."""
        messages = 0
        for low, high in self.finished.missing(start, stop):
            messages += high - low
            self.failures.add(low, high, DIED, DIED)
            self.died(low, high)
            for extent in self.returned.take(low, high):  # what somebody else has by now has its chance
                for begin, end in doom(self, extent.batch, extent.start, extent.stop, broken=False):
                    self.returned.put(Extent(extent.batch, begin, end))
        return messages

    def offer(self, extent: Extent) -> None:
        """A message whose turn within its key has come, unless it came back with a delay before a restart."""
        now = self.log.turn.now
        self.postponed = [one for one in self.postponed if one[2] > now]
        for start, stop, due in self.postponed:
            if start <= extent.start < stop:
                self.defer(extent, due)
                return
        self.returned.put(extent)

    def died(self, start: int, stop: int) -> None:
        """A process ended with these in its hands: an attempt each, wherever they are by now."""
        self.attempts.add(start, stop)
        journal, now = self.log.turn.journal, Ranges([(start, stop)])
        for due, _, extent in self.deferred:
            for low, high in now.within(extent.start, extent.stop):
                now.discard(low, high)
                journal.tried(self, low, high, due)
        for low, high in now:
            journal.tried(self, low, high, 0.0)

    def _queue(self, extent: Extent) -> None:
        """Wait to be lent; one with a key for its turn within the key, unless it has it."""
        if extent.batch.traits.key and not self.channel.keyed.holds(self, extent.start):
            self.channel.keyed.put(self, extent)
        else:
            self.returned.put(extent)

    def defer(self, extent: Extent, due: float) -> None:
        """Wait until ``due``."""
        turn = self.log.turn
        heappush(self.deferred, (due, turn.next_serial(), extent))
        self.deferred_messages += extent.stop - extent.start
        if self.deferred[0][2] is extent:
            turn.timers.arm(self, due)

    def rang(self) -> None:
        """Time passed: what is due waits like the others."""
        turn = self.log.turn
        while self.deferred and self.deferred[0][0] <= turn.now:
            extent = heappop(self.deferred)[2]
            self.deferred_messages -= extent.stop - extent.start
            self._queue(extent)
        if self.deferred:
            turn.timers.arm(self, self.deferred[0][0])
        turn.channels[self.channel] = None

    # finishing

    def finish_lease(self, extent: Extent) -> bool:
        """The whole of a closed lease is finished. False when some of it was before: use ``finish``."""
        start, stop = extent.start, extent.stop
        if self.finished.missing(start, stop) != [(start, stop)]:
            return False
        self.finished.add(start, stop)
        if self.attempts:
            self.attempts.drop(start, stop)
            self.failures.drop(start, stop)
        if self.log.written:
            self.unsaved.add(start, stop)
            self.log.turn.journal.finished(self)
        if not extent.batch.plain:
            self.channel.keyed.finished(self, start, stop)
        self.log.settle(extent.batch, stop - start)
        return True

    def finish(self, start: int, stop: int) -> int:
        """Finished by whoever held them, wherever they are now; returns how many were not before."""
        start, stop = max(start, self.born), min(stop, self.log.next)
        count = 0
        for low, high in self.finished.missing(start, stop):
            count += self.finished.add(low, high)
            if self.log.written:
                self.unsaved.add(low, high)
                self.log.turn.journal.finished(self)
            self.returned.take(low, high)
            if self.deferred:
                self._undefer(low, high)
            self.attempts.drop(low, high)
            self.failures.drop(low, high)
            self.finished_to = max(self.finished_to, high)
            self.channel.keyed.finished(self, low, high)
            self.log.settle_span(low, high)
        return count

    def _undefer(self, start: int, stop: int) -> None:
        """Finished while deferred."""
        left: list[tuple[float, int, Extent]] = []
        for due, serial, extent in self.deferred:
            for low, high in Ranges([(start, stop)]).missing(extent.start, extent.stop):
                left.append((due, serial, Extent(extent.batch, low, high)))
                serial = self.log.turn.next_serial()
        self.deferred = left
        heapify(self.deferred)
        self.deferred_messages = sum(extent.stop - extent.start for _, _, extent in left)

    def skip(self) -> None:
        """Move on over what is finished already."""
        if self.hungry and self.at in self.finished:
            self.seek(self.finished.around(self.at)[1])
        while self.batch is not None:
            left = self.finished.missing(self.at, self.batch.stop)
            if left:
                self.at = left[0][0]
                return
            batch, self.batch = self.batch, None
            self.at = batch.stop
            if self.log.batches.get(batch.first) is batch:
                self.reach(batch.following)
            else:  # it has left the log, and what followed it then may have left memory since
                self.seek(self.at)

"""What of one log still waits for one channel: how far it has come, and what came back.

Every message of the log from ``born`` on is for this channel in exactly one place: finished, ahead of
the cursor, among the ``returned``, ``deferred``, or lent (which is the borrower's). Decides the order in
which messages leave: lowest numbers first.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from meshq.broker.attempts import Attempts
from meshq.broker.batch import Batch
from meshq.broker.extents import Extent, Waiting
from meshq.machine.ranges import Ranges

if TYPE_CHECKING:
    from meshq.broker.channel import Channel
    from meshq.broker.log import Log

NO_ATTEMPTS: list[list[int]] = []
"""Of messages never tried before, nearly all of them. Shared: never changed."""


class Cursor:
    """One channel's place in one log."""

    __slots__ = (
        "_ahead", "at", "attempts", "batch", "born", "channel", "deferred", "deferred_messages", "finished", "log",
        "returned",
    )  # fmt: skip

    def __init__(self, channel: Channel, log: Log) -> None:
        self.channel = channel
        self.log = log
        self.born = self.at = log.next
        self.batch: Batch | None = None
        """The batch in which ``at`` lies; None at the end of the log."""
        self.returned = Waiting()
        self.deferred: list[tuple[float, int, Extent]] = []
        """A heap by due time."""
        self.deferred_messages = 0
        self.finished = Ranges()
        self.attempts = Attempts()
        self._ahead = 0
        """Up to here numbers that the cursor has not reached may be finished."""

    # where it stands

    def begin(self, number: int) -> None:
        """The channel's messages are those from ``number`` on."""
        self.born = self.at = number

    def reach(self, batch: Batch | None) -> None:
        """The next batch is this one. What is not due yet steps aside."""
        while batch is not None:
            start = max(batch.first, self.born)
            if not batch.due:
                self.batch = batch
                self.at = start
                return
            for low, high in self.finished.missing(start, batch.stop):
                self.defer(Extent(batch, low, high), batch.due)
            self.at = batch.stop
            batch = batch.following
        self.batch = None

    def waits(self) -> bool:
        """Whether a message could be lent now."""
        if self._ahead > self.at:
            self._skip()
        return self.batch is not None or len(self.returned) > 0

    def waiting(self) -> int:
        """Messages that could be lent now."""
        ahead = self.log.next - self.at
        if self.batch is None:
            return self.returned.messages
        if self._ahead > self.at:
            ahead = sum(stop - start for start, stop in self.finished.missing(self.at, self.log.next))
        not_due = sum(batch.count() for batch in self._to_come() if batch.due)
        return ahead - not_due + self.returned.messages

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
        stop = batch.stop if start >= self._ahead else self.finished.missing(start, batch.stop)[0][1]
        stop, taken_bytes = _fit(batch, start, stop, messages, size_bytes)
        if stop == start:
            return None
        if stop == batch.stop:
            self.at = stop
            following = batch.following
            if following is None:
                self.batch = None
            else:
                self.reach(following)
        else:
            self.at = stop
        return Extent(batch, start, stop), taken_bytes

    def _take_returned(self, messages: int, size_bytes: int) -> tuple[Extent, int] | None:
        extent = self.returned.first()
        batch, start = extent.batch, extent.start
        stop, taken_bytes = _fit(batch, start, extent.stop, messages, size_bytes)
        if stop == start:
            return None
        self.returned.shorten(extent, stop)
        return Extent(batch, start, stop), taken_bytes

    def tried(self, start: int, stop: int) -> list[list[int]]:
        """Earlier attempts of these messages, where there were any."""
        return self.attempts.within(start, stop) if self.attempts else NO_ATTEMPTS

    # coming back

    def put_back(self, extent: Extent, *, counts: bool, delay_s: float = 0.0) -> int:
        """A lease was closed: what of it is not finished waits again. Returns how many messages."""
        messages = 0
        turn = self.log.turn
        for start, stop in self.finished.missing(extent.start, extent.stop):
            messages += stop - start
            if counts:
                self.attempts.add(start, stop)
            part = Extent(extent.batch, start, stop)
            if delay_s > 0:
                self.defer(part, turn.now + delay_s)
            else:
                self.returned.put(part)
        return messages

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
            self.returned.put(extent)
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
        self.log.settle(extent.batch, stop - start)
        return True

    def finish(self, start: int, stop: int) -> int:
        """Finished by whoever held them, wherever they are now; returns how many were not before."""
        start, stop = max(start, self.born), min(stop, self.log.next)
        count = 0
        for low, high in self.finished.missing(start, stop):
            count += self.finished.add(low, high)
            self.returned.take(low, high)
            if self.deferred:
                self._undefer(low, high)
            self.attempts.drop(low, high)
            self._ahead = max(self._ahead, high)
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

    def _skip(self) -> None:
        """Move on over what is finished already."""
        while self.batch is not None:
            left = self.finished.missing(self.at, self.batch.stop)
            if left:
                self.at = left[0][0]
                return
            self.at = self.batch.stop
            self.reach(self.batch.following)

    def _to_come(self) -> list[Batch]:
        return self.log.overlapping(self.at, self.log.next)


def _fit(batch: Batch, start: int, stop: int, messages: int, size_bytes: int) -> tuple[int, int]:
    """Up to where, within ``stop`` and the limits, and how many bytes that is."""
    if stop - start > messages:
        stop = start + max(0, messages)
        if stop == start:
            return start, 0
    taken_bytes = batch.size(start, stop)
    if taken_bytes > size_bytes:
        stop = batch.fit(start, stop, size_bytes)
        taken_bytes = batch.size(start, stop) if stop > start else 0
    return stop, taken_bytes

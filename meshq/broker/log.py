"""A log of this node: the batches of one topic in one order, numbered from 1.

Decides when a batch may leave memory: when every channel has finished it, no window wants it, and the
topic has a channel at all (a topic without keeps everything for its first). Where a channel heard of
late begins is decided here too; what waits for a channel is its ``cursor``'s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Final, NamedTuple

from meshq.broker.batch import Batch
from meshq.broker.cursor import Cursor
from meshq.broker.turn import Turn
from meshq.names import LogId

MARKS_MAX: Final = 256
TIMES_MAX: Final = 256
TIME_STEP_S: Final = 0.25


class Mark(NamedTuple):
    """A channel's life in the log: from (``born``) or up to ``number`` its messages count for it."""

    number: int
    born: bool
    channel: str
    generation: int


class Log:
    """The one log that this start of the node writes for one life of a topic."""

    __slots__ = (
        "_firsts", "_last", "_times", "backlog_from", "batches", "cursors", "first", "first_born_at", "held",
        "id", "marks", "messages", "next", "turn", "window", "window_bytes",
    )  # fmt: skip

    def __init__(self, turn: Turn, log: LogId, first: int = 1) -> None:
        self.turn = turn
        self.id = log
        self.first = first
        """The lowest number: 1, but for an ephemeral topic that came again."""
        self.next = first
        """The number that the next message gets."""
        self.batches: dict[int, Batch] = {}
        """What is kept, by first number, in order."""
        self._firsts: list[int] = []
        self._last: Batch | None = None
        self.cursors: list[Cursor] = []
        self.messages = 0
        """Messages that some channel, or a channel to come, has not finished."""
        self.backlog_from = first
        """From here on everything is kept while there is no channel."""
        self.first_born_at: float | None = None
        """When the first of the channels there are now was created."""
        self.window: deque[Batch] = deque()
        self.window_bytes = 0
        self.held: list[Batch] = []
        """The backlog, kept a while for channels created soon after the first."""
        self.marks: deque[Mark] = deque(maxlen=MARKS_MAX)
        self._times: deque[tuple[float, int]] = deque(maxlen=TIMES_MAX)

    def append(self, batch: Batch) -> None:
        """The batch is the last now; every channel sees it."""
        first = batch.first
        last = self._last
        if last is not None:
            last.following = batch
            batch.preceding = last
        self._last = self.batches[first] = batch
        self._firsts.append(first)
        count = batch.stop - first
        self.next = batch.stop
        self.messages += count
        self.turn.memory_bytes += batch.memory_bytes()
        times = self._times
        if not times or batch.accepted_at >= times[-1][0] + TIME_STEP_S:
            times.append((batch.accepted_at, first))
        cursors = self.cursors
        batch.open = count * (len(cursors) or 1)
        for cursor in cursors:
            if cursor.batch is None:
                cursor.reach(batch)

    def settle(self, batch: Batch, messages: int) -> None:
        """One channel is done with so many more messages of the batch."""
        batch.open -= messages
        if batch.open == 0:
            self.messages -= batch.stop - batch.first
            if batch.keeps == 0:
                self._release(batch)

    def settle_span(self, start: int, stop: int) -> None:
        """The same for numbers that may lie in several batches."""
        for batch in self.overlapping(start, stop):
            self.settle(batch, min(stop, batch.stop) - max(start, batch.first))

    def unkeep(self, batch: Batch) -> None:
        """One that wanted the batch to stay does no longer."""
        batch.keeps -= 1
        if batch.keeps == 0 and batch.open == 0:
            self._release(batch)

    def overlapping(self, start: int, stop: int) -> list[Batch]:
        """The kept batches with a number in ``start`` to ``stop``, in order."""
        firsts = self._firsts
        found: list[Batch] = []
        at = max(0, bisect_right(firsts, start) - 1)
        while at < len(firsts) and firsts[at] < stop:
            batch = self.batches.get(firsts[at])
            if batch is not None and batch.stop > start:
                found.append(batch)
            at += 1
        return found

    def attach(self, cursor: Cursor, age_s: float, *, exact: bool) -> None:
        """A channel created ``age_s`` ago begins here; ``exact``: just now and by this node's own caller."""
        now = self.turn.now
        born_at = now - age_s
        config = self.turn.config.broker
        if not self.cursors:
            since = wanted = self._begin_first(born_at)
        elif self.first_born_at is not None and abs(born_at - self.first_born_at) <= config.first_channels_s:
            since = wanted = self.backlog_from
        elif exact:
            since = wanted = self.next
        else:
            since = max(self.backlog_from, self._since(born_at - config.late_margin_s))
            wanted = max(self.backlog_from, self._number_at(born_at))
        self._open(cursor, since)
        self.cursors.append(cursor)
        self.turn.counters.gaps += self._gap(wanted)

    def detach(self, cursor: Cursor) -> int:
        """The channel ended: what it had not finished it never will; returns how many messages."""
        dropped = 0
        for start, stop in cursor.finished.missing(cursor.born, self.next):
            dropped += stop - start
        if len(self.cursors) == 1:
            self.unhold()
            self.backlog_from = self.next
            self.first_born_at = None
        self.cursors.remove(cursor)
        for start, stop in cursor.finished.missing(cursor.born, self.next):
            self.settle_span(start, stop)
        return dropped

    def drop(self) -> None:
        """The topic ended: nothing is kept any longer."""
        for batch in list(self.batches.values()):
            self._release(batch)
        self.window.clear()
        self.window_bytes = 0
        self.held.clear()
        self.messages = 0

    def unhold(self) -> None:
        """The grace of the first channel is over."""
        held, self.held = self.held, []
        for batch in held:
            self.unkeep(batch)

    def rang(self) -> None:
        """The time of the first channels has passed."""
        self.unhold()

    def mark(self, *, born: bool, number: int, channel: str, generation: int) -> None:
        """Write down where a channel begins or ends."""
        mark = Mark(number, born, channel, generation)
        self.marks.append(mark)
        self.turn.rows.append((self.id, mark))

    def _begin_first(self, born_at: float) -> int:
        """The first channel begins at the oldest batch, and the backlog waits for those born with it."""
        self.first_born_at = born_at
        for batch in self.batches.values():
            if batch.open:
                batch.keeps += 1
                self.held.append(batch)
        if self.held:
            config = self.turn.config.broker
            self.turn.timers.arm(self, self.turn.now + config.first_channels_s + config.window_s)
        since = self._since(born_at) if self.backlog_from > self.first else self.first
        return min(self.backlog_from, since)

    def _gap(self, wanted: int) -> int:
        """How many messages from ``wanted`` on are no longer here."""
        kept = sum(batch.stop - max(batch.first, wanted) for batch in self.overlapping(wanted, self.next))
        return max(0, self.next - wanted - kept)

    def _since(self, accepted_at: float) -> int:
        """The first number among what is kept that was accepted then or later."""
        since = self.next
        for batch in reversed(self.batches.values()):
            if batch.accepted_at < accepted_at:
                break
            since = batch.first
        return since

    def _number_at(self, accepted_at: float) -> int:
        """About which number was next at that time; rather too low."""
        if accepted_at > self.turn.now or not self._times or accepted_at > self._times[-1][0] + TIME_STEP_S:
            return self.next
        number = self._times[0][1] if len(self._times) == TIMES_MAX else self.first
        for at, first in self._times:
            if at > accepted_at:
                break
            number = first
        return number

    def _open(self, cursor: Cursor, since: int) -> None:
        """Put the cursor at ``since``; what is no longer there counts as finished for it."""
        claimed = not self.cursors  # what waited for a first channel is open already
        cursor.begin(since)
        number = since
        for batch in self.overlapping(since, self.next):
            if batch.first > number:
                cursor.finished.add(number, batch.first)
            number = batch.stop
            if not (claimed and batch.open):
                if batch.open == 0:
                    self.messages += batch.count()
                batch.open += batch.count()
            if cursor.batch is None:
                cursor.reach(batch)
        if number < self.next:
            cursor.finished.add(number, self.next)
        if cursor.batch is None:
            cursor.at = self.next

    def _release(self, batch: Batch) -> None:
        del self.batches[batch.first]
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
            self._firsts = list(self.batches)

"""Messages with an ordering key, of one channel at one origin: one at a time, in publish order.

Decides which of them may be lent: of each key the first unfinished one, and no other until it is finished; one that
came back, or waits to be tried again, holds its key back. Keys don't hold each other, nor messages without one, as
far as a cursor looks ahead: ``keyed_bytes_max`` of each log. When so much waits behind its keys, or is on its way, the
cursor goes no further, and what lies behind, with whatever key, waits and may leave memory.
A key is in order over the logs of this origin: what an earlier start accepted comes first. Not mesh-wide.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from meshq.broker.batch import Batch
from meshq.broker.extents import Extent

if TYPE_CHECKING:
    from meshq.broker.channel import Channel
    from meshq.broker.cursor import Cursor


class Ahead:
    """The batches that one cursor has lined up, each with how many of its messages are not finished."""

    __slots__ = ("_left", "size_bytes")

    def __init__(self) -> None:
        self._left: dict[Batch, int] = {}
        self.size_bytes = 0

    def add(self, batch: Batch, messages: int) -> None:
        """So many more."""
        if batch not in self._left:
            self._left[batch] = 0
            self.size_bytes += batch.memory_bytes()
        self._left[batch] += messages

    def drop(self, batch: Batch, messages: int) -> None:
        """So many are finished."""
        self._left[batch] -= messages
        if not self._left[batch]:
            del self._left[batch]
            self.size_bytes -= batch.memory_bytes()


class Keyed:
    """What waits behind its key, and which message of each key is on its way."""

    __slots__ = ("_ahead", "_busy", "_channel", "_waiting", "early")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: dict[str, deque[tuple[Cursor, Extent]]] = {}
        """Per key, in order; a key that is busy has an entry even if nothing waits behind it."""
        self._busy: dict[Cursor, dict[int, Batch]] = {}
        """The messages that may be lent, or are."""
        self._ahead: dict[Cursor, Ahead] = {}
        self.early: list[tuple[Cursor, Extent]] = []
        """Of logs of which not all is known that earlier ones hold."""

    def put(self, cursor: Cursor, extent: Extent) -> None:
        """The cursor has come to these messages of one key."""
        ahead = self._ahead.get(cursor)
        if ahead is None:
            ahead = self._ahead[cursor] = Ahead()
        ahead.add(extent.batch, extent.stop - extent.start)
        self._place(cursor, extent)

    def full(self, cursor: Cursor) -> bool:
        """Whether the cursor has looked far enough ahead."""
        ahead = self._ahead.get(cursor)
        if ahead is None:
            return False
        turn = self._channel.turn
        return ahead.size_bytes >= min(turn.config.broker.keyed_bytes_max, turn.budget_bytes // 8)

    def run(self) -> None:
        """There may be room to look further ahead, and something may have been read of earlier logs."""
        for cursor in self._ahead:
            if cursor.held and not self.full(cursor):
                cursor.seek(cursor.at)
        if self.early:
            early, self.early = sorted(self.early, key=_age), []
            for cursor, extent in early:
                self._place(cursor, extent)

    def _place(self, cursor: Cursor, extent: Extent) -> None:
        if self._unread(cursor):
            self.early.append((cursor, extent))
        else:
            self._line_up(cursor, extent)

    def _unread(self, cursor: Cursor) -> bool:
        """Whether a log of an earlier start has messages that nobody has come to yet, or that wait for others."""
        age = cursor.log.id[1:3]
        if any(one[0].log.id[1:3] <= age for one in self.early):
            return True
        return any(one.log.id[1:3] < age and one.at < one.log.next for one in self._channel.cursors.values())

    def _line_up(self, cursor: Cursor, extent: Extent) -> None:
        key = extent.batch.traits.key
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque(((cursor, extent),))
            self._release(key)
        else:
            waiting.append((cursor, extent))

    def holds(self, cursor: Cursor, number: int) -> bool:
        """Whether the message is the one of its key that may be lent."""
        return number in self._busy.get(cursor, ())

    def finished(self, cursor: Cursor, start: int, stop: int) -> None:
        """These were finished: the next of their keys may be lent."""
        busy = self._busy.get(cursor)
        if not busy:
            return
        if stop - start <= len(busy):
            done = [number for number in range(start, stop) if number in busy]
        else:
            done = [number for number in busy if start <= number < stop]
        for number in done:
            batch = busy.pop(number)
            self._drop(cursor, batch, 1)
            self._release(batch.traits.key)

    def forget(self, cursor: Cursor) -> None:
        """The cursor's log has ended: its keys are free."""
        self._busy.pop(cursor, None)
        self._ahead.pop(cursor, None)
        self.early = [one for one in self.early if one[0] is not cursor]
        for key, waiting in list(self._waiting.items()):
            self._waiting[key] = deque(one for one in waiting if one[0] is not cursor)
        taken = {batch.traits.key for busy in self._busy.values() for batch in busy.values()}
        for key in [key for key in self._waiting if key not in taken]:
            self._release(key)

    def waiting(self, cursor: Cursor) -> list[Extent]:
        """What of a log waits behind its keys."""
        lines = [*self._waiting.values(), self.early]
        return [extent for line in lines for one, extent in line if one is cursor]

    def _release(self, key: str) -> None:
        """The next unfinished message of the key may be lent."""
        waiting = self._waiting[key]
        while waiting:
            cursor, extent = waiting[0]
            batch, start, stop = extent.batch, extent.start, extent.stop
            left = cursor.finished.missing(start, stop)
            number = left[0][0] if left else stop
            if number > start:
                self._drop(cursor, batch, number - start)
            extent.start = min(number + 1, stop)
            if extent.start == stop:
                waiting.popleft()
            if left:
                self._busy.setdefault(cursor, {})[number] = batch
                cursor.offer(Extent(batch, number, number + 1))
                self._channel.touch()
                return
        del self._waiting[key]

    def _drop(self, cursor: Cursor, batch: Batch, messages: int) -> None:
        """These are finished: there may be room for more."""
        self._ahead[cursor].drop(batch, messages)
        if cursor.held:
            self._channel.touch()


def _age(one: tuple[Cursor, Extent]) -> tuple[int, int]:
    cursor, _ = one
    return cursor.log.id.epoch_ms, cursor.log.id.epoch_nonce

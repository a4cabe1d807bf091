"""Messages with an ordering key, of one channel at one origin: one at a time, in publish order.

Decides which of them may be lent: of each key the first unfinished one, and no other until it is finished; one that
came back, or waits to be tried again, holds its key back. Keys don't hold each other, nor messages without one.
A key is in order over the logs of this origin: what an earlier start accepted comes first. Not mesh-wide.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from meshq.broker.extents import Extent

if TYPE_CHECKING:
    from meshq.broker.channel import Channel
    from meshq.broker.cursor import Cursor


class Keyed:
    """What waits behind its key, and which message of each key is on its way."""

    __slots__ = ("_busy", "_channel", "_early", "_waiting")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: dict[str, deque[tuple[Cursor, Extent]]] = {}
        """Per key, in order; a key that is busy has an entry even if nothing waits behind it."""
        self._busy: dict[Cursor, dict[int, str]] = {}
        """The messages that may be lent, or are."""
        self._early: list[tuple[Cursor, Extent]] = []
        """Of logs of which not all is known that earlier ones hold."""

    def put(self, cursor: Cursor, extent: Extent) -> None:
        """The cursor has come to these messages of one key."""
        if self._unread(cursor):
            self._early.append((cursor, extent))
        else:
            self._line_up(cursor, extent)

    def run(self) -> None:
        """Something may have been read of earlier logs."""
        if self._early:
            early, self._early = sorted(self._early, key=_age), []
            for cursor, extent in early:
                self.put(cursor, extent)

    def _unread(self, cursor: Cursor) -> bool:
        """Whether a log of an earlier start has messages that nobody has come to yet, or that wait for others."""
        age = cursor.log.id[1:3]
        if any(one[0].log.id[1:3] <= age for one in self._early):
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
            self._release(busy.pop(number))

    def forget(self, cursor: Cursor) -> None:
        """The cursor's log has ended: its keys are free."""
        self._busy.pop(cursor, None)
        self._early = [one for one in self._early if one[0] is not cursor]
        for key, waiting in list(self._waiting.items()):
            self._waiting[key] = deque(one for one in waiting if one[0] is not cursor)
        taken = {key for busy in self._busy.values() for key in busy.values()}
        for key in [key for key in self._waiting if key not in taken]:
            self._release(key)

    def waiting(self, cursor: Cursor) -> list[Extent]:
        """What of a log waits behind its keys."""
        lines = [*self._waiting.values(), self._early]
        return [extent for line in lines for one, extent in line if one is cursor]

    def _release(self, key: str) -> None:
        """The next unfinished message of the key may be lent."""
        waiting = self._waiting[key]
        while waiting:
            cursor, extent = waiting[0]
            left = cursor.finished.missing(extent.start, extent.stop)
            if not left:
                waiting.popleft()
                continue
            number = left[0][0]
            extent.start = number + 1
            if extent.start == extent.stop:
                waiting.popleft()
            self._busy.setdefault(cursor, {})[number] = key
            cursor.offer(Extent(extent.batch, number, number + 1))
            self._channel.touch()
            return
        del self._waiting[key]


def _age(one: tuple[Cursor, Extent]) -> tuple[int, int]:
    cursor, _ = one
    return cursor.log.id.epoch_ms, cursor.log.id.epoch_nonce

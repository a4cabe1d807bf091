"""An extent at its consumer: what of it was taken, and what became of each message.

One place for every legal move of a lent message: untaken, taken, settled; a message settles once, whatever is
called later. Finishes are gathered as runs and leave with the turn; the rest is said at once. An extent
whose session has ended can still be finished, nothing else: its lease is gone.
"""

from __future__ import annotations

from typing import Protocol

from meshq.errors import RemoteProtocolError
from meshq.wire import bodies
from meshq.wire.bodies import Item
from meshq.wire.frames import Deliver

OPEN = 0
SETTLED = 1


class Holder(Protocol):
    """The subscription that an extent belongs to."""

    topic: str
    channel: str

    def wait_s(self, attempts: int) -> float:
        """The backoff after so many attempts."""

    def gather(self, extent: Extent) -> None:
        """The extent has something for the end of the turn."""

    def requeue(self, extent: Extent, start: int, stop: int, delay_s: float, reason: str, error: str = "") -> None:
        """Say that positions ``start`` to ``stop`` are to be delivered again, and what went wrong with them."""

    def touch(self, extent: Extent, start: int, stop: int) -> None:
        """Say that positions ``start`` to ``stop`` are still wanted."""


class Extent:
    """``count`` messages from number ``first`` of a log. Positions count from 0.

    ``index`` is the next position to be taken; ``unsettled`` how many are not settled.
    """

    __slots__ = (
        "_marks",
        "accepted_ns",
        "attempts",
        "body",
        "count",
        "first",
        "gathered",
        "holder",
        "index",
        "items",
        "log",
        "run_start",
        "run_stop",
        "runs",
        "session",
        "stale",
        "unsettled",
    )

    def __init__(self, holder: Holder, session: int, frame: Deliver) -> None:
        self.holder = holder
        self.session = session
        self.log = frame.log
        self.first = frame.start
        self.count = self.unsettled = frame.stop - frame.start
        self.accepted_ns = frame.accepted_ns
        self.attempts = frame.attempts
        self.body: bytes | None = frame.body
        self.items: list[Item] = []
        self.index = 0
        self.stale = False
        """Whether it has waited so long that taking from it must start the message timeout again."""
        self._marks: bytearray | None = None
        self.run_start = self.run_stop = 0
        self.runs: list[tuple[int, int]] = []
        self.gathered = False

    def load(self) -> None:
        """Decode the body, once. Raises RemoteProtocolError when it is not what the frame announced."""
        if self.body is not None:
            items = bodies.decode(self.body)
            self.body = None
            if len(items) != self.count:
                raise RemoteProtocolError(f"{len(items)} messages in a body of {self.count}", code="BAD_BODY")
            self.items = items

    def cut(self, count: int) -> None:
        """Keep only the first ``count`` messages of an untaken extent; the rest was given back."""
        self.load()
        del self.items[count:]
        self.count = self.unsettled = count

    def attempts_of(self, position: int) -> int:
        """How often the message has been lent, this time included."""
        number = self.first + position
        for start, stop, earlier in self.attempts:
            if start <= number < stop:
                return earlier + 1
        return 1

    # settling

    def finish(self, position: int) -> None:
        """Settle one message as done."""
        marks = self._marks
        if marks is None:
            marks = self._mark()
        if marks[position]:
            return
        marks[position] = SETTLED
        self.unsettled -= 1
        if position == self.run_stop:
            self.run_stop = position + 1
        else:
            self._new_run(position, position + 1)
        if not self.gathered:
            self.gathered = True
            self.holder.gather(self)

    def finish_rest(self) -> None:
        """Settle everything that is not settled as done: one step when nothing is."""
        for start, stop in self._unsettled():
            if start == self.run_stop:
                self.run_stop = stop
            else:
                self._new_run(start, stop)
        self._over()

    def requeue(self, position: int, delay_s: float | None, error: str = "") -> None:
        """Settle one message as not done: it comes again after ``delay_s`` (None: the backoff)."""
        if self._settle(position):
            if delay_s is None:
                delay_s = self.holder.wait_s(self.attempts_of(position))
            self.holder.requeue(self, position, position + 1, delay_s, "requeue", error)

    def requeue_rest(self, delay_s: float | None, error: str = "") -> None:
        """Settle everything that is not settled as not done, alike attempts together."""
        for start, stop in self._unsettled():
            for low, high, attempts in self._alike(start, stop):
                wait_s = self.holder.wait_s(attempts) if delay_s is None else delay_s
                self.holder.requeue(self, low, high, wait_s, "requeue", error)
        self._over()

    def break_off(self, error: str) -> None:
        """Settle everything that is not settled as unreadable, here and everywhere: it is not delivered again."""
        for start, stop in self._unsettled():
            self.holder.requeue(self, start, stop, 0.0, "broken", error)
        self._over()

    def give_back(self, position: int) -> None:
        """Settle one message as never handled: it goes to somebody else at once, and counts nothing."""
        if self._settle(position):
            self.holder.requeue(self, position, position + 1, 0.0, "cancelled")

    def give_back_rest(self) -> None:
        """Settle everything that is not settled as never handled."""
        for start, stop in self._unsettled():
            self.holder.requeue(self, start, stop, 0.0, "cancelled")
        self._over()

    def touch(self, position: int) -> None:
        """Start the message timeout of one message again, if it is not settled."""
        if self.unsettled and not (self._marks and self._marks[position]):
            self.holder.touch(self, position, position + 1)

    def touch_rest(self) -> None:
        """Start the message timeout of everything that is not settled again."""
        for start, stop in self._unsettled():
            self.holder.touch(self, start, stop)

    def close(self) -> None:
        """Everything is settled: nothing that is called later does anything."""
        self.unsettled = 0
        self._marks = None

    def take_runs(self) -> list[tuple[int, int]]:
        """The finished positions gathered since the last turn, as runs; taken out."""
        runs, self.runs = self.runs, []
        if self.run_stop > self.run_start:
            runs.append((self.run_start, self.run_stop))
        self.run_start = self.run_stop
        self.gathered = False
        return runs

    def _new_run(self, start: int, stop: int) -> None:
        if self.run_stop > self.run_start:
            self.runs.append((self.run_start, self.run_stop))
        self.run_start, self.run_stop = start, stop

    def _settle(self, position: int) -> bool:
        marks = self._marks
        if marks is None:
            marks = self._mark()
        if marks[position]:
            return False
        marks[position] = SETTLED
        self.unsettled -= 1
        if not self.unsettled:
            self._over()
        return True

    def _over(self) -> None:
        self.close()
        if not self.gathered:
            self.gathered = True
            self.holder.gather(self)

    def _mark(self) -> bytearray:
        """The marks of an extent of which nothing is settled, or everything."""
        if self.unsettled:
            self._marks = bytearray(self.count)
            return self._marks
        return bytearray(b"\x01" * self.count)

    def _unsettled(self) -> list[tuple[int, int]]:
        """The runs of positions that are not settled, in order."""
        if self._marks is None:
            return [(0, self.count)] if self.unsettled else []
        runs: list[tuple[int, int]] = []
        start = self._marks.find(OPEN)
        while start >= 0:
            stop = self._marks.find(SETTLED, start)
            if stop < 0:
                stop = self.count
            runs.append((start, stop))
            start = self._marks.find(OPEN, stop)
        return runs

    def _alike(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """``start`` to ``stop`` in pieces of equal attempts."""
        pieces: list[tuple[int, int, int]] = []
        for position in range(start, stop):
            attempts = self.attempts_of(position)
            if pieces and pieces[-1][2] == attempts:
                pieces[-1] = (pieces[-1][0], position + 1, attempts)
            else:
                pieces.append((position, position + 1, attempts))
        return pieces

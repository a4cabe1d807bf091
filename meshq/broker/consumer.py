"""A consumer at this node, and what it has in hand.

Decides when a hand has expired (the message timeout, from hand-over or the last touch) and how much room
the consumer has. Who is handed what is the ``receiver``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from meshq.broker.extents import Extents
from meshq.names import LogId

if TYPE_CHECKING:
    from meshq.broker.receiver import Receiver
    from meshq.broker.source import Loan

TIMEOUT_STEPS: Final = 64
"""Expiry is looked for this often in a timeout: so much late at most, many in one step."""


class Hand:
    """Messages handed over and not settled.

    ``live``: they are a lease of the present session. A hand that is not can only finish. ``expired``: its
    time is over, its consumer's capacity is free again.
    """

    __slots__ = ("consumer", "due", "expired", "live", "loan", "size_bytes", "start", "stop")

    def __init__(self, consumer: Consumer, loan: Loan, start: int, stop: int, size_bytes: int, due: float) -> None:
        self.consumer = consumer
        self.loan = loan
        self.start = start
        self.stop = stop
        self.size_bytes = size_bytes
        self.due = due
        self.live = True
        self.expired = False

    def cut(self, at: int) -> Hand:
        """Keep ``start`` to ``at``; return the rest, of the same consumer. Bytes are shared out evenly."""
        part_bytes = self.size_bytes * (at - self.start) // (self.stop - self.start)
        rest = Hand(self.consumer, self.loan, at, self.stop, self.size_bytes - part_bytes, self.due)
        rest.live, rest.expired = self.live, self.expired
        self.stop = at
        self.size_bytes = part_bytes
        if not rest.expired:
            self.consumer.hands[rest] = None
        return rest


class Consumer:
    """Whoever takes messages of one channel: capacity, hands, and hands that timed out."""

    __slots__ = (
        "bytes", "hands", "in_hand_bytes", "in_hand_messages", "late", "late_extents", "messages", "number", "receiver",
        "timeout_s",
    )  # fmt: skip

    def __init__(self, number: int, receiver: Receiver, messages: int, size_bytes: int, timeout_s: float) -> None:
        self.number = number
        self.receiver = receiver
        self.messages = messages
        self.bytes = size_bytes
        self.timeout_s = timeout_s
        self.hands: dict[Hand, None] = {}
        """Unexpired."""
        self.in_hand_messages = 0
        self.in_hand_bytes = 0
        self.late: dict[LogId, Extents[Hand]] = {}
        """Expired hands: a late finish of theirs still counts."""
        self.late_extents = 0

    def room_messages(self) -> int:
        """How many more it may have; never below zero."""
        return max(0, self.messages - self.in_hand_messages)

    def room_bytes(self) -> int:
        """The same in bytes."""
        return max(0, self.bytes - self.in_hand_bytes)

    def keep_late(self, hand: Hand) -> None:
        """A hand expired: it may still finish."""
        late = self.late.setdefault(hand.loan.log, Extents())
        late.add(hand)
        hand.loan.late += hand.stop - hand.start
        self.late_extents += 1
        self._bound_late()

    def take_late(self, log: LogId, start: int, stop: int) -> list[Hand]:
        """Take out what of these expired here."""
        late = self.late.get(log)
        if late is None:
            return []
        before = len(late)
        taken = late.take(start, stop)
        self.late_extents += len(late) - before
        for hand in taken:
            hand.loan.late -= hand.stop - hand.start
            self.receiver.loans.tidy(hand.loan)
        if not len(late):
            del self.late[log]
        self._bound_late()  # a part taken out of the middle leaves two
        return taken

    def _bound_late(self) -> None:
        """Beyond the limit the oldest is forgotten."""
        turn = self.receiver.turn
        while self.late_extents > turn.config.broker.late_fins_max:
            log, oldest = next(iter(self.late.items()))
            forgotten = oldest.first()
            turn.counters.late_forgotten += forgotten.stop - forgotten.start
            self.take_late(log, forgotten.start, forgotten.stop)

    def forget_late(self) -> None:
        """The consumer leaves: nothing can finish late any more."""
        for log, late in list(self.late.items()):
            for hand in list(late):
                self.take_late(log, hand.start, hand.stop)

    def arm(self, now: float) -> None:
        """Look for expired hands when the first may be, not too often."""
        if self.hands:
            due = min(hand.due for hand in self.hands)
            self.receiver.turn.timers.arm(self, max(due, now + self.timeout_s / TIMEOUT_STEPS))

    def rang(self) -> None:
        """Time passed: what is due expires."""
        now = self.receiver.turn.now
        for hand in [hand for hand in self.hands if hand.due <= now]:
            self.receiver.expire(hand)
        self.arm(now)

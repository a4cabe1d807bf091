"""Credit at the receiving end of one channel: which origin is granted how much, and whose goes back (R1, R2, R4, R5).

Decides by the receiver's sums: free is the room of its consumers less what is granted and what is received but not
handed over. Who said READY first is granted first. Little room waits a moment for more to come free.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from meshq.broker.source import Source

if TYPE_CHECKING:
    from meshq.broker.receiver import Receiver

LUMPS: Final = 4
LUMP_MAX: Final = 1024
"""Room is granted at once when it is this part of all there is, or so many messages."""


class Credit:
    """What one receiver's origins may lend it."""

    __slots__ = ("linger_until", "queue", "receiver")

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.queue: deque[Source] = deque()
        """Origins that said READY, in turn."""
        self.linger_until = 0.0
        """Until when little room is kept for more to come free; 0.0 while none is."""

    # the queue

    def enqueue(self, source: Source) -> None:
        """R1: the origin waits its turn, once."""
        if not source.queued:
            source.queued = True
            self.queue.append(source)
        self.receiver.touch()

    def leave(self, source: Source) -> None:
        """Its session ended: it waits no longer."""
        if source.queued:
            source.queued = False
            self.queue.remove(source)

    # granting

    def serve(self) -> None:
        """R2: the head of the queue, while a message is free and the head's bytes fit or nothing is used."""
        queue, receiver = self.queue, self.receiver
        while queue:
            free = receiver.room_messages - receiver.granted_messages - receiver.buffered_messages
            if free <= 0 or self._lingers(free):
                return
            free_bytes = receiver.room_bytes - receiver.granted_bytes - receiver.buffered_bytes
            head, among = queue[0], len(queue)
            if free_bytes >= head.least:
                messages, size_bytes = max(1, free // among), max(head.least, free_bytes // among)
            elif not (receiver.granted_messages or receiver.buffered_messages or receiver.in_hand_messages):
                messages, size_bytes = 1, head.least  # larger than all capacity: alone
            else:
                return
            self._end_linger()
            queue.popleft()
            head.queued = False
            receiver.turn.counters.grants += 1
            head.grant(messages, size_bytes)

    def _lingers(self, free: int) -> bool:
        """Whether so little room waits for more to come free, which it does for ``linger_s`` at most.

        Room given out as it comes free cuts batches small, small extents come free in small amounts, and it
        never gets better by itself: a consumer of 64 that took 20 ms a lease fell to 60 messages a second.
        Not while hands of a broken session are to be adopted, which takes a grant each and no room.
        """
        receiver, turn = self.receiver, self.receiver.turn
        enough = free * LUMPS >= receiver.room_messages + receiver.in_hand_messages or free >= LUMP_MAX
        if enough or any(loan.dead for loan in receiver.loans.by_log.values()):
            self._end_linger()
            return False
        if not self.linger_until:
            self.linger_until = turn.now + turn.config.broker.linger_s
            turn.timers.arm(self, self.linger_until)
        return turn.now < self.linger_until

    def _end_linger(self) -> None:
        if self.linger_until:
            self.linger_until = 0.0
            self.receiver.turn.timers.cancel(self)

    def rang(self) -> None:
        """The linger is over: what is free is granted."""
        self.receiver.touch()

    def end(self) -> None:
        """The receiver is forgotten."""
        self.receiver.turn.timers.cancel(self)

    # taking back

    def recall(self, wanted: int) -> None:
        """R4: ask holders of unused credit, largest first, for no more of them than are waiting."""
        holders: list[Source] = []
        for source in self.receiver.sources.values():
            if source.recalling:
                wanted -= 1
            elif source.messages:
                holders.append(source)
        if wanted > 0 and holders:
            holders.sort(key=_granted, reverse=True)
            for source in holders[:wanted]:
                self._recall_from(source)

    def _recall_from(self, source: Source) -> None:
        self.receiver.turn.counters.recalls += 1
        source.recall()

    def shrink(self) -> None:
        """R5: capacity shrank below what is used: return from the buffer, then recall, until it fits."""
        receiver = self.receiver
        while receiver.buffered and self.exceeds():
            receiver.send_back()
        if not self.exceeds():
            return
        excess = receiver.granted_messages + receiver.buffered_messages - receiver.room_messages
        excess_bytes = receiver.granted_bytes + receiver.buffered_bytes - receiver.room_bytes
        holders = sorted((one for one in receiver.sources.values() if one.messages), key=_granted, reverse=True)
        for source in sorted(holders, key=_not_recalling):
            if excess <= 0 and excess_bytes <= 0:
                return
            excess -= source.messages
            excess_bytes -= source.bytes
            if not source.recalling:
                self._recall_from(source)

    def exceeds(self) -> bool:
        """Whether more is granted and buffered than fits. A message larger than everything may be alone."""
        receiver = self.receiver
        used = receiver.granted_messages + receiver.buffered_messages
        if used > receiver.room_messages:
            return True
        if receiver.granted_bytes + receiver.buffered_bytes <= receiver.room_bytes:
            return False
        return used + receiver.in_hand_messages > 1


def _granted(source: Source) -> int:
    return source.messages


def _not_recalling(source: Source) -> bool:
    return not source.recalling

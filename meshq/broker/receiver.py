"""The receiving end of one channel: one ledger of its consumers' capacity (rules R1 to R8).

Decides which origin is granted how much credit, whose is recalled, and which consumer is handed what. Free is
the room of the consumers less what is granted and what is received but not handed over. The own node's logs are
one source among the others.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from meshq.broker.consumer import Consumer, Hand
from meshq.broker.effects import Hand as Handed
from meshq.broker.source import Loan, Parcel, Source
from meshq.broker.turn import Turn
from meshq.errors import RemoteProtocolError
from meshq.machine.ranges import Ranges
from meshq.names import ChannelKey, LogId

LUMPS: Final = 4
LUMP_MAX: Final = 1024
"""Room is granted at once when it is this part of all there is, or so many messages."""


class Receiver:
    """A channel's consumers at this node."""

    __slots__ = (
        "buffered", "buffered_bytes", "buffered_messages", "consumers", "granted_bytes", "granted_messages",
        "in_hand_messages", "key", "linger_until", "loans", "queue", "room_bytes", "room_messages", "sources", "turn",
        "vacant",
    )  # fmt: skip

    def __init__(self, turn: Turn, key: ChannelKey) -> None:
        self.turn = turn
        self.key = key
        self.sources: dict[str, Source] = {}
        self.loans: dict[LogId, Loan] = {}
        self.consumers: dict[int, Consumer] = {}
        self.vacant: dict[Consumer, None] = {}
        """Consumers with room for a message, whose turn is next first."""
        self.queue: deque[Source] = deque()
        """Origins that said READY, in turn."""
        self.buffered: deque[Parcel] = deque()
        self.buffered_messages = 0
        self.buffered_bytes = 0
        self.granted_messages = 0
        self.granted_bytes = 0
        self.room_messages = 0
        """What the consumers could take more than they have in hand."""
        self.room_bytes = 0
        self.in_hand_messages = 0
        self.linger_until = 0.0
        """Until when little room is kept for more to come free; 0.0 while none is."""

    def touch(self) -> None:
        """Something changed: the rules run at the end of the turn."""
        self.turn.receivers[self] = None

    # the end of the turn

    def run(self) -> None:
        """R5, R6, R2, R4: what is too much goes back, then hand over, grant, recall."""
        if self.granted_messages + self.buffered_messages > self.room_messages or (
            self.granted_bytes + self.buffered_bytes > self.room_bytes
        ):
            self._shrink()
        if self.buffered and self.vacant:
            self._hand_over()
        if self.queue:
            self._serve()
            if self.queue:
                self._recall(len(self.queue))

    def _serve(self) -> None:
        """R2: the head of the queue, while a message is free and the head's bytes fit or nothing is used."""
        queue = self.queue
        while queue:
            free = self.room_messages - self.granted_messages - self.buffered_messages
            if free <= 0 or self._lingers(free):
                return
            free_bytes = self.room_bytes - self.granted_bytes - self.buffered_bytes
            head, among = queue[0], len(queue)
            if free_bytes >= head.least:
                messages, size_bytes = max(1, free // among), max(head.least, free_bytes // among)
            elif not (self.granted_messages or self.buffered_messages or self.in_hand_messages):
                messages, size_bytes = 1, head.least  # larger than all capacity: alone
            else:
                return
            self._end_linger()
            queue.popleft()
            head.queued = False
            self.turn.counters.grants += 1
            head.grant(messages, size_bytes)

    def _lingers(self, free: int) -> bool:
        """Whether so little room waits for more to come free, which it does for ``linger_s`` at most.

        Room given out as it comes free cuts batches small, small extents come free in small amounts, and it
        never gets better by itself: a consumer of 64 that took 20 ms a lease fell to 60 messages a second.
        Not while hands of a broken session are to be adopted, which takes a grant each and no room.
        """
        turn = self.turn
        enough = free * LUMPS >= self.room_messages + self.in_hand_messages or free >= LUMP_MAX
        if enough or any(loan.dead for loan in self.loans.values()):
            self._end_linger()
            return False
        if not self.linger_until:
            self.linger_until = turn.now + turn.config.broker.linger_s
            turn.timers.arm(self, self.linger_until)
        return turn.now < self.linger_until

    def _end_linger(self) -> None:
        if self.linger_until:
            self.linger_until = 0.0
            self.turn.timers.cancel(self)

    def rang(self) -> None:
        """The linger is over: what is free is granted."""
        self.touch()

    def _recall(self, wanted: int) -> None:
        """R4: ask holders of unused credit, largest first, for no more of them than are waiting."""
        holders: list[Source] = []
        for source in self.sources.values():
            if source.recalling:
                wanted -= 1
            elif source.messages:
                holders.append(source)
        if wanted > 0 and holders:
            holders.sort(key=_granted, reverse=True)
            for source in holders[:wanted]:
                self._recall_from(source)

    def _recall_from(self, source: Source) -> None:
        self.turn.counters.recalls += 1
        source.recall()

    def _shrink(self) -> None:
        """R5: capacity shrank below what is used: return from the buffer, then recall, until it fits."""
        while self.buffered and self._excess():
            self._return(self.buffered.pop())
        if not self._excess():
            return
        excess = self.granted_messages + self.buffered_messages - self.room_messages
        excess_bytes = self.granted_bytes + self.buffered_bytes - self.room_bytes
        holders = sorted((one for one in self.sources.values() if one.messages), key=_granted, reverse=True)
        for source in sorted(holders, key=_not_recalling):
            if excess <= 0 and excess_bytes <= 0:
                return
            excess -= source.messages
            excess_bytes -= source.bytes
            if not source.recalling:
                self._recall_from(source)

    def _excess(self) -> bool:
        """Whether more is granted and buffered than fits. A message larger than everything may be alone."""
        used = self.granted_messages + self.buffered_messages
        if used > self.room_messages:
            return True
        if self.granted_bytes + self.buffered_bytes <= self.room_bytes:
            return False
        return used + self.in_hand_messages > 1

    def _return(self, parcel: Parcel) -> None:
        loan = parcel.loan
        self._unbuffer(parcel)
        loan.held -= parcel.stop - parcel.start
        loan.source.to.give_back(loan.log, parcel.start, parcel.stop)
        self._unshare(loan, parcel.start, parcel.stop)

    # handing over

    def _hand_over(self) -> None:
        """R6: from the buffer to consumers with room, in rotation."""
        while self.buffered:
            consumer = self._next_consumer(self.buffered[0])
            if consumer is None:
                return
            parcel = self.buffered.popleft()
            try:
                stop = self._share(parcel, consumer)
                body = parcel.payload.part(parcel.start, stop)
            except RemoteProtocolError as exc:
                self._broken(parcel, str(exc))
                continue
            self._unbuffer(parcel)
            if stop < parcel.stop:
                rest = parcel.part(stop, parcel.stop)
                parcel.size_bytes -= rest.size_bytes
                parcel.stop = stop
                self.buffer(rest, first=True)
            self._hand(parcel, consumer, body)

    def _next_consumer(self, parcel: Parcel) -> Consumer | None:
        """The next in turn for whom the parcel's first message fits, or who has nothing in hand."""
        for consumer in self.vacant:
            if parcel.size_bytes <= consumer.bytes - consumer.in_hand_bytes or not consumer.in_hand_messages:
                return consumer
            try:
                least = parcel.payload.size(parcel.start, parcel.start + 1)
            except RemoteProtocolError:
                return consumer
            if least <= consumer.bytes - consumer.in_hand_bytes:
                return consumer
        return None

    def _share(self, parcel: Parcel, consumer: Consumer) -> int:
        """Up to where the parcel is for this consumer: at least one message."""
        start = parcel.start
        stop = min(parcel.stop, start + consumer.room_messages())
        room_bytes = consumer.room_bytes()
        if parcel.size_bytes > room_bytes:
            stop = max(start + 1, parcel.payload.fit(start, stop, room_bytes))
        return stop

    def _hand(self, parcel: Parcel, consumer: Consumer, body: bytes) -> None:
        turn, loan = self.turn, parcel.loan
        start, stop = parcel.start, parcel.stop
        if consumer.late_extents:
            consumer.take_late(loan.log, start, stop)  # the same consumer gets it again
        hand = Hand(consumer, loan, start, stop, parcel.size_bytes, turn.now + consumer.timeout_s)
        if not consumer.hands and consumer not in turn.timers:
            turn.timers.arm(consumer, hand.due)
        consumer.hands[hand] = None
        loan.hands.add(hand)
        del self.vacant[consumer]
        self._fill(consumer, stop - start, parcel.size_bytes)
        turn.counters.handed += stop - start
        attempts = parcel.attempts
        if attempts:
            attempts = _clip(attempts, start, stop)
        turn.out.append(Handed(consumer.number, loan.log, start, stop, parcel.accepted_ns, attempts, body))

    def _broken(self, parcel: Parcel, error: str) -> None:
        """The body is not what its frame said. It would be no better next time: its origin puts it away."""
        messages = parcel.stop - parcel.start
        self._unbuffer(parcel)
        parcel.loan.held -= messages
        self.turn.counters.broken_bodies += messages
        parcel.loan.source.to.req(parcel.loan.log, parcel.start, parcel.stop, 0.0, "broken", error)
        self._unshare(parcel.loan, parcel.start, parcel.stop)

    def _fill(self, consumer: Consumer, messages: int, size_bytes: int) -> None:
        """The consumer has so much more (or less) in hand; its turn comes last."""
        room_messages, room_bytes = consumer.room_messages(), consumer.room_bytes()
        consumer.in_hand_messages += messages
        consumer.in_hand_bytes += size_bytes
        self.in_hand_messages += messages
        self._room(consumer, room_messages, room_bytes)

    def _room(self, consumer: Consumer, room_messages: int, room_bytes: int) -> None:
        """The consumer's room was so much and may differ now."""
        room = consumer.room_messages()
        self.room_messages += room - room_messages
        self.room_bytes += consumer.room_bytes() - room_bytes
        if room:
            self.vacant.setdefault(consumer)
        else:
            self.vacant.pop(consumer, None)
        self.turn.receivers[self] = None

    # origins

    def enqueue(self, source: Source) -> None:
        """R1: the origin waits its turn, once."""
        if not source.queued:
            source.queued = True
            self.queue.append(source)
        self.touch()

    def loan(self, source: Source, log: LogId) -> Loan:
        """What was borrowed from the log there. A log that was handed over has two holders for a while."""
        loan = source.loans.get(log)
        if loan is None:
            loan = source.loans[log] = Loan(source, log)
            loan.other = self.loans.get(log)
            self.loans[log] = loan
        return loan

    def share(self, loan: Loan, start: int, stop: int) -> list[tuple[int, int]]:
        """Just lent: what is here from another holder of the log, waiting or in a hand, shares its fate. The rest."""
        left = Ranges([(start, stop)])
        for other in self.loans_of(loan.log):
            if other is not loan:
                for hand in other.hands.overlapping(start, stop):
                    left.discard(hand.start, hand.stop)
                for parcel in self.buffered:
                    if parcel.loan is other:
                        left.discard(parcel.start, parcel.stop)
        for low, high in left.missing(start, stop):
            loan.shared.add(low, high)
        return list(left)

    def _unshare(self, loan: Loan, start: int, stop: int) -> None:
        """These go back, unfinished: the leases that shared their fate do too."""
        for other in self.loans_of(loan.log):
            for low, high in other.shared.within(start, stop) if other is not loan else ():
                other.held -= other.shared.discard(low, high)
                other.source.to.give_back(loan.log, low, high)

    def buffer(self, parcel: Parcel, *, first: bool = False) -> None:
        """Received: waits for a consumer with room."""
        if first:
            self.buffered.appendleft(parcel)
        else:
            self.buffered.append(parcel)
        self.buffered_messages += parcel.stop - parcel.start
        self.buffered_bytes += parcel.size_bytes
        self.turn.receivers[self] = None

    def _unbuffer(self, parcel: Parcel) -> None:
        """The parcel was taken out of the buffer."""
        self.buffered_messages -= parcel.stop - parcel.start
        self.buffered_bytes -= parcel.size_bytes

    def forget_session(self, source: Source) -> None:
        """A session ended: out of the queue, buffer dropped, live hands die."""
        if source.queued:
            source.queued = False
            self.queue.remove(source)
        dropped = [parcel for parcel in self.buffered if parcel.loan.source is source]
        if dropped:
            self.buffered = deque(parcel for parcel in self.buffered if parcel.loan.source is not source)
            for parcel in dropped:
                self._unbuffer(parcel)
                self._unshare(parcel.loan, parcel.start, parcel.stop)
        for loan in list(source.loans.values()):
            for hand in loan.hands:
                hand.live = False
            loan.dead = loan.hands.messages
            loan.received = loan.held = 0
            loan.shared = Ranges()
            self.tidy(loan)
        self.touch()

    def forget_source(self, source: Source) -> None:
        """The origin is forgotten, with all that came from it."""
        for loan in list(source.loans.values()):
            for hand in list(loan.hands):
                self._drop(hand)
                self._unshare(loan, hand.start, hand.stop)
            self._unchain(loan)
        source.loans.clear()
        self.sources.pop(source.name, None)
        self.turn.finishing.pop(source, None)

    def tidy(self, loan: Loan) -> None:
        """Forget what was borrowed from a log when nothing of it is left."""
        if loan.empty() and loan.source.loans.pop(loan.log, None) is not None:
            self._unchain(loan)

    def _unchain(self, loan: Loan) -> None:
        """The loan is not among those of its log any more, if it was."""
        one = self.loans.get(loan.log)
        if one is loan:
            if loan.other is None:
                del self.loans[loan.log]
            else:
                self.loans[loan.log] = loan.other
            return
        while one is not None and one.other is not loan:
            one = one.other
        if one is not None:
            one.other = loan.other

    def loans_of(self, log: LogId) -> list[Loan]:
        """What was borrowed from the log, of every holder of it: nearly always one."""
        loans: list[Loan] = []
        loan = self.loans.get(log)
        while loan is not None:
            loans.append(loan)
            loan = loan.other
        return loans

    # consumers

    def join(self, consumer: Consumer) -> None:
        """A consumer with its room."""
        self.consumers[consumer.number] = consumer
        self._room(consumer, 0, 0)

    def resize(self, consumer: Consumer, messages: int, size_bytes: int) -> None:
        """The consumer may hold more, or less, from now on."""
        room_messages, room_bytes = consumer.room_messages(), consumer.room_bytes()
        consumer.messages, consumer.bytes = messages, size_bytes
        self._room(consumer, room_messages, room_bytes)

    def leave(self, consumer: Consumer) -> None:
        """R7: its hands go back at once."""
        self.resize(consumer, 0, 0)
        for hand in list(consumer.hands):
            self._drop(hand)
            if hand.live:
                hand.loan.source.to.req(hand.loan.log, hand.start, hand.stop, 0.0, "departed")
            self._unshare(hand.loan, hand.start, hand.stop)
        consumer.forget_late()
        del self.consumers[consumer.number]
        self.turn.timers.cancel(consumer)
        self.touch()

    def finish(self, consumer: Consumer, log: LogId, start: int, stop: int) -> None:
        """R6: finished by that consumer, as far as it has them, late or not."""
        loan = self.loans.get(log)
        if loan is not None:
            hand = loan.hands.whole(start, stop)
            if hand is not None and hand.consumer is consumer and loan.other is None:
                self._finish(hand)
                return
            for each in self.loans_of(log):
                for hand in self._hands(each, consumer, start, stop):
                    self._finish(hand)
        if consumer.late_extents:
            for hand in consumer.take_late(log, start, stop):
                self._finish_late(hand)

    def _finish(self, hand: Hand) -> None:
        loan = hand.loan
        alone = loan.other is None and self.loans.get(loan.log) is loan
        others = [] if alone else [one for one in self.loans_of(loan.log) if one is not loan]
        self._drop(hand)
        loan.source.finish(loan.log, hand.start, hand.stop)
        for other in others:
            self._overtake(other, hand.start, hand.stop)

    def _overtake(self, loan: Loan, start: int, stop: int) -> None:
        """Finished by somebody else, and its holder hears of it: who has the same by now can only finish it too."""
        loan.held -= loan.shared.discard(start, stop)
        for hand in loan.hands.isolate(start, stop):
            if hand.live:
                hand.live = False
                loan.dead += hand.stop - hand.start
                loan.held -= hand.stop - hand.start
        if self.buffered:
            self._unbuffer_span(loan, start, stop)
        loan.source.finish(loan.log, start, stop)

    def _finish_late(self, hand: Hand) -> None:
        """Finished after its time: others that have the same message by now can only finish it too."""
        loan, start, stop = hand.loan, hand.start, hand.stop
        self.turn.counters.late_finished += stop - start
        self._overtake(loan, start, stop)
        for other in self.loans_of(loan.log):
            if other is not loan:
                self._overtake(other, start, stop)

    def _unbuffer_span(self, loan: Loan, start: int, stop: int) -> None:
        """What of these waits in the buffer is dropped: its FIN closes the lease."""
        kept: deque[Parcel] = deque()
        for parcel in self.buffered:
            low, high = max(start, parcel.start), min(stop, parcel.stop)
            if parcel.loan is not loan or low >= high:
                kept.append(parcel)
                continue
            self._unbuffer(parcel)
            loan.held -= high - low
            for begin, end in ((parcel.start, low), (high, parcel.stop)):
                if begin < end:
                    part = parcel.part(begin, end)
                    kept.append(part)
                    self.buffered_messages += end - begin
                    self.buffered_bytes += part.size_bytes
        self.buffered = kept
        self.touch()

    def requeue(
        self, consumer: Consumer, log: LogId, start: int, stop: int, delay_s: float, reason: str, error: str
    ) -> None:
        """Handed over, not finished: REQ for what is live; a hand that is not only goes."""
        for hand in self._settle(consumer, log, start, stop):
            hand.loan.source.to.req(log, hand.start, hand.stop, delay_s, reason, error)

    def give_back(self, consumer: Consumer, log: LogId, start: int, stop: int) -> None:
        """Never taken by the application: RETURN for what is live."""
        for hand in self._settle(consumer, log, start, stop):
            hand.loan.source.to.give_back(log, hand.start, hand.stop)

    def touch_hands(self, consumer: Consumer, log: LogId, start: int, stop: int) -> None:
        """The message timeout starts again."""
        due = self.turn.now + consumer.timeout_s
        for loan in self.loans_of(log):
            for hand in self._hands(loan, consumer, start, stop):
                hand.due = due

    def expire(self, hand: Hand) -> None:
        """R7: the message timeout: capacity is free again, and what is live goes back."""
        loan, consumer = hand.loan, hand.consumer
        hand.expired = True
        consumer.take_late(loan.log, hand.start, hand.stop)
        consumer.keep_late(hand)
        self._drop(hand)
        if hand.live:
            hand.live = False
            loan.source.to.req(loan.log, hand.start, hand.stop, 0.0, "timeout")
        self._unshare(loan, hand.start, hand.stop)

    def _settle(self, consumer: Consumer, log: LogId, start: int, stop: int) -> list[Hand]:
        """Remove these hands of the consumer; returns those that were live."""
        live: list[Hand] = []
        for loan in self.loans_of(log):
            for hand in self._hands(loan, consumer, start, stop):
                self._drop(hand)
                self._unshare(loan, hand.start, hand.stop)
                if hand.live:
                    live.append(hand)
        if consumer.late_extents:
            consumer.take_late(log, start, stop)
        return live

    def _hands(self, loan: Loan, consumer: Consumer, start: int, stop: int) -> list[Hand]:
        """The consumer's unexpired hands in ``start`` to ``stop``, cut at its edges."""
        found = loan.hands.overlapping(start, stop)
        if len(found) == 1 and found[0].start >= start and found[0].stop <= stop:
            return found if found[0].consumer is consumer else []
        return [hand for hand in loan.hands.isolate(start, stop) if hand.consumer is consumer]

    def _drop(self, hand: Hand) -> None:
        """The hand is settled, or expired: its room is free."""
        loan, consumer = hand.loan, hand.consumer
        messages = hand.stop - hand.start
        loan.hands.remove(hand)
        del consumer.hands[hand]
        if hand.live:
            loan.held -= messages
        else:
            loan.dead -= messages
            self.tidy(loan)
        self._fill(consumer, -messages, -hand.size_bytes)

    # views

    def empty(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not (self.consumers or self.loans or any(not source.empty() for source in self.sources.values()))


def _clip(attempts: list[list[int]], start: int, stop: int) -> list[list[int]]:
    return [[max(low, start), min(high, stop), count] for low, high, count in attempts if low < stop and high > start]


def _granted(source: Source) -> int:
    return source.messages


def _not_recalling(source: Source) -> bool:
    return not source.recalling

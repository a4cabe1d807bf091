"""The receiving end of one channel: one ledger of its consumers' capacity, and what they have in hand (R6, R7).

Decides which consumer is handed what, and what becomes of it when it is finished, goes back or times out. Which
origin is granted how much is ``credit``'s, who else has lent the same ``loans``'. The own node's logs are one source
among the others.
"""

from __future__ import annotations

from collections import deque

from meshq.broker.consumer import Consumer, Hand
from meshq.broker.credit import Credit
from meshq.broker.effects import Hand as Handed
from meshq.broker.loans import Loans
from meshq.broker.source import Loan, Parcel, Source
from meshq.broker.turn import Turn
from meshq.errors import RemoteProtocolError
from meshq.machine.ranges import Ranges
from meshq.names import ChannelKey, LogId


class Receiver:
    """A channel's consumers at this node."""

    __slots__ = (
        "buffered", "buffered_bytes", "buffered_messages", "consumers", "credit", "granted_bytes",
        "granted_messages", "in_hand_messages", "key", "loans", "room_bytes", "room_messages", "sources", "turn",
        "vacant",
    )  # fmt: skip

    def __init__(self, turn: Turn, key: ChannelKey) -> None:
        self.turn = turn
        self.key = key
        self.sources: dict[str, Source] = {}
        self.loans = Loans()
        self.credit = Credit(self)
        self.consumers: dict[int, Consumer] = {}
        self.vacant: dict[Consumer, None] = {}
        """Consumers with room for a message, whose turn is next first."""
        self.buffered: deque[Parcel] = deque()
        self.buffered_messages = 0
        self.buffered_bytes = 0
        self.granted_messages = 0
        self.granted_bytes = 0
        self.room_messages = 0
        """What the consumers could take more than they have in hand."""
        self.room_bytes = 0
        self.in_hand_messages = 0

    def touch(self) -> None:
        """Something changed: the rules run at the end of the turn."""
        self.turn.receivers[self] = None

    # the end of the turn

    def run(self) -> None:
        """R5, R6, R2, R4: what is too much goes back, then hand over, grant, recall."""
        if self.granted_messages + self.buffered_messages > self.room_messages or (
            self.granted_bytes + self.buffered_bytes > self.room_bytes
        ):
            self.credit.shrink()
        if self.buffered and self.vacant:
            self._hand_over()
        queue = self.credit.queue
        if queue:
            self.credit.serve()
            if queue:
                self.credit.recall(len(queue))

    def send_back(self) -> None:
        """What came last goes back to its origin: nobody has room for it any more."""
        parcel = self.buffered.pop()
        loan = parcel.loan
        self._unbuffer(parcel)
        loan.held -= parcel.stop - parcel.start
        loan.source.to.give_back(loan.log, parcel.start, parcel.stop)
        self.loans.unshare(loan, parcel.start, parcel.stop)

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
        self.loans.unshare(parcel.loan, parcel.start, parcel.stop)

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
        self.credit.leave(source)
        dropped = [parcel for parcel in self.buffered if parcel.loan.source is source]
        if dropped:
            self.buffered = deque(parcel for parcel in self.buffered if parcel.loan.source is not source)
            for parcel in dropped:
                self._unbuffer(parcel)
                self.loans.unshare(parcel.loan, parcel.start, parcel.stop)
        for loan in list(source.loans.values()):
            for hand in loan.hands:
                hand.live = False
            loan.dead = loan.hands.messages
            loan.received = loan.held = 0
            loan.shared = Ranges()
            self.loans.tidy(loan)
        self.touch()

    def forget_source(self, source: Source) -> None:
        """The origin is forgotten, with all that came from it."""
        for loan in list(source.loans.values()):
            for hand in list(loan.hands):
                self._drop(hand)
                self.loans.unshare(loan, hand.start, hand.stop)
            self.loans.unchain(loan)
        source.loans.clear()
        self.sources.pop(source.name, None)
        self.turn.finishing.pop(source, None)

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
            self.loans.unshare(hand.loan, hand.start, hand.stop)
        consumer.forget_late()
        del self.consumers[consumer.number]
        self.turn.timers.cancel(consumer)
        self.touch()

    def finish(self, consumer: Consumer, log: LogId, start: int, stop: int) -> None:
        """R6: finished by that consumer, as far as it has them, late or not."""
        loan = self.loans.by_log.get(log)
        if loan is not None:
            hand = loan.hands.whole(start, stop)
            if hand is not None and hand.consumer is consumer and loan.other is None:
                self._finish(hand)
                return
            for each in self.loans.of(log):
                for hand in self._hands(each, consumer, start, stop):
                    self._finish(hand)
        if consumer.late_extents:
            for hand in consumer.take_late(log, start, stop):
                self._finish_late(hand)

    def _finish(self, hand: Hand) -> None:
        loan = hand.loan
        alone = loan.other is None and self.loans.by_log.get(loan.log) is loan
        others = [] if alone else [one for one in self.loans.of(loan.log) if one is not loan]
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
        for other in self.loans.of(loan.log):
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
        for loan in self.loans.of(log):
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
        self.loans.unshare(loan, hand.start, hand.stop)

    def _settle(self, consumer: Consumer, log: LogId, start: int, stop: int) -> list[Hand]:
        """Remove these hands of the consumer; returns those that were live."""
        live: list[Hand] = []
        for loan in self.loans.of(log):
            for hand in self._hands(loan, consumer, start, stop):
                self._drop(hand)
                self.loans.unshare(loan, hand.start, hand.stop)
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
            self.loans.tidy(loan)
        self._fill(consumer, -messages, -hand.size_bytes)

    # views

    def empty(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not (self.consumers or self.loans.by_log or any(not source.empty() for source in self.sources.values()))


def _clip(attempts: list[list[int]], start: int, stop: int) -> list[list[int]]:
    return [[max(low, start), min(high, stop), count] for low, high, count in attempts if low < stop and high > start]

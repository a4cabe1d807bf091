"""One origin as a receiver sees it, for one channel: its session, granted credit and what was borrowed.

Keeps the receiver's ledger in step with what the origin says (rules R1, R3, R8); what is granted to whom, and
who is handed what, is the ``receiver``'s. Finished spans outlive the session (``fins``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshq.broker.batch import Payload
from meshq.broker.borrower import Borrower
from meshq.broker.consumer import Hand
from meshq.broker.extents import Extents
from meshq.broker.fins import Fins
from meshq.broker.parties import ToOrigin
from meshq.errors import RemoteProtocolError
from meshq.machine.ranges import Ranges
from meshq.names import LogId

if TYPE_CHECKING:
    from meshq.broker.receiver import Receiver


class Loan:
    """What was borrowed from one log: counts of this session, and the unexpired hands whatever their session."""

    __slots__ = ("dead", "hands", "held", "late", "log", "other", "received", "shared", "source")

    def __init__(self, source: Source, log: LogId) -> None:
        self.source = source
        self.log = log
        self.received = 0
        """Messages that came in this session."""
        self.held = 0
        """Of these, how many are leases still: in the buffer or in a live hand."""
        self.hands: Extents[Hand] = Extents()
        self.dead = 0
        """Messages in hands that are not live."""
        self.late = 0
        """Messages in expired hands that may still finish."""
        self.other: Loan | None = None
        """The log was handed over, and another node lent from it as well: what was borrowed there."""
        self.shared = Ranges()
        """Leases of messages that are here already, from another node that lent from the log: not handed over twice."""

    def empty(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not (self.received or self.hands.messages or self.late)


class Parcel:
    """Messages received and not handed over."""

    __slots__ = ("accepted_ns", "attempts", "loan", "payload", "size_bytes", "start", "stop")

    def __init__(
        self,
        loan: Loan,
        payload: Payload,
        start: int,
        stop: int,
        size_bytes: int,
        accepted_ns: int,
        attempts: list[list[int]],
    ) -> None:
        self.loan = loan
        self.payload = payload
        self.start = start
        self.stop = stop
        self.size_bytes = size_bytes
        self.accepted_ns = accepted_ns
        self.attempts = attempts

    def part(self, start: int, stop: int) -> Parcel:
        """A part of it. Of a broken body, which nobody can take apart, it has its share of the bytes."""
        try:
            size_bytes = self.payload.size(start, stop)
        except RemoteProtocolError:
            size_bytes = self.size_bytes * (stop - start) // (self.stop - self.start)
        return Parcel(self.loan, self.payload, start, stop, size_bytes, self.accepted_ns, self.attempts)


class Source:
    """An origin at another node."""

    __slots__ = (
        "audited", "bytes", "fins", "least", "loans", "messages", "name", "queued", "recalling", "receiver", "session",
        "to",
    )  # fmt: skip

    to: ToOrigin

    def __init__(self, receiver: Receiver, name: str, to: ToOrigin | None) -> None:
        self.receiver = receiver
        self.name = name
        if to is not None:
            self.to = to
        self.session = False
        self.messages = 0
        """Granted and not used, given back or recalled."""
        self.bytes = 0
        self.recalling = False
        self.queued = False
        """In the receiver's queue of those that said READY."""
        self.least = 0
        self.loans: dict[LogId, Loan] = {}
        self.fins = Fins(receiver.turn)
        self.audited: list[tuple[LogId, int, int]] = []
        """What the last audit said."""

    # what the origin says

    def ready(self, least: int, back_messages: int, back_bytes: int) -> None:
        """R1: credit comes back, and the origin waits its turn."""
        if back_messages > self.messages or back_bytes > self.bytes:
            self.accuse(f"gave back {back_messages} messages of {self.messages} granted")
            return
        self._use(back_messages, back_bytes)
        self.least = least
        self.receiver.credit.enqueue(self)

    def deliver(
        self, log: LogId, payload: Payload, start: int, stop: int, accepted_ns: int, attempts: list[list[int]]
    ) -> None:
        """R3: credit is used; what is finished already is dropped, what is still in hand adopted, the rest buffered."""
        messages, size_bytes = stop - start, payload.size(start, stop)
        if messages > self.messages or size_bytes > self.bytes:
            self.accuse(f"lent {messages} messages of {size_bytes} bytes on credit for {self.messages} of {self.bytes}")
            return
        loan = self.receiver.loans.open(self, log)
        self._use(messages, size_bytes)
        if self.messages == 0:
            self._use(0, self.bytes)  # O3: what is left of the grant lapses
        loan.received += messages
        parcel = Parcel(loan, payload, start, stop, size_bytes, accepted_ns, attempts)
        if not self.fins and not loan.dead and loan.other is None and self.receiver.loans.by_log[log] is loan:
            loan.held += messages
            self.receiver.buffer(parcel)
            return
        for low, high in self.fins.missing(log, start, stop):
            for span in self._adopt(loan, low, high):
                loan.held += span[1] - span[0]
                for begin, end in self.receiver.loans.share(loan, *span, self.receiver.buffered):
                    self.receiver.buffer(parcel if end - begin == messages else parcel.part(begin, end))

    def recalled(self, messages: int, size_bytes: int) -> None:
        """R8: so much comes back as the origin says."""
        if messages > self.messages or size_bytes > self.bytes:
            self.accuse(f"gave back {messages} messages of {self.messages} granted")
            return
        self._use(messages, size_bytes)
        self.recalling = False
        self.receiver.touch()

    def _use(self, messages: int, size_bytes: int) -> None:
        self.messages -= messages
        self.bytes -= size_bytes
        self.receiver.granted_messages -= messages
        self.receiver.granted_bytes -= size_bytes

    def _adopt(self, loan: Loan, start: int, stop: int) -> list[tuple[int, int]]:
        """A running hand of an ended session takes the lease; what no hand holds is returned."""
        if not loan.dead:
            return [(start, stop)]
        left: list[tuple[int, int]] = []
        for hand in loan.hands.isolate(start, stop):
            if start < hand.start:
                left.append((start, hand.start))
            start = hand.stop
            if not hand.live:
                hand.live = True
                loan.dead -= hand.stop - hand.start
                loan.held += hand.stop - hand.start
        if start < stop:
            left.append((start, stop))
        return left

    # what the receiver says

    def grant(self, messages: int, size_bytes: int) -> None:
        """R2: the answer to READY."""
        self.messages += messages
        self.bytes += size_bytes
        self.receiver.granted_messages += messages
        self.receiver.granted_bytes += size_bytes
        self.to.grant(messages, size_bytes)

    def recall(self) -> None:
        """R4, R5: ask for what is not used; it is free when the origin has answered how much that was."""
        self.recalling = True
        self.to.recall()

    def finish(self, log: LogId, start: int, stop: int) -> None:
        """R6: a consumer finished."""
        self.fins.add(log, start, stop)
        self.receiver.turn.finishing[self] = None
        if not self.session:
            self.receiver.turn.want(self.name)

    def flush(self) -> None:
        """Say what was finished in this turn."""
        for number, spans in self.fins.frames():
            self.to.fin(number, spans)
        self.fins.bound()

    def audit(self) -> list[tuple[LogId, int, int]]:
        """What to state with this heartbeat; empty when nothing is held and nothing changed."""
        counts = [(log, loan.received, loan.held) for log, loan in self.loans.items() if loan.received]
        if counts == self.audited and not any(held for _, _, held in counts):
            return []
        self.audited = counts
        return counts

    # sessions

    def begin(self) -> None:
        """A session began: unacknowledged FINs are the first frames in it."""
        self.session = True
        self.fins.begin()
        self.flush()

    def end(self) -> None:
        """The session ended: credit is free, what was not handed over is dropped, live hands die."""
        self.session = False
        self._use(self.messages, self.bytes)
        self.recalling = False
        self.audited = []
        self.fins.end()
        self.receiver.forget_session(self)

    def accuse(self, why: str) -> None:
        """The origin broke a rule."""
        self.receiver.turn.accuse(self.name, f"{self.receiver.key.topic}/{self.receiver.key.channel}: {why}")

    def holds(self) -> int:
        """Messages borrowed and not settled."""
        return sum(loan.held for loan in self.loans.values())

    def empty(self) -> bool:
        """Whether nothing would be lost by forgetting it: its session, its hands and its FINs are gone."""
        return not (self.session or self.loans or self.fins)


class OwnSource(Source):
    """This node's own logs: an origin like any other, whose session never ends and whose calls are direct."""

    __slots__ = ("_borrower",)

    def __init__(self, receiver: Receiver, name: str) -> None:
        super().__init__(receiver, name, None)
        self.session = True

    def meet(self, borrower: Borrower) -> None:
        """The other end: this receiver as the channel sees it."""
        self._borrower = borrower
        self.to = borrower

    def finish(self, log: LogId, start: int, stop: int) -> None:
        """Applied at once, so never unacknowledged."""
        self._borrower.finish(log, start, stop)

    def accuse(self, why: str) -> None:
        """The own node broke a rule: that is a fault of this program."""
        raise AssertionError(why)

"""One receiver as its origin sees it, for one channel: its session, credit and leases (rules O1 to O7).

Decides nothing about who is served first (``channel``) nor which messages come next (``cursor``).
Leases and credit live and die with the session; marks outlive it until it is known whether the process
that held the messages is still the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from meshq.broker.cursor import Cursor
from meshq.broker.dead import BROKEN
from meshq.broker.extents import Extent
from meshq.broker.lease import Lent
from meshq.broker.parties import ToReceiver
from meshq.errors import RemoteProtocolError
from meshq.names import Epoch, LogId
from meshq.wire.frames import Span

if TYPE_CHECKING:
    from meshq.broker.channel import Channel

ERRORS: Final = {"timeout": "not finished in time", "departed": "its consumer left"}
"""What is noted for a message that came back without an error of its own."""
COUNTING: Final = ("requeue", "timeout", "departed")
"""Reasons of a requeue that count an attempt; any other counts none."""


class Borrower:
    """A receiver of a channel's messages."""

    __slots__ = (
        "acknowledged", "bytes", "channel", "epoch", "fin_number", "interested", "lent", "marks", "marks_epoch",
        "messages", "name", "recalled", "said", "session", "to",
    )  # fmt: skip

    def __init__(self, channel: Channel, name: str, to: ToReceiver) -> None:
        self.channel = channel
        self.name = name
        self.to = to
        self.interested = False
        """Whether it has consumers, as far as this node has heard."""
        self.session = False
        self.epoch: Epoch | None = None
        self.messages = 0
        self.bytes = 0
        self.said = False
        """READY was said and not answered."""
        self.recalled = False
        """Unused credit is asked for and not given back yet."""
        self.lent: dict[LogId, Lent] = {}
        self.fin_number = 0
        self.acknowledged = 0
        self.marks: list[tuple[Cursor, int, int]] = []
        """What it held when its session ended."""
        self.marks_epoch: Epoch | None = None

    # sending rules

    def lend(self) -> bool:
        """O1: lend the first extent that waits, as far as credit carries it. False when nothing went."""
        channel = self.channel
        cursor = channel.lanes.first(channel.cursors.values())
        if cursor is None:
            return False
        try:
            taken = cursor.take(self.messages, self.bytes)
        except RemoteProtocolError as exc:
            cursor.give_up(str(exc))
            return True
        if taken is None:
            return False
        self._deliver(cursor, *taken)
        return True

    def ready(self) -> bool:
        """O2: something waits, the first of it does not fit and nothing was said: hand all credit back."""
        if self.said or not self.interested:
            return False
        cursor = self.channel.lanes.first(self.channel.cursors.values())
        if cursor is None:
            return False
        try:
            least = cursor.least()
        except RemoteProtocolError as exc:
            cursor.give_up(str(exc))
            return False
        back_messages, back_bytes = self.messages, self.bytes
        self.messages = self.bytes = 0
        self.said = True
        self.to.ready(least, back_messages, back_bytes)
        return True

    def _deliver(self, cursor: Cursor, extent: Extent, size_bytes: int) -> None:
        log = cursor.log.id
        lent = self.lent.get(log)
        if lent is None:
            lent = self.lent[log] = Lent(cursor)
        lent.lend(extent)
        self.channel.lanes.took(cursor, extent.stop - extent.start)
        batch, start, stop = extent.batch, extent.start, extent.stop
        self.messages -= stop - start
        # O3: one grant is open at a time; when its messages are used up its bytes lapse.
        self.bytes = self.bytes - size_bytes if self.messages else 0
        self.to.deliver(log, batch, start, stop, batch.accepted_ns, cursor.tried(start, stop))

    # what the receiver says

    def grant(self, messages: int, size_bytes: int) -> None:
        """O3: credit comes in."""
        self.messages += messages
        self.bytes += size_bytes
        self.said = False
        self.channel.touch()

    def recall(self) -> None:
        """O6: give back what is not used, zero too, once the send rules had their turn with it.

        A grant and the recall that another waiting origin causes are often read in one turn. Given back at once,
        the credit would go round among the origins as fast as links carry it, and messages would wait.
        """
        self.recalled = True
        self.channel.touch()

    def give_credit_back(self) -> None:
        """O6: the answer to a recall."""
        messages, size_bytes = self.messages, self.bytes
        self.messages = self.bytes = 0
        self.recalled = False
        self.to.recalled(messages, size_bytes)

    def fin(self, number: int, spans: list[Span]) -> None:
        """O4: finished, whatever the log's age and whoever holds them now."""
        self.fin_number = number
        for log, start, stop in spans:
            self.finish(log, start, stop)

    def finish(self, log: LogId, start: int, stop: int) -> None:
        """One span of a FIN. Closes leases of this session only: another holder's stay counted."""
        cursor = self.channel.cursors.get(log)
        if cursor is None or start < cursor.log.first:
            self.channel.turn.giver.finished(self.channel.key, log, start, stop)
            return
        lent = self.lent.get(log)
        left = stop - start
        if lent is not None:
            whole = lent.leases.whole(start, stop)
            if whole is not None:
                lent.leases.remove(whole)
            for lease in (whole,) if whole is not None else lent.leases.take(start, stop):
                if cursor.finish_lease(lease):
                    self.channel.counters.finished += lease.stop - lease.start
                    left -= lease.stop - lease.start
        if left:
            self.channel.counters.finished += cursor.finish(start, stop)

    def req(self, log: LogId, start: int, stop: int, delay_s: float, reason: str, error: str = "") -> None:
        """O5: not finished. Without a lease in this session it means nothing."""
        error = error or ERRORS.get(reason, "")
        broken = reason == BROKEN
        messages = self._close(log, start, stop, counts=reason in COUNTING, delay_s=delay_s, error=error, broken=broken)
        if not broken:
            self.channel.count_requeued(reason, messages)

    def give_back(self, log: LogId, start: int, stop: int) -> None:
        """O5: never handed over; counts nothing."""
        self.channel.count_returned(self._close(log, start, stop, counts=False))

    def audit(self, counts: list[tuple[LogId, int, int]]) -> str:
        """O7: compare with what the receiver says it received and holds; what differs, or nothing."""
        spoken: dict[LogId, None] = {}
        moved, topic = self.channel.turn.moved, self.channel.key.topic
        for log, received, held in counts:
            spoken[log] = None
            if (topic, log) in moved:
                continue  # the leases ended when the log went
            lent = self.lent.get(log)
            if lent is not None:
                why = lent.audit(received, held)
            elif log in self.channel.cursors and (received or held):
                why = f"{held} held of {received} received, none lent"
            else:
                why = ""
            if why:
                return why
        for log, lent in self.lent.items():
            if lent.audited and log not in spoken and (topic, log) not in moved:
                return f"nothing said of a log of which {lent.audited} were received"
        return ""

    def _close(
        self,
        log: LogId,
        start: int,
        stop: int,
        *,
        counts: bool,
        delay_s: float = 0.0,
        error: str = "",
        broken: bool = False,
    ) -> int:
        """Close leases of this session; what of them is not finished goes back. How many messages did."""
        lent = self.lent.get(log)
        if lent is None:
            return 0
        messages = 0
        for lease in lent.leases.take(start, stop):
            messages += lent.cursor.put_back(lease, counts=counts, delay_s=delay_s, error=error, broken=broken)
        self.channel.touch()
        return messages

    # sessions

    def begin(self, epoch: Epoch) -> None:
        """A session began: only now it is known whether the process that held messages still lives."""
        self.session = True
        self.epoch = epoch
        if self.marks_epoch is not None and self.marks_epoch != epoch:
            self.count_dead()
        self.marks = []
        self.marks_epoch = None
        self.fin_number = self.acknowledged = 0
        self.channel.touch()

    def end(self) -> int:
        """The session ended: unfinished leases wait again, in order, marked; credit is gone. How many."""
        self.session = False
        self.messages = self.bytes = 0
        self.said = self.recalled = False
        lent, self.lent = self.lent, {}
        messages = 0
        for one in lent.values():
            for lease in one.leases.clear():
                for start, stop in one.cursor.finished.missing(lease.start, lease.stop):
                    self.marks.append((one.cursor, start, stop))
                messages += one.cursor.put_back(lease, counts=False)
        if self.marks:
            self.marks_epoch = self.epoch
        self.channel.count_lost(messages)
        self.channel.touch()
        return messages

    def count_dead(self) -> None:
        """The process that held the marked messages ended: an attempt each, of those that are still this node's."""
        marks, self.marks = self.marks, []
        self.marks_epoch = None
        for cursor, start, stop in marks:
            if self.channel.cursors.get(cursor.log.id) is not cursor:
                continue  # its log was handed over
            self.channel.turn.counters.died += cursor.count_dead(start, stop)

    # views

    def leased(self) -> int:
        """Messages lent and not settled."""
        return sum(lent.leases.messages for lent in self.lent.values())

    def empty(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return not (self.interested or self.session or self.marks or self.said or self.messages or self.lent)

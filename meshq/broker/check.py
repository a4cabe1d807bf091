"""What must hold in a broker at any moment, as assertions: for tests and the simulator's checkers."""

from __future__ import annotations

from itertools import chain
from typing import Any

from meshq.broker.borrower import Borrower
from meshq.broker.channel import Channel
from meshq.broker.cursor import Cursor
from meshq.broker.receiver import Receiver
from meshq.broker.registry import Registry
from meshq.broker.turn import Turn
from meshq.machine.ranges import Ranges


def check(turn: Turn, registry: Registry) -> None:
    """Assert it of what changed since the last time; the first time of everything."""
    touched: dict[Any, None] = dict.fromkeys((*registry.channels.values(), *registry.receivers.values()))
    if turn.unchecked is not None:
        touched = turn.unchecked
    turn.unchecked = {}
    for one in touched:
        if isinstance(one, Channel):
            _check_channel(one)
        else:
            _check_receiver(one)


def _check_channel(channel: Channel) -> None:
    """I3: each message is in exactly one place. I5: who said READY has no credit."""
    borrowers = [*channel.borrowers.values(), *([channel.own] if channel.own is not None else [])]
    for cursor in channel.cursors.values():
        _check_cursor(cursor, borrowers)
    for borrower in borrowers:
        where = f"{channel.key} to {borrower.name}"
        assert borrower.messages >= 0 <= borrower.bytes, (
            f"{where}: credit {borrower.messages} of {borrower.bytes} bytes"
        )
        assert not (borrower.said and (borrower.messages or borrower.bytes)), f"{where}: said READY with credit (I5)"
        assert borrower.session or not (borrower.lent or borrower.messages or borrower.said), f"{where}: no session"


def _check_cursor(cursor: Cursor, borrowers: list[Borrower]) -> None:
    """Every number from ``born`` on is finished, ahead, returned, deferred or leased, and only one of them."""
    log = cursor.log
    where = f"{cursor.channel.key} in {log.id}"
    places = Ranges(cursor.finished)
    spans = [(extent.start, extent.stop) for extent in cursor.returned]
    spans += [(extent.start, extent.stop) for _, _, extent in cursor.deferred]
    for extent in cursor.channel.keyed.waiting(cursor):
        spans += cursor.finished.missing(extent.start, extent.stop)
    spans += [span for dying in cursor.dying for span in cursor.finished.missing(dying.start, dying.stop)]
    for start, stop in cursor.finished.missing(cursor.at, log.next):
        spans += log.sleeping.missing(start, stop)
    for start, stop in log.sleeping.within(cursor.born, log.next):
        spans += cursor.finished.missing(start, stop)
    for borrower in borrowers:
        lent = borrower.lent.get(log.id)
        # A lease outlives the finishing of its messages by somebody else, so only the rest counts.
        for lease in lent.leases if lent is not None else ():
            spans += cursor.finished.missing(lease.start, lease.stop)
    for start, stop in spans:
        assert places.add(start, stop) == stop - start, f"{where}: {start} to {stop} is in two places (I3)"
    assert places.covers(cursor.born, log.next), f"{where}: nowhere: {places.missing(cursor.born, log.next)} (I3)"
    assert cursor.deferred_messages == sum(extent.stop - extent.start for _, _, extent in cursor.deferred)
    assert cursor.returned.messages == sum(extent.stop - extent.start for extent in cursor.returned)


def _check_receiver(receiver: Receiver) -> None:
    """The ledger's sums hold, and nothing is in a hand without its consumer knowing."""
    sources, consumers = receiver.sources.values(), receiver.consumers.values()
    sums = (
        (receiver.granted_messages, sum(source.messages for source in sources), "granted messages"),
        (receiver.granted_bytes, sum(source.bytes for source in sources), "granted bytes"),
        (receiver.buffered_messages, sum(one.stop - one.start for one in receiver.buffered), "buffered messages"),
        (receiver.buffered_bytes, sum(one.size_bytes for one in receiver.buffered), "buffered bytes"),
        (receiver.room_messages, sum(one.room_messages() for one in consumers), "room messages"),
        (receiver.room_bytes, sum(one.room_bytes() for one in consumers), "room bytes"),
        (receiver.in_hand_messages, sum(one.in_hand_messages for one in consumers), "in hand"),
    )
    for kept, counted, what in sums:
        assert kept == counted >= 0, f"{receiver.key}: {what} kept {kept}, counted {counted}"
    loans = [loan for log in receiver.loans.by_log for loan in receiver.loans.of(log)]
    hands = list(chain.from_iterable(loan.hands for loan in loans))
    for consumer in consumers:
        assert consumer.in_hand_messages == sum(hand.stop - hand.start for hand in consumer.hands)
        assert consumer.in_hand_bytes == sum(hand.size_bytes for hand in consumer.hands)
    assert sum(len(consumer.hands) for consumer in consumers) == len(hands), f"{receiver.key}: a hand without consumer"
    for loan in loans:
        live = sum(hand.stop - hand.start for hand in loan.hands if hand.live)
        buffered = sum(one.stop - one.start for one in receiver.buffered if one.loan is loan)
        shared = loan.shared.count()
        assert loan.held == live + buffered + shared, (
            f"{receiver.key}: {loan.held} held, {live} in hand, {buffered} buffered, {shared} shared"
        )
        assert loan.dead == loan.hands.messages - live, f"{receiver.key}: {loan.dead} dead of {loan.hands.messages}"
    assert [source.queued for source in receiver.credit.queue] == [True] * len(receiver.credit.queue)
    assert sum(source.queued for source in sources) == len(receiver.credit.queue)

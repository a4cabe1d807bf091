"""Wrong rules of leases: what is lent, finished, requeued, timed out, adopted, counted as an attempt."""

from __future__ import annotations

from heapq import heappop
from typing import Any

from meshq.broker.borrower import Borrower
from meshq.broker.broker import Broker
from meshq.broker.cursor import Cursor
from meshq.broker.exchange import Exchange
from meshq.broker.extents import Extents
from meshq.broker.fins import Fins
from meshq.broker.receiver import Receiver
from meshq.broker.source import Source
from meshq.engine.doors import Doors
from meshq.machine.ranges import Ranges
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Borrower, "finish", "overtime", "flapping-link")
def a_fin_closes_leases_of_every_session(right: Code, strike: Strike) -> Code:
    """A FIN closes whoever's lease of the message, not only that of the session it came over (pitfall 9)."""

    def finish(borrower: Borrower, log: Any, start: int, stop: int) -> None:
        right(borrower, log, start, stop)
        for other in borrower.channel.borrowers.values():
            if log in other.lent and other.lent[log].leases.take(start, stop):
                strike()

    return finish


@bug(Receiver, "_finish_late", "overtime", "slow")
def a_late_finish_closes_one_hand(right: Code, strike: Strike) -> Code:
    """A finish after the timeout closes the hand that finished only, not the one that has the message by now
    (pitfall 10)."""

    def finish_late(receiver: Receiver, hand: Any) -> None:
        if hand.loan.hands.overlapping(hand.start, hand.stop):
            strike()
        hand.loan.source.finish(hand.loan.log, hand.start, hand.stop)

    return finish_late


@bug(Fins, "missing", "overtime", "flapping-link")
def a_deliver_that_crosses_a_late_fin_is_kept(right: Code, strike: Strike) -> Code:
    """A message lent again while the FIN of it is on its way goes to a consumer once more (pitfall 11)."""

    def missing(fins: Fins, log: Any, start: int, stop: int) -> Any:
        if right(fins, log, start, stop) != [(start, stop)]:
            strike()
        return [(start, stop)]

    return missing


@bug(Fins, "begin", "overtime", "flapping-link")
def fins_are_not_repeated_in_a_new_session(right: Code, strike: Strike) -> Code:
    """FINs that an ended session did not acknowledge are forgotten: the origin delivers again what was finished."""

    def begin(fins: Fins) -> None:
        if fins:
            strike()
        fins.logs.clear()
        right(fins)

    return begin


@bug(Borrower, "end", "flapping-link", "churn")
def a_lost_link_counts_an_attempt(right: Code, strike: Strike) -> Code:
    """Every lease that ends with its session counts an attempt, though nobody may have seen it (pitfall 13)."""

    def end(borrower: Borrower) -> Any:
        leases = [(one.cursor, lease.start, lease.stop) for one in borrower.lent.values() for lease in one.leases]
        lost = right(borrower)
        for cursor, start, stop in leases:
            for low, high in cursor.finished.missing(start, stop):
                strike()
                cursor.attempts.add(low, high)
        return lost

    return end


@bug(Borrower, "begin", "crash-storm", "power-storm")
def a_dead_process_counts_no_attempt(right: Code, strike: Strike) -> Code:
    """A message that was with a process when it died is delivered again as if never tried."""

    def begin(borrower: Borrower, epoch: Any) -> None:
        if borrower.marks and borrower.marks_epoch != epoch:
            strike()
        borrower.marks, borrower.marks_epoch = [], None
        right(borrower, epoch)

    return begin


@bug(Source, "_adopt", "flapping-link", "mixed")
def a_new_session_hands_running_messages_over_again(right: Code, strike: Strike) -> Code:
    """No adoption: a message that a consumer still works on is handed over again when a new session lends it
    (pitfall 14)."""

    def adopt(source: Source, loan: Any, start: int, stop: int) -> Any:
        if loan.dead:
            strike()
        return [(start, stop)]

    return adopt


@bug(Borrower, "end", "crash-storm", "flapping-link")
def leases_are_forgotten_with_their_session(right: Code, strike: Strike) -> Code:
    """What was lent over a link that breaks is not put back: it waits for a FIN that may never come."""

    def end(borrower: Borrower) -> Any:
        if borrower.leased():
            strike()
        borrower.lent = {}
        return right(borrower)

    return end


@bug(Receiver, "leave", "churn")
def a_departed_consumers_messages_wait_for_their_timeout(right: Code, strike: Strike) -> Code:
    """Who leaves keeps what it holds until it times out, instead of giving it back at once."""

    def leave(receiver: Receiver, consumer: Any) -> None:
        if not consumer.hands:
            right(receiver, consumer)
            return
        strike()
        receiver.resize(consumer, 0, 0)

    return leave


@bug(Receiver, "expire", "slow", "partition", "full")
def the_timeout_requeues_and_keeps_the_hand(right: Code, strike: Strike) -> Code:
    """A message that timed out goes back to its origin, and its hand stays live at the holder."""

    def expire(receiver: Receiver, hand: Any) -> None:
        if hand.live:
            strike()
            hand.due = receiver.turn.now + hand.consumer.timeout_s
            hand.loan.source.to.req(hand.loan.log, hand.start, hand.stop, 0.0, "timeout")
        else:
            right(receiver, hand)

    return expire


@bug(Receiver, "touch_hands", "busy", "lossy")
def a_touch_does_nothing(right: Code, strike: Strike) -> Code:
    """TOUCH is read and forgotten: whoever works for longer than the timeout loses its messages."""

    def touch_hands(receiver: Receiver, *_: Any) -> None:
        strike()

    return touch_hands


@bug(Cursor, "put_back", "busy", "churn")
def a_requeue_forgets_its_delay(right: Code, strike: Strike) -> Code:
    """A message requeued for later is delivered again at once."""

    def put_back(cursor: Cursor, extent: Any, *, counts: bool, delay_s: float = 0.0, **more: Any) -> Any:
        if delay_s > 0:
            strike()
        return right(cursor, extent, counts=counts, **more)

    return put_back


@bug(Cursor, "rang", "wrong-clocks", "rolling-restart")
def of_deferred_messages_one_is_lost(right: Code, strike: Strike) -> Code:
    """What is due is dropped when more is deferred behind it."""

    def rang(cursor: Cursor) -> None:
        now = cursor.log.turn.now
        if len(cursor.deferred) > 1 and cursor.deferred[0][0] <= now:
            strike()
            _, _, extent = heappop(cursor.deferred)
            cursor.deferred_messages -= extent.stop - extent.start
        right(cursor)

    return rang


@bug(Cursor, "put_back", "overtime", "churn")
def what_was_finished_meanwhile_comes_back_too(right: Code, strike: Strike) -> Code:
    """A lease that is closed puts all of it back, also what somebody else has finished."""

    def put_back(cursor: Cursor, extent: Any, **how: Any) -> Any:
        finished, cursor.finished = cursor.finished, Ranges()
        if finished.missing(extent.start, extent.stop) != [(extent.start, extent.stop)]:
            strike()
        try:
            return right(cursor, extent, **how)
        finally:
            cursor.finished = finished

    return put_back


@bug(Extents, "take", "calm", "churn")
def settling_a_part_settles_the_whole_extent(right: Code, strike: Strike) -> Code:
    """A FIN or REQ of some messages of an extent takes the whole extent out."""

    def take(extents: Extents[Any], start: int, stop: int) -> list[Any]:
        taken = extents.overlapping(start, stop)
        for item in taken:
            if item.start < start or item.stop > stop:
                strike()
            extents.remove(item)
        return taken

    return take


@bug(Borrower, "audit", "forgetful-holder")
def audits_are_ignored(right: Code, strike: Strike) -> Code:
    """The origin reads audits and does not act on a difference."""

    def audit(borrower: Borrower, counts: Any) -> str:
        if right(borrower, counts):
            strike()
        return ""

    return audit


@bug(Borrower, "audit", "lossy", "calm")
def audits_compare_plain_counts(right: Code, strike: Strike) -> Code:
    """The origin compares what the holder holds with all it has lent, what is still on its way included (pitfall 8)."""

    def audit(borrower: Borrower, counts: Any) -> str:
        why = right(borrower, counts)
        for log, _, held in counts:
            lent = borrower.lent.get(log)
            if lent is not None and lent.leases.messages != held:
                strike()
                return f"{held} held of {lent.leases.messages} lent"
        return str(why)

    return audit


@bug(Exchange, "frame", "crash-storm", "flapping-link")
def a_requeue_is_read_as_a_finish(right: Code, strike: Strike) -> Code:
    """A message requeued because its consumer left counts as finished."""

    def frame(exchange: Exchange, peer: str, frame: Any) -> None:
        found = exchange._registry.peers.get(peer)
        if found is not None and getattr(frame, "reason", "") == "departed":
            borrower = found.borrowers.get(frame.flow)
            if borrower is not None:
                strike()
                borrower.finish(frame.log, frame.start, frame.stop)
                return
        right(exchange, peer, frame)

    return frame


@bug(Broker, "peer_died", "crash-storm", "partition")
def a_death_finishes_what_the_dead_held(right: Code, strike: Strike) -> Code:
    """When a node is declared dead, what its session held counts as done with."""

    def peer_died(broker: Broker, now: float, peer: str, epoch: Any) -> None:
        found = broker._registry.peers.get(peer)
        for borrower in list(found.borrowers.values()) if found is not None else ():
            for cursor, start, stop in borrower.marks:
                strike()
                cursor.finish(start, stop)
        right(broker, now, peer, epoch)

    return peer_died


@bug(Doors, "closed", "churn", "crash-storm")
def a_clients_end_leaves_its_subscriptions(right: Code, strike: Strike) -> Code:
    """When a client's connection ends its consumers stay, and messages go on being handed to them."""

    def closed(doors: Doors, now: float, stream: Any, reason: str) -> None:
        door = doors._doors.pop(stream.number, None)
        if door is not None and door.subscriptions:
            strike()

    return closed

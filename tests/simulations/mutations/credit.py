"""Wrong rules of credit: who may lend how much, and when it comes back."""

from __future__ import annotations

from typing import Any

from meshq.broker.borrower import Borrower
from meshq.broker.channel import Channel
from meshq.broker.consumer import Consumer
from meshq.broker.credit import Credit
from meshq.broker.exchange import Exchange
from meshq.broker.source import Source
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Borrower, "end", "flapping-link", "crash-storm")
def credit_is_kept_across_sessions(right: Code, strike: Strike) -> Code:
    """Credit outlives the session at the origin; the receiver has freed it."""

    def end(borrower: Borrower) -> Any:
        credit = borrower.messages, borrower.bytes
        lost = right(borrower)
        if credit[0]:
            strike()
        borrower.messages, borrower.bytes = credit
        return lost

    return end


@bug(Source, "end", "flapping-link", "crash-storm")
def granted_credit_is_not_freed_with_its_session(right: Code, strike: Strike) -> Code:
    """The receiver goes on counting what it granted in a session that is over: that room is lost for good."""

    def end(source: Source) -> None:
        messages, size_bytes, receiver = source.messages, source.bytes, source.receiver
        right(source)
        if messages:
            strike()
        source.messages, source.bytes = messages, size_bytes
        receiver.granted_messages += messages
        receiver.granted_bytes += size_bytes

    return end


@bug(Source, "recall", "one-credit", "full")
def recalled_credit_is_free_at_once(right: Code, strike: Strike) -> Code:
    """Credit counts as free when RECALL is sent, not when the origin has answered (pitfall 1)."""

    def recall(source: Source) -> None:
        strike()
        source._use(source.messages, source.bytes)
        right(source)

    return recall


@bug(Credit, "recall", "one-credit")
def unused_credit_is_never_recalled(right: Code, strike: Strike) -> Code:
    """No RECALL for origins that wait while others keep what they do not use (pitfall 2)."""

    def recall(credit: Credit, wanted: int) -> None:
        if any(source.messages for source in credit.receiver.sources.values()):
            strike()

    return recall


@bug(Borrower, "recall", "full", "one-credit")
def a_recall_takes_a_grant_before_it_is_used(right: Code, strike: Strike) -> Code:
    """A RECALL is answered while it is read, before the send rules: what was granted in the same turn goes back
    unused, round and round. (This was meshq's own; the scenario `full` found it.)"""

    def recall(borrower: Borrower) -> None:
        if borrower.messages and borrower.channel.waits():
            strike()
        borrower.give_credit_back()
        borrower.channel.touch()

    return recall


@bug(Credit, "serve", "busy", "one-credit")
def credit_is_granted_in_lumps(right: Code, strike: Strike) -> Code:
    """Room is granted only once half of the capacity is free, however long that takes (pitfall 3)."""

    def serve(credit: Credit) -> None:
        receiver = credit.receiver
        free = receiver.room_messages - receiver.granted_messages - receiver.buffered_messages
        if credit.queue and 0 < free * 2 <= receiver.room_messages + receiver.in_hand_messages:
            strike()
            return
        right(credit)

    return serve


@bug(Credit, "serve", "calm", "churn")
def room_that_is_granted_counts_as_free(right: Code, strike: Strike) -> Code:
    """A grant looks at what consumers have in hand only, not at what other origins were granted already."""

    def serve(credit: Credit) -> None:
        receiver = credit.receiver
        granted = receiver.granted_messages, receiver.granted_bytes
        if credit.queue and granted[0]:
            strike()
        receiver.granted_messages = receiver.granted_bytes = 0
        right(credit)
        receiver.granted_messages += granted[0]
        receiver.granted_bytes += granted[1]

    return serve


@bug(Borrower, "_deliver", "churn", "full")
def bytes_of_a_used_grant_do_not_lapse(right: Code, strike: Strike) -> Code:
    """What is left of a grant's bytes when its messages are used up stays with the origin (pitfall 7)."""

    def deliver(borrower: Borrower, cursor: Any, extent: Any, size_bytes: int) -> None:
        left = borrower.bytes - size_bytes
        right(borrower, cursor, extent, size_bytes)
        if not borrower.messages and left > 0:
            strike()
            borrower.bytes = left

    return deliver


@bug(Credit, "shrink", "busy", "churn")
def a_smaller_capacity_recalls_nothing(right: Code, strike: Strike) -> Code:
    """When a consumer lowers its capacity, what was granted for the larger one stays out."""

    def shrink(credit: Credit) -> None:
        if credit.exceeds():
            strike()

    return shrink


@bug(Consumer, "room_messages", "calm", "churn")
def a_consumer_may_hold_one_more(right: Code, strike: Strike) -> Code:
    """Off by one: a consumer's room is counted one too large."""

    def room_messages(consumer: Consumer) -> int:
        if consumer.messages:
            strike()
            return int(right(consumer)) + (consumer.in_hand_messages <= consumer.messages)
        return int(right(consumer))

    return room_messages


@bug(Borrower, "ready", "one-credit", "calm")
def ready_hands_no_credit_back(right: Code, strike: Strike) -> Code:
    """READY keeps the credit that cannot carry the first message, and does not say so."""

    def ready(borrower: Borrower) -> Any:
        credit = borrower.messages, borrower.bytes
        said = right(borrower)
        if said and credit[0]:
            strike()
            borrower.messages, borrower.bytes = credit
        return said

    return ready


@bug(Exchange, "_grant", "split-catalog", "full")
def a_grant_for_an_unknown_channel_is_swallowed(right: Code, strike: Strike) -> Code:
    """Credit granted for a channel that the origin has let go is not given back."""

    def grant(exchange: Exchange, peer: Any, frame: Any) -> None:
        if frame.flow in peer.borrowers:
            right(exchange, peer, frame)
        else:
            strike()

    return grant


@bug(Channel, "run", "busy", "calm")
def an_origin_waits_for_its_own_consumers(right: Code, strike: Strike) -> Code:
    """An origin whose own node consumes as well lends to no other, however busy its own consumers are."""

    def run(channel: Channel) -> None:
        right(channel)
        if channel.own is not None and channel.own.interested:
            for peer in channel.peers.values():
                if peer.flagged.pop(channel, 0) is None:
                    strike()

    return run

"""Everything that can keep a message from being finished: the answer to "why is it not delivered?".

Decides, for one channel at one origin, what its messages wait for (``reasons``), and which of two reasons is worse.
What it means over all nodes, and what to do about it, is said by the engine.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from meshq.broker.channel import Channel
from meshq.broker.depth import ahead
from meshq.broker.receiver import Receiver


class Why(Enum):
    """What messages wait for. Worst first: what comes earlier hides what comes later; last what is over."""

    NO_TOPIC = "there is no such topic"
    NO_CHANNEL = "the topic has no such channel: its messages are kept for the first"
    PAUSED = "the channel or its topic is paused"
    NO_CONSUMER = "no node has a consumer on the channel"
    PEER_UNREACHABLE = "the nodes with consumers have no link to this one"
    NO_CREDIT = "every consumer holds as much as it may"
    WRITER_BUSY = "a consumer has room, but the link to it is full"
    LOADING = "in the store only, being read"
    STORE_TROUBLE = "a node's store does not work: it accepts nothing that is to be kept on disk"
    BUFFERED = "at the consuming node, waiting for a consumer with room"
    IN_FLIGHT = "with consumers, not finished yet"
    BACKING_OFF = "came back, and is not tried again yet"
    DEFERRED = "not due yet"
    HELD_BACK = "an earlier message of their key is not finished"
    UNCONFIRMED = "accepted, not confirmed yet"
    STARTING = "a node has no catalog yet: it accepts nothing"
    DRAINING = "a node is leaving: it accepts nothing"
    NODE_SILENT = "a node did not answer: what it holds can't be told"
    NODE_DEAD = "a node is held dead: what it accepted comes when it is back"
    NONE = "nothing waits"
    ENDED = "messages ended without a consumer: as dead letters, by their time to live, by a limit, or emptied"
    MISSED = "the channel was heard of late: messages before it are no longer there"


class Reason(NamedTuple):
    """Why so many messages of a channel wait at an origin. ``nodes``: whom it is about, with their share if known."""

    why: Why
    messages: int
    nodes: dict[str, int]
    due: float = 0.0
    """When the next of them is due; 0.0: not known, or not what they wait for."""
    attempts: int = 0
    """How often that one was tried."""
    error: str = ""
    """What was said of it the last time."""


def reasons(channel: Channel, receiver: Receiver | None, *, unconfirmed: bool) -> list[Reason]:
    """What the channel's messages wait for at this origin, worst first; empty when nothing waits."""
    found: list[Reason] = []
    in_flight, deferred, held_back = channel.in_flight(), channel.deferred(), _held_back(channel)
    if _could_go(channel):
        why, nodes = _waiting(channel, receiver)
        found.append(Reason(why, max(1, channel.depth() - held_back), nodes))
    if receiver is not None and receiver.buffered:
        found.append(Reason(Why.BUFFERED, receiver.buffered_messages, {}))
    if in_flight:
        found.append(Reason(Why.IN_FLIGHT, in_flight, _holders(channel)))
    if deferred:
        found.append(_deferred(channel, deferred))
    if held_back:
        found.append(Reason(Why.HELD_BACK, held_back, {}))
    if unconfirmed:
        found.append(Reason(Why.UNCONFIRMED, 0, {}))
    return found


def why(channel: Channel, receiver: Receiver | None, *, unconfirmed: bool) -> Why:
    """The worst of the reasons. What is handed out next is all that is asked for: most calls count nothing."""
    if _could_go(channel):
        return _waiting(channel, receiver)[0]
    found = reasons(channel, receiver, unconfirmed=unconfirmed)
    return found[0].why if found else Why.NONE


def _could_go(channel: Channel) -> bool:
    """Whether messages are there to be handed out now, in memory or in the store only."""
    return any(cursor.waits() or (cursor.hungry and not cursor.held) for cursor in channel.cursors.values())


def _held_back(channel: Channel) -> int:
    """Messages that wait behind others of their key."""
    waiting = (extent for cursor in channel.cursors.values() for extent in channel.keyed.waiting(cursor))
    beyond = sum(ahead(cursor) for cursor in channel.cursors.values() if cursor.held)
    return beyond + sum(extent.stop - extent.start for extent in waiting)


def _waiting(channel: Channel, receiver: Receiver | None) -> tuple[Why, dict[str, int]]:
    """Why what could be handed out is not, and which nodes that is about."""
    if channel.paused:
        return Why.PAUSED, {}
    interested = [borrower for borrower in channel.borrowers.values() if borrower.interested]
    linked = [borrower for borrower in interested if borrower.session]
    own = channel.own if receiver is not None and receiver.consumers else None
    if not interested and own is None:
        return Why.NO_CONSUMER, {}
    if not linked and own is None:
        return Why.PEER_UNREACHABLE, {borrower.name: 0 for borrower in interested}
    if not channel.waits():
        return Why.LOADING, {}
    busy = {one.name: one.messages for one in linked if one.messages or not one.said}
    if busy:
        return Why.WRITER_BUSY, busy
    return Why.NO_CREDIT, {one.name: one.leased() for one in (*([own] if own else []), *linked)}


def _deferred(channel: Channel, messages: int) -> Reason:
    """The next due tells of which kind they are; one that came back is backing off."""
    first = min((cursor.deferred[0] for cursor in channel.cursors.values() if cursor.deferred), default=None)
    if first is None:
        return Reason(Why.DEFERRED, messages, {})
    due, _, extent = first
    cursor = next(one for one in channel.cursors.values() if one.deferred and one.deferred[0] is first)
    tried = cursor.tried(extent.start, extent.stop)
    attempts = max((count for _, _, count in tried), default=0)
    error = cursor.failures.of(extent.start)[1]
    return Reason(Why.BACKING_OFF if attempts else Why.DEFERRED, messages, {}, due, attempts, error)


def _holders(channel: Channel) -> dict[str, int]:
    """Who holds how much of what is in flight."""
    borrowers = (*([channel.own] if channel.own is not None else []), *channel.borrowers.values())
    return {borrower.name: leased for borrower in borrowers if (leased := borrower.leased())}

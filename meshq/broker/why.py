"""Everything that can keep a message from being delivered: the answer to "why is nothing coming?"."""

from __future__ import annotations

from enum import Enum


class Why(Enum):
    """What the first undelivered message of a channel waits for, at this origin."""

    NONE = "nothing waits"
    NO_TOPIC = "this node has no such topic"
    NO_CHANNEL = "the topic has no such channel: its messages are kept for the first"
    NO_CONSUMER = "no node has a consumer on the channel"
    NO_CREDIT = "every consumer holds as much as it may"
    PEER_UNREACHABLE = "the nodes with consumers have no link to this one"
    WRITER_BUSY = "a consumer has room, but the link to it is full"
    BUFFERED = "at the consuming node, waiting for a consumer with room"
    IN_FLIGHT = "with consumers, not finished yet"
    DEFERRED = "not due yet"
    UNCONFIRMED = "accepted, not confirmed yet"
    PAUSED = "somebody paused the channel, or its topic"

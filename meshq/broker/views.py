"""What the broker shows: per topic and channel, and why a channel's messages wait. Reads only."""

from __future__ import annotations

from typing import Any

from meshq.broker.channel import Channel
from meshq.broker.receiver import Receiver
from meshq.broker.topic import Topic
from meshq.broker.why import Why


def topic_map(topic: Topic, receivers: dict[str, Receiver], *, unconfirmed: bool) -> dict[str, Any]:
    """One topic as ``stats`` shows it; ``receivers`` are this node's, by channel."""
    logs = topic.logs.values()
    names = dict.fromkeys((*topic.channels, *receivers))
    return {
        "topic": topic.name,
        "generation": topic.generation,
        "messages": topic.messages,
        "stored": sum(log.away_messages + log.sleeping_messages for log in logs),
        "bytes": sum(len(batch.body) for log in logs for batch in log.batches.values() if batch.open),
        "depth": 0 if topic.channels else topic.messages,
        "published": topic.published,
        "paused": topic.settings.paused,
        "channels": [
            channel_map(name, topic.channels.get(name), receivers.get(name), unconfirmed=unconfirmed) for name in names
        ],
    }


def channel_map(name: str, channel: Channel | None, receiver: Receiver | None, *, unconfirmed: bool) -> dict[str, Any]:
    """One channel as ``stats`` shows it: as origin, and how many consumers are here."""
    consumers = len(receiver.consumers) if receiver is not None else 0
    in_hand = receiver.in_hand_messages if receiver is not None else 0
    if channel is None:
        return {"channel": name, "consumers": consumers, "in_hand": in_hand, "depth": 0, "why": Why.NO_TOPIC.name}
    in_flight, deferred = channel.in_flight(), channel.deferred()
    counters = channel.counters
    return {
        "channel": name,
        "generation": channel.key.generation,
        "depth": max(0, channel.unfinished() - in_flight - deferred),
        "in_flight": in_flight,
        "deferred": deferred,
        "finished": counters.finished,
        "dead": counters.dead,
        "expired": counters.expired,
        "requeued": counters.requeued,
        "timed_out": counters.timed_out,
        "departed": counters.departed,
        "cancelled": counters.cancelled,
        "returned": counters.returned,
        "sessions_lost": counters.sessions_lost,
        "redelivered": counters.redelivered(),
        "emptied": counters.emptied,
        "dropped_oldest": counters.dropped_oldest,
        "consumers": consumers,
        "in_hand": in_hand,
        "paused": channel.settings.paused,
        "why": why(channel, receiver, unconfirmed=unconfirmed).name,
    }


def why(channel: Channel, receiver: Receiver | None, *, unconfirmed: bool) -> Why:
    """What the channel's first undelivered message waits for."""
    if channel.paused and any(cursor.waits() for cursor in channel.cursors.values()):
        return Why.PAUSED
    if channel.waits():
        return _why_waiting(channel, receiver)
    if receiver is not None and receiver.buffered:
        return Why.BUFFERED
    if channel.in_flight():
        return Why.IN_FLIGHT
    if channel.deferred():
        return Why.DEFERRED
    return Why.UNCONFIRMED if unconfirmed else Why.NONE


def _why_waiting(channel: Channel, receiver: Receiver | None) -> Why:
    interested = [borrower for borrower in channel.borrowers.values() if borrower.interested]
    own = receiver is not None and bool(receiver.consumers)
    if not interested and not own:
        return Why.NO_CONSUMER
    if any(borrower.messages or not borrower.said for borrower in interested if borrower.session):
        return Why.WRITER_BUSY
    if own or any(borrower.session for borrower in interested):
        return Why.NO_CREDIT
    return Why.PEER_UNREACHABLE

"""What the broker shows: per topic and channel, and what ``why`` is answered from. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from meshq.broker.channel import Channel
from meshq.broker.receiver import Receiver
from meshq.broker.registry import Registry
from meshq.broker.topic import Topic
from meshq.broker.why import Why, reasons, why

ENDED: Final = ("dead", "expired", "dropped_oldest", "emptied")
"""The counters of messages that ended without a consumer that finished them."""


def stats(registry: Registry, after: str, only: str, *, unconfirmed: bool) -> Iterator[dict[str, Any]]:
    """Topics with their channels: by name, those behind ``after``; ``only`` that one, if it is named."""
    receivers: dict[str, dict[str, Receiver]] = {}
    for key, receiver in registry.receivers.items():
        receivers.setdefault(key.topic, {})[key.channel] = receiver
    topics = registry.topics
    names = sorted(name for name in topics if name > after and only in ("", name))
    return (topic_map(topics[name], receivers.get(name, {}), unconfirmed=unconfirmed) for name in names)


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
        "retained": topic.retention.messages(),
        "retained_bytes": topic.retention.bytes(),
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
        "depth": channel.depth(),
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


def explain(registry: Registry, topic: str, *, unconfirmed: bool) -> dict[str, Any]:
    """What ``why`` is answered from, of all channels of a topic at this node."""
    found = registry.topics.get(topic)
    channels = found.channels if found is not None else {}
    receivers = {key.channel: one for key, one in registry.receivers.items() if key.topic == topic}
    return {
        "backlog": found.messages if found is not None and not channels else 0,
        "channels": {
            name: explanation(channels.get(name), receivers.get(name), unconfirmed=unconfirmed)
            for name in dict.fromkeys((*channels, *receivers))
        },
    }


def explanation(channel: Channel | None, receiver: Receiver | None, *, unconfirmed: bool) -> dict[str, Any]:
    """What ``why`` is answered from, of one channel at this node: as origin, and as the node of its consumers."""
    told: dict[str, Any] = {"reasons": [], "finished": 0, "missed": 0, "ended": {}}
    if channel is not None:
        now = channel.turn.now
        counters = channel.counters
        told["finished"], told["missed"] = counters.finished, counters.missed
        told["ended"] = {name: count for name in ENDED if (count := getattr(counters, name))}
        told["reasons"] = [
            {
                "why": reason.why.name,
                "messages": reason.messages,
                "nodes": reason.nodes,
                "attempts": reason.attempts,
                "error": reason.error,
                "due_s": round(max(0.0, reason.due - now), 3) if reason.due else None,
            }
            for reason in reasons(channel, receiver, unconfirmed=unconfirmed)
        ]
    if receiver is not None and receiver.consumers:
        told["holding"] = _holding(receiver)
    return told


def _holding(receiver: Receiver) -> dict[str, Any]:
    """What this node's consumers of a channel have, and how long the one that has it longest."""
    now = receiver.turn.now
    consumers = list(receiver.consumers.values())
    hands = [(hand.due - one.timeout_s, one.timeout_s) for one in consumers for hand in one.hands]
    taken_at, timeout_s = min(hands, default=(now, 0.0))
    return {
        "consumers": len(consumers),
        "capacity": sum(one.messages for one in consumers),
        "in_hand": receiver.in_hand_messages,
        "buffered": receiver.buffered_messages,
        "longest_s": round(max(0.0, now - taken_at), 3),
        "timeout_s": timeout_s,
        "credit": {name: source.messages for name, source in receiver.sources.items() if source.messages},
    }

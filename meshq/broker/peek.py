"""Messages as they stand, looked at without taking any: which wait, which are deferred, which are in flight and where.

Decides the order in which they are shown (next first) and what is told of each. Reads only; of a batch no more is
decoded than is shown, and what lies in the store only is shown by its number, not loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from itertools import islice
from typing import Any, Final, NamedTuple

from meshq.broker.batch import Batch
from meshq.broker.channel import Channel
from meshq.broker.cursor import Cursor
from meshq.broker.log import Log
from meshq.broker.registry import Registry
from meshq.broker.topic import Topic
from meshq.broker.turn import Turn
from meshq.errors import RemoteProtocolError
from meshq.names import message_id
from meshq.wire import bodies

ENTRY_BYTES: Final = 600
"""What a message takes in an answer besides its body, headers and error, at most."""
HEADER_BYTES: Final = 8
ERROR_CHARACTERS: Final = 200
COUNTED_BATCHES: Final = 10_000
"""Deferred messages that lie further behind others than this count as queued."""
PREVIEW_BYTES: Final = 120
"""So much of a body is shown when not all of it is asked for."""

QUEUED: Final = "queued"
DEFERRED: Final = "deferred"
IN_FLIGHT: Final = "in_flight"


class Glance(NamedTuple):
    """How much to look at: so many messages of each state, and bytes together; ``whole``: bodies, not their begin."""

    messages: int
    size_bytes: int
    whole: bool


class Span(NamedTuple):
    """Messages ``start`` to ``stop`` of a log that stand alike. ``batch`` is None for what is in the store only."""

    log: Log
    start: int
    stop: int
    state: str
    batch: Batch | None = None
    at: str = ""
    """The node that holds them."""
    due: float = 0.0
    cursor: Cursor | None = None
    held_back: bool = False
    """An earlier message of their key is not finished."""


def peek(registry: Registry, topic: str, channel: str, glance: Glance) -> dict[str, Any]:
    """Messages of the channel that are not finished here; without ``channel``: those kept for the first."""
    found = registry.topics.get(topic)
    if found is None or (channel and channel not in found.channels):
        return {"counts": {}, "messages": [], "retained": 0}
    if channel:
        shown = _channel_messages(found.channels[channel], found, glance)
    else:
        shown = _backlog_messages(found, registry.turn, glance)
    return {**shown, "retained": found.retention.messages()}


def _channel_messages(channel: Channel, topic: Topic, glance: Glance) -> dict[str, Any]:
    """What of the channel is not finished at this origin."""
    in_flight = channel.in_flight()
    deferred = channel.deferred()
    queued = channel.depth()
    lists = [_in_flight(channel, glance.messages)]
    for each in (_queued, _deferred):
        spans = (span for cursor in _in_order(channel) for span in each(cursor, glance.messages))
        lists.append(list(islice(spans, glance.messages)))
    return {
        "counts": {QUEUED: queued, DEFERRED: deferred, IN_FLIGHT: in_flight},
        "messages": _shown(topic.name, channel.turn, lists, glance),
    }


def _backlog_messages(topic: Topic, turn: Turn, glance: Glance) -> dict[str, Any]:
    """What a topic without channels keeps for its first."""
    spans = (span for log in topic.logs.values() for span in _kept(log))
    here = (batch for log in topic.logs.values() for batch in islice(log.batches.values(), COUNTED_BATCHES))
    deferred = sum(log.sleeping_messages for log in topic.logs.values())
    deferred += sum(batch.count() for batch in here if batch.due > turn.now and batch.open)
    return {
        "counts": {QUEUED: topic.messages - deferred, DEFERRED: deferred, IN_FLIGHT: 0},
        "messages": _shown(topic.name, turn, [list(islice(spans, glance.messages))], glance),
    }


# which


def _in_order(channel: Channel) -> list[Cursor]:
    """Logs of earlier starts first."""
    return sorted(channel.cursors.values(), key=lambda cursor: (cursor.log.id.epoch_ms, cursor.log.id.lane))


def _in_flight(channel: Channel, most: int) -> list[Span]:
    """What was accepted first is shown first: it is what hangs."""
    borrowers = [*([channel.own] if channel.own is not None else []), *channel.borrowers.values()]
    spans = (
        Span(lent.cursor.log, lease.start, lease.stop, IN_FLIGHT, lease.batch, borrower.name, cursor=lent.cursor)
        for borrower in borrowers
        for lent in borrower.lent.values()
        for lease in lent.leases
    )
    return nsmallest(most, spans, key=lambda span: (span.batch.accepted_ns if span.batch else 0, span.start))


def _queued(cursor: Cursor, most: int) -> list[Span]:
    """What came back goes out first, then what is ahead, then what waits behind its key."""
    log = cursor.log
    back = [Span(log, one.start, one.stop, QUEUED, one.batch, cursor=cursor) for one in islice(cursor.returned, most)]
    ahead = [span for span in islice(_ahead(cursor), most) if span.state == QUEUED]
    held = [
        Span(log, one.start, one.stop, QUEUED, one.batch, cursor=cursor, held_back=True)
        for one in islice(cursor.channel.keyed.waiting(cursor), most)
    ]
    return [*back, *ahead, *held]


def _deferred(cursor: Cursor, most: int) -> list[Span]:
    """Due first, first; of those that sleep in the store it is not known here when they are."""
    log = cursor.log
    here = [
        Span(log, one.start, one.stop, DEFERRED, one.batch, due=due, cursor=cursor)
        for due, _, one in nsmallest(most, cursor.deferred)
    ]
    ahead = [span for span in islice(_ahead(cursor), most) if span.state == DEFERRED]
    sleeping = [
        Span(log, low, high, DEFERRED, cursor=cursor)
        for start, stop in log.sleeping.within(cursor.born, log.next)
        for low, high in cursor.finished.missing(start, stop)
    ]
    return [*here, *sorted(ahead, key=lambda span: span.due), *sleeping][:most]


def _ahead(cursor: Cursor) -> Iterator[Span]:
    """What the cursor has not come to, in memory or not, in the order of its numbers."""
    log, now = cursor.log, cursor.log.turn.now
    away = iter([*log.away.within(cursor.at, log.next), (log.next, log.next)])
    start, stop = next(away)
    batch = log.from_number(cursor.at)
    while batch is not None or start < stop:
        if batch is None or start < min(stop, batch.first):
            yield from _unfinished(cursor, Span(log, start, stop, QUEUED, cursor=cursor))
            start, stop = next(away)
            continue
        if batch.plain or _is_for(batch, cursor):
            due = batch.due if batch.due > now else 0.0
            state = DEFERRED if due else QUEUED
            span = Span(log, max(batch.first, cursor.at), batch.stop, state, batch, due=due, cursor=cursor)
            yield from _unfinished(cursor, span)
        batch = batch.following


def _is_for(batch: Batch, cursor: Cursor) -> bool:
    """Whether the channel will hand it out when it comes to it."""
    traits, channel = batch.traits, cursor.channel
    if traits.expires and traits.expires <= channel.turn.now:
        return False
    return not traits.channels or channel.key.channel in traits.channels


def _unfinished(cursor: Cursor, span: Span) -> Iterator[Span]:
    for start, stop in cursor.finished.missing(span.start, span.stop):
        yield span._replace(start=start, stop=stop)


def _kept(log: Log) -> Iterator[Span]:
    now = log.turn.now
    for batch in log.in_order():
        if batch.open:
            due = batch.due if batch.due > now else 0.0
            yield Span(log, batch.first, batch.stop, DEFERRED if due else QUEUED, batch, due=due)
    for start, stop in log.away:
        yield Span(log, start, stop, QUEUED)
    for start, stop in log.sleeping:
        yield Span(log, start, stop, DEFERRED)


# what of each


def _shown(topic: str, turn: Turn, lists: list[list[Span]], glance: Glance) -> list[dict[str, Any]]:
    """Of each list the first messages; each has its share of the bytes, and leaves the rest to the next."""
    shown: list[dict[str, Any]] = []
    left_bytes, lists = glance.size_bytes, [spans for spans in lists if spans]
    for at, spans in enumerate(lists):
        share_bytes = left_bytes // (len(lists) - at)
        numbers = ((span, number) for span in spans for number in range(span.start, span.stop))
        for span, number in islice(numbers, glance.messages):
            room_bytes = share_bytes - ENTRY_BYTES
            if room_bytes < 0:
                break
            entry, used_bytes = _entry(topic, turn, span, number, room_bytes, whole=glance.whole)
            share_bytes -= ENTRY_BYTES + used_bytes
            left_bytes -= ENTRY_BYTES + used_bytes
            shown.append(entry)
    return shown


def _entry(
    topic: str, turn: Turn, span: Span, number: int, room_bytes: int, *, whole: bool
) -> tuple[dict[str, Any], int]:
    """One message, and the bytes of its body and headers that are shown."""
    log, batch = span.log, span.batch
    tried = span.cursor.tried(number, number + 1) if span.cursor is not None else []
    entry: dict[str, Any] = {
        "id": message_id(topic, log.id, number),
        "origin": log.id.origin,
        "log": list(log.id),
        "number": number,
        "state": span.state,
        "attempts": (tried[0][2] if tried else 0) + (span.state == IN_FLIGHT),
        "at": span.at,
        "on_disk": batch is None,
    }
    if span.due:
        entry["due_ns"] = turn.wall_ns(span.due)
        entry["due_s"] = round(max(0.0, span.due - turn.now), 3)
    if span.held_back:
        entry["held_back"] = True
    error = span.cursor.failures.of(number)[1] if span.cursor is not None else ""
    if error:
        entry["last_error"] = error[:ERROR_CHARACTERS]
    if batch is None:
        return entry, 4 * len(error[:ERROR_CHARACTERS])
    _traits(entry, turn, batch)
    used_bytes = _content(entry, batch, number, room_bytes, whole=whole)
    return entry, used_bytes + 4 * len(error[:ERROR_CHARACTERS])


def _traits(entry: dict[str, Any], turn: Turn, batch: Batch) -> None:
    """Put in what the messages of the batch have in common."""
    entry["accepted_ns"] = batch.accepted_ns
    entry["age_s"] = round(max(0, turn.wall_ns(turn.now) - batch.accepted_ns) / 1e9, 3)
    traits = batch.traits
    if traits.expires:
        entry["expires_s"] = round(traits.expires - turn.now, 3)
    if traits.key:
        entry["key"] = traits.key
    if traits.lane:
        entry["priority"] = traits.lane


def _content(entry: dict[str, Any], batch: Batch, number: int, room_bytes: int, *, whole: bool) -> int:
    """Put in what fits of the body, and the headers if they fit as well; returns how many bytes that took."""
    try:
        item = bodies.decode(batch.part(number, number + 1))[0]
    except (RemoteProtocolError, IndexError):
        entry["broken"] = True
        return 0
    body, headers = (item, {}) if isinstance(item, bytes) else item
    entry["bytes"] = len(body)
    entry["body"] = body[: room_bytes if whole else min(room_bytes, PREVIEW_BYTES)]
    used_bytes = len(entry["body"])
    headers_bytes = sum(HEADER_BYTES + len(name.encode()) + len(value.encode()) for name, value in headers.items())
    if headers and used_bytes + headers_bytes <= room_bytes:
        entry["headers"] = headers
        used_bytes += headers_bytes
    return used_bytes

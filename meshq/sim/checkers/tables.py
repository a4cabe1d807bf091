"""Every table and queue of a node is within its limit at every look: members, the dead, suspicions, probes, rumours;
topics, channels, tombstones, interest, removals; messages, their bytes, the window, unacknowledged FINs, late
finishes; streams, clients, their subscriptions and unconfirmed publishes, questions under way.

The limits are those of ``config`` and the constants beside each table. What the mesh may exceed by a quarter (names
that several nodes create at once) is allowed that quarter, and bytes may exceed by what one turn's batches cost; where
there is a store, what has to be in memory (lent, deferred, on its way to the store, read ahead) comes on top.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from meshq.broker.existence import ENDED_MAX
from meshq.broker.loading import CHUNK_BYTES_MIN
from meshq.engine.engine import Engine
from meshq.engine.questions import FANS_MAX
from meshq.machine.store import BATCH_OVERHEAD_BYTES
from meshq.membership import admission, joining, probe, repair
from meshq.routing import bootstrap, interest, news
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host

TURN_BATCHES: Final = 64
"""Batches that one turn may add beyond the limit in bytes: what each costs besides its body is known only then."""
Filling: TypeAlias = tuple[str, int, int]
"""A table, how much is in it, and its limit."""


class Tables(Checker):
    """Measures the tables of whoever had a turn. Reads what no caller of these machines needs."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        for what, size, limit in fillings(engine) if engine is not None else ():
            if size > limit:
                self.find(f"{host.name} has {size} {what}; at most {limit}")


def fillings(engine: Engine) -> Iterator[Filling]:
    """Every table of a node that could grow."""
    yield from _membership(engine)
    yield from _routing(engine)
    yield from _broker(engine)
    yield from _streams(engine)


def _membership(engine: Engine) -> Iterator[Filling]:
    machine, settings = engine.membership, engine.config.membership
    view = machine._view
    yield "rumours", len(view.rumours), settings.rumours_max
    yield "live members", len(view.roster), settings.members_max
    yield "dead members", len(view.gone), settings.dead_max
    yield "members in all", len(view.members), len(view.roster) + len(view.gone) + 1
    yield "suspicions", len(view.suspicions), len(view.roster)
    yield "probes", len(machine._prober._open), probe.OPEN_MAX
    yield "relayed probes", len(machine._relays._open), probe.Relays.OPEN_MAX
    yield "repairs", len(machine._repair._open), repair.OPEN_MAX
    yield "joins asked", len(machine._joining._asked), joining.ASKED_MAX
    yield "joins contested", len(machine._admission._contested), admission.CONTESTED_MAX


def _routing(engine: Engine) -> Iterator[Filling]:
    machine, settings = engine.routing, engine.config.routing
    catalog, own = machine._catalog, machine._news
    yield "topics", catalog.alive, settings.topics_max + settings.topics_max // 4
    for topic in catalog.topics.values():
        yield f"channels of {topic.name}", topic.live, settings.channels_max + settings.channels_max // 4
    yield "tombstones", catalog.tombstones, settings.tombstones_max
    yield "own channels", len(own), settings.interest_max
    yield "removals", len(own._gone), news.REMOVALS_MAX + len(own)
    yield "pairs of others", machine._interest.pairs, settings.pairs_max
    yield "maps of others", len(machine._interest._holdings), interest.STRANGERS_MAX
    yield "catalogs asked for", len(machine._bootstrap._pulls), bootstrap.PULLS_MAX
    yield "catalogs on their way", len(machine._exchange._answers._answers), bootstrap.ANSWERS_MAX


def _broker(engine: Engine) -> Iterator[Filling]:
    machine, settings = engine.broker, engine.config.broker
    registry = machine._registry
    room = settings.memory_bytes_max + TURN_BATCHES * BATCH_OVERHEAD_BYTES
    if machine.memory_bytes > room and machine.stores:
        room += _staying(engine)
    yield "bytes", machine.memory_bytes, room
    queue = settings.store_queue_bytes_max + TURN_BATCHES * BATCH_OVERHEAD_BYTES
    yield "bytes on their way to the store", machine._intake.storing_bytes, queue
    windows = machine._existence._windows
    yield "bytes in windows", windows.size_bytes, settings.window_bytes_max
    yield "ended topics", len(machine._existence._ended), ENDED_MAX
    for topic in registry.topics.values():
        yield f"messages of {topic.name}", topic.messages + topic.gathering.messages, settings.topic_messages_max
        if len(topic.log.window) > 1:  # one batch may be larger than all
            yield f"bytes in the window of {topic.name}", topic.log.window_bytes, settings.window_topic_bytes_max
    for receiver in registry.receivers.values():
        for source in receiver.sources.values():
            spans = sum(len(known) for known in source.fins.logs.values())
            yield f"unacknowledged FINs to {source.name}", spans, settings.unacknowledged_fins_max
    for consumer in registry.consumers.values():
        yield f"late extents of consumer {consumer.number}", consumer.late_extents, settings.late_fins_max


def _staying(engine: Engine) -> int:
    """Bytes that are in memory whatever the budget: what the store does not have yet, what is deferred, lent or at a
    cursor, and for each cursor what was read ahead for it."""
    staying = 0
    for topic in engine.broker._registry.topics.values():
        for log in topic.logs.values():
            staying += len(log.cursors) * max(CHUNK_BYTES_MIN, engine.config.broker.memory_bytes_max // 4)
            staying += sum(batch.memory_bytes() for batch in log.falling.values())
            for batch in log.batches.values():
                if not batch.stored or batch.keeps or batch.due or any(each.needs(batch) for each in log.cursors):
                    staying += batch.memory_bytes()
    return staying


def _streams(engine: Engine) -> Iterator[Filling]:
    settings = engine.config.link
    yield "streams", len(engine._streams), 2 * settings.links_max + settings.clients_max
    yield "dials", len(engine.links._dials), settings.links_max
    yield "addresses of members", len(engine._post._names), len(engine.membership.members)
    yield "clients", len(engine._doors), settings.clients_max
    yield "subscriptions that wait for the catalog", len(engine._doors.subscriptions._early), settings.subscriptions_max
    yield "questions under way", len(engine._questions._fans), FANS_MAX
    for door in engine._doors._doors.values():
        yield f"subscriptions of {door.stream.name}", len(door.subscriptions), settings.subscriptions_max
        yield f"unconfirmed messages of {door.stream.name}", door.messages, settings.publish_messages
        yield f"unconfirmed bytes of {door.stream.name}", door.bytes, settings.publish_bytes

"""Logs that draining nodes hand to this one: the taker's side.

Decides whether this node is willing, what it keeps while a log comes in, and when the log is its own: when everything
of it is kept here, in the store if there is one, and not before. Until then what came is marked, so that a start which
finds it forgets it (``marks``): its giver has it still. What a giver may say is ``take``'s. What becomes of a log of
one's own is as with those of earlier starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshq.broker.intake import Intake
from meshq.broker.marks import mark, unmark
from meshq.broker.take import Take, offerable, storable
from meshq.machine import events
from meshq.machine.effects import Emit
from meshq.machine.ranges import Ranges
from meshq.machine.store import (
    BATCH_OVERHEAD_BYTES,
    BatchRow,
    Born,
    ChannelKept,
    Finished,
    Gone,
    LogKept,
    LogOver,
    Row,
)
from meshq.names import LEVELS, MEMORY, is_ephemeral, log_text
from meshq.wire.frames import NO_OPTIONS, Cede, Declined, Offer, Part, Place, Taken, Withdraw

if TYPE_CHECKING:
    from meshq.broker.log import Log
    from meshq.broker.peer import Peer
    from meshq.broker.registry import Registry
    from meshq.broker.topic import Topic


class Taker:
    """Everything that is on its way to this node."""

    def __init__(self, registry: Registry, intake: Intake) -> None:
        self._registry = registry
        self._turn = registry.turn
        self._intake = intake
        self._takes: dict[tuple[str, int], Take] = {}

    # an offer

    def offer(self, peer: Peer, frame: Offer) -> None:
        """Another node drains and offers a log."""
        if (peer.name, frame.transfer) in self._takes:
            self._turn.accuse(peer.name, f"offered {frame.transfer} twice")
            return
        if not offerable(frame):
            self._turn.accuse(peer.name, f"offered a log with numbers that no store has room for: {frame.log}")
            return
        found = self._held(frame)
        why = self._unwilling(frame, found)
        if why is not None:
            peer.outbox.append(Declined(frame.transfer, *why))
            return
        durable = self._turn.journal.on and not is_ephemeral(frame.topic)
        self._takes[peer.name, frame.transfer] = Take(self._turn, peer, frame, durable=durable, has=found is not None)
        peer.outbox.append(Taken(frame.transfer, 0, {"has": True} if found is not None else NO_OPTIONS))

    def _held(self, frame: Offer) -> Log | None:
        """The log, if this node has it: a hand-over broke off behind its last word."""
        topic = self._registry.topics.get(frame.topic)
        return topic.logs.get(frame.log) if topic is not None else None

    def _unwilling(self, frame: Offer, found: Log | None) -> tuple[str, str] | None:
        turn, config = self._turn, self._turn.config.broker
        topic = self._registry.topics.get(frame.topic)
        if turn.draining:
            return "DRAINING", "this node drains too"
        if self._intake.trouble:
            return "STORE", f"the store has trouble: {self._intake.trouble}"
        if frame.level != LEVELS[MEMORY] and not turn.journal.on:
            return "LEVEL", "this node keeps messages in memory only"
        if topic is None or topic.generation != frame.log.generation:
            return "UNKNOWN", "this node knows nothing of that life of the topic"
        if found is not None and (found.current or found.next < frame.next):
            return "HELD", "this node has a log of that name"
        same = any((take.topic, take.log) == (frame.topic, frame.log) for take in self._takes.values())
        if same or len(self._takes) >= config.takeovers_max:
            return "BUSY", "this node takes over as much as it may (takeovers_max), or this very log"
        coming = sum(take.offered for take in self._takes.values() if take.topic == frame.topic and not take.has)
        if found is None and topic.messages + coming + frame.messages > config.topic_messages_max:
            return "FULL", "topic_messages_max"
        return None if found is not None else self._full(frame)

    def _full(self, frame: Offer) -> tuple[str, str] | None:
        turn = self._turn
        if turn.journal.on and not is_ephemeral(frame.topic):
            full = self._intake.storing_bytes > turn.config.broker.store_queue_bytes_max
            return ("FULL", "store_queue_bytes_max") if full else None
        coming = sum(max(0, take.offered_bytes - take.memory_bytes) for take in self._takes.values())
        if turn.memory_bytes + coming + frame.bytes > turn.budget_bytes:
            return "FULL", "memory_bytes_max"
        return None

    # what comes

    def part(self, peer: Peer, frame: Part) -> None:
        """Messages of the log."""
        take = self._takes.get((peer.name, frame.transfer))
        if take is None:
            return  # declined meanwhile
        row = take.row(frame)
        if not take.follows(frame.number) or row is None:
            self._accuse(take, f"part {frame.number} of {take.topic} is not what comes next")
            return
        size_bytes = len(frame.body) + BATCH_OVERHEAD_BYTES
        take.size_bytes += len(frame.body)
        if take.durable:
            self._store(take, row, frame.number, size_bytes)
            return
        if self._turn.memory_bytes + size_bytes > self._turn.budget_bytes:
            self._decline(take, "FULL", "memory_bytes_max")
            return
        take.rows.append(row)
        take.memory_bytes += size_bytes
        self._turn.memory_bytes += size_bytes
        peer.outbox.append(Taken(take.transfer, frame.number))

    def _store(self, take: Take, row: BatchRow, number: int, size_bytes: int) -> None:
        if take.storing_bytes + size_bytes > self._turn.config.broker.store_queue_bytes_max:
            self._decline(take, "FULL", "store_queue_bytes_max")
            return
        self._mark(take)
        take.storing += 1
        take.storing_bytes += size_bytes
        self._turn.journal.rows.append(row)
        self._turn.journal.waiting.append(_Kept(self, take, number, size_bytes))

    def place(self, peer: Peer, frame: Place) -> None:
        """Where a channel is in the log."""
        take = self._takes.get((peer.name, frame.transfer))
        if take is None:
            return
        if not take.follows(frame.number) or not storable(frame):
            self._accuse(take, f"place {frame.number} of {take.topic} is not what comes next")
            return
        topic = self._registry.topics.get(take.topic)
        channel = topic.channels.get(frame.channel) if topic is not None else None
        if channel is None or channel.key.generation < frame.generation:
            self._decline(take, "UNKNOWN", f"this node has not heard of channel {frame.channel}")
            return
        place = take.joined(frame)
        if place is None:
            self._accuse(take, f"the places of {frame.channel} in {take.topic} are more than it has messages")
            return
        take.places[frame.channel] = place

    def cede(self, peer: Peer, frame: Cede) -> None:
        """That was all: once it is kept, the log is this node's, and that it is goes to the store behind the rest."""
        take = self._takes.get((peer.name, frame.transfer))
        if take is None:
            return
        if not take.follows(frame.number):
            self._accuse(take, f"{take.topic} is ceded after {frame.number} frames of {take.number}")
            return
        take.ceded = True
        if not take.storing:
            self._complete(take)

    def _complete(self, take: Take) -> None:
        """Every part is kept: the places are what is left."""
        topic = self._registry.topics.get(take.topic)
        if topic is None or topic.generation != take.log.generation:
            self._decline(take, "UNKNOWN", "that life of the topic is over")
            return
        if take.has:
            self._merge(topic, take)
        elif take.durable:
            self._write(take)
        journal = self._turn.journal
        if take.durable and journal.rows:
            journal.sync = True
            journal.waiting.append(_Kept(self, take, take.number, 0))
        else:
            self.kept(take, take.number)

    def withdraw(self, peer: Peer, frame: Withdraw) -> None:
        """The giver keeps the log."""
        take = self._takes.get((peer.name, frame.transfer))
        if take is not None:
            self._drop(take)

    def session_ended(self, peer: Peer) -> None:
        """A giver that is gone has the log still, unless everything of it has come."""
        for take in list(self._takes.values()):
            if take.giver is peer and not take.ceded:
                self._drop(take)

    # keeping

    def _mark(self, take: Take) -> None:
        if not take.marked:
            take.marked = True
            self._turn.journal.rows.append(mark(take.topic, take.log))

    def _write(self, take: Take) -> None:
        """The places, and that nothing is missing, in one transaction."""
        self._mark(take)
        rows: list[Row] = []
        about = (take.topic, take.log)
        last = max([stop for there in (take.ready, take.deferred) for _, stop in there], default=1)
        if last < take.next:
            rows.append(Gone(*about, last, take.next))
        for place in take.places.values():
            key = (place.channel, place.generation)
            rows.append(Born(*about, *key, place.number, place.since_ns))
            rows += [Finished(*about, *key, start, stop) for start, stop in place.finished]
            rows += place.tried
        rows.append(unmark(*about))
        self._turn.journal.rows += rows

    def _merge(self, topic: Topic, take: Take) -> None:
        """What the giver knows to be finished is finished here too."""
        for name, place in take.places.items():
            channel = topic.channels.get(name)
            cursor = channel.cursors.get(take.log) if channel is not None else None
            if channel is not None and cursor is not None and channel.key.generation == place.generation:
                for start, stop in place.finished:
                    cursor.finish(start, stop)
                if cursor.hungry:
                    cursor.seek(cursor.at)
                self._turn.journal.finished_now(cursor)
                channel.touch()

    def kept(self, take: Take, number: int, size_bytes: int = 0) -> None:
        """Everything up to that frame is kept, so many bytes in it."""
        if take.over:
            return
        last = take.ceded and number == take.number
        if last:
            self._own(take)
        if take.giver.session:
            take.giver.outbox.append(Taken(take.transfer, number))
        if take.durable and not last:
            take.storing -= 1
            take.storing_bytes -= size_bytes
            if take.ceded and not take.storing:
                self._complete(take)

    def unkept(self, take: Take, why: str) -> None:
        """The store could not keep something of it."""
        if not take.over:
            self._decline(take, "STORE", why[:200])

    def _own(self, take: Take) -> None:
        """The log is this node's."""
        turn = self._turn
        self._forget(take)
        topic = self._registry.topics.get(take.topic)
        if topic is None or topic.generation != take.log.generation:
            self._erase(take)  # deleted since: nobody wants it
            return
        turn.moved.pop((take.topic, take.log), None)
        if take.has:
            return
        ready, deferred = take.ready, take.deferred
        if not take.durable:  # nothing of it is in the store: what is deferred comes into memory like the rest
            ready, deferred = Ranges((*ready, *deferred)), Ranges()
        kept = LogKept(
            take.topic, take.log, take.next, list(ready), list(deferred), take.size_bytes,
            [self._emptied(topic, place) for place in take.places.values()],
        )  # fmt: skip
        log = topic.inherit(kept, written=take.durable)
        for row in take.rows:
            turn.loader.place(log, row, stored=False)
        turn.counters.taken_over += log.messages
        about = take.topic, take.log.origin, log_text(take.log)
        turn.out.append(Emit(events.TakenOver(*about, take.giver.name, log.messages)))

    def _emptied(self, topic: Topic, place: ChannelKept) -> ChannelKept:
        """Of what the giver did not hear had been emptied, nothing is the channel's."""
        channel, turn = topic.channels.get(place.channel), self._turn
        emptied_ns = channel.settings.emptied_ns if channel is not None else 0
        if not 0 < emptied_ns <= turn.wall_ns(turn.now):
            return place
        return place._replace(since_ns=max(place.since_ns, emptied_ns + 1))

    # letting go

    def _accuse(self, take: Take, why: str) -> None:
        self._drop(take)
        self._turn.accuse(take.giver.name, why)

    def _decline(self, take: Take, code: str, text: str) -> None:
        self._drop(take)
        take.giver.outbox.append(Declined(take.transfer, code, text))

    def _drop(self, take: Take) -> None:
        """It comes to nothing."""
        self._forget(take)
        self._erase(take)

    def _forget(self, take: Take) -> None:
        take.over = True
        del self._takes[take.giver.name, take.transfer]
        self._turn.memory_bytes -= take.memory_bytes

    def _erase(self, take: Take) -> None:
        """Nothing of it is to stay in the store."""
        if take.marked:
            self._turn.journal.rows += [LogOver(take.topic, take.log), unmark(take.topic, take.log)]


class _Kept:
    """A frame that waits for the store."""

    __slots__ = ("_number", "_size_bytes", "_take", "_taker")

    def __init__(self, taker: Taker, take: Take, number: int, size_bytes: int) -> None:
        self._taker = taker
        self._take = take
        self._number = number
        self._size_bytes = size_bytes

    def kept(self) -> None:
        self._taker.kept(self._take, self._number, self._size_bytes)

    def unkept(self, why: str) -> None:
        self._taker.unkept(self._take, why)

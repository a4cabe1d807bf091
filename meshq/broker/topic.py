"""One life of a topic at this node: its logs, its channels, what was published to it this turn."""

from __future__ import annotations

from typing import NamedTuple

from meshq.broker import spilled
from meshq.broker.batch import Batch, Broken
from meshq.broker.channel import Channel
from meshq.broker.cursor import Cursor
from meshq.broker.gathering import Gathering, Publishing
from meshq.broker.legacy import Legacy, legacies_of
from meshq.broker.loading import Loader
from meshq.broker.log import Log
from meshq.broker.retention import Retention
from meshq.broker.turn import Turn
from meshq.broker.window import Windows
from meshq.errors import RemoteProtocolError
from meshq.machine.ranges import Ranges
from meshq.machine.settings import TopicSettings
from meshq.machine.store import ChannelKept, LogKept
from meshq.names import DISK, FSYNC, MEMORY, ChannelKey, Epoch, LogId, is_ephemeral
from meshq.wire import bodies


class Accepted(NamedTuple):
    """A publish that is in a log and waits to be confirmed."""

    token: int
    log: LogId
    first: int
    level: int


class Topic:
    """A topic that exists."""

    __slots__ = (
        "_epoch", "_first", "_kept", "_loader", "_turn", "_windows", "channels", "gathering", "generation", "lanes",
        "limited", "log", "logs", "name", "published", "retention", "settings",
    )  # fmt: skip

    def __init__(
        self, turn: Turn, windows: Windows, loader: Loader, name: str, generation: int, epoch: Epoch, first: int
    ) -> None:
        self._turn = turn
        self._windows = windows
        self._loader = loader
        self._epoch = epoch
        self._first = first
        self.name = name
        self.generation = generation
        self.settings = TopicSettings()
        self.limited = False
        """Somebody limits what it, or one of its channels, may have unfinished."""
        self.channels: dict[str, Channel] = {}
        self.gathering = Gathering(turn.config.broker)
        self.published = 0
        self.lanes: dict[int, Log] = {}
        """The logs that are written, by priority class."""
        self.logs: dict[LogId, Log] = {}
        """These and those of earlier starts."""
        self.retention = Retention(turn, self.logs)
        self._kept: dict[tuple[str, int], list[tuple[Log, ChannelKept]]] = {}
        """Places of channels in logs of earlier starts, until the channels are heard of."""
        self.log = self.lane(0)
        """That of ordinary messages."""

    @property
    def messages(self) -> int:
        """Messages that some channel, or a channel to come, has not finished."""
        return sum(log.messages for log in self.logs.values())

    # publishing

    def lane(self, lane: int) -> Log:
        """The log that is written for a priority class."""
        log = self.lanes.get(lane)
        if log is None:
            epoch = self._epoch
            name = LogId(self._turn.config.name, epoch.ms, epoch.nonce, self.generation, lane)
            log = self.lanes[lane] = self.logs[name] = Log(self._turn, self.name, name, self.retention, self._first)
            self.retention.measure(log)
            for channel in self.channels.values():
                channel.join_log(log, 0.0, exact=True)
            if self.channels:
                log.grace.born_at = self.log.grace.born_at  # the topic's first channel is older than this log
        return log

    def close_batches(self) -> list[Accepted]:
        """What was published becomes batches; returns the publishes that wait to be confirmed."""
        accepted: list[Accepted] = []
        durable = self._turn.journal.on and not is_ephemeral(self.name)
        for group in self.gathering.groups(self.gathering.take()):
            traits = group[0].traits
            log = self.lane(traits.lane) if traits.lane else self.log
            first = log.next
            for publishing in group:
                accepted.append(Accepted(publishing.token, log.id, first, traits.level if durable else MEMORY))
                first += publishing.messages
            self._write(log, group, durable=durable)
        for channel in self.channels.values():
            self._turn.channels[channel] = None
        return accepted

    def _write(self, log: Log, group: list[Publishing], *, durable: bool) -> None:
        turn, traits = self._turn, group[0].traits
        counters, journal = turn.counters, turn.journal
        for count, body in self.gathering.bodies(group):
            batch = Batch(log.next, count, body, turn.now, group[0].accepted_ns, traits)
            counters.published += count
            counters.published_batches += 1
            self.published += count
            if durable and (traits.level >= DISK or turn.memory_bytes > turn.budget_bytes):
                journal.sync = journal.sync or traits.level >= FSYNC
                journal.batch(log, batch)
                if traits.due and self._loader.sleeps(log, traits.due):
                    spilled.sleep(log, batch)
                    log.address(batch)
                    continue
            log.append(batch)
            self._windows.keep(log, batch)
            if traits.channels:
                log.address(batch)

    def rename(self, epoch: Epoch) -> None:
        """Before anything was accepted: the logs to be written bear another epoch."""
        self._epoch = epoch
        for lane, log in self.lanes.items():
            assert log.next == log.first, "the log is open under the earlier epoch"
            del self.logs[log.id]
            before, log.id = log.id, log.id._replace(epoch_ms=epoch.ms, epoch_nonce=epoch.nonce)
            self.logs[log.id] = self.lanes[lane] = log
            for channel in self.channels.values():
                channel.cursors[log.id] = channel.cursors.pop(before)

    # an earlier start

    def recover(self, kept: LogKept) -> None:
        """A log of an earlier start: its messages are still to be delivered, its channels will be heard of."""
        log = self._earlier(kept)
        for channel in kept.channels:
            self._kept.setdefault((channel.channel, channel.generation), []).append((log, channel))
        if log.sleeping_messages:
            self._loader.recovered(log)

    def inherit(self, kept: LogKept, *, written: bool) -> Log:
        """Another node has handed this log over: its channels go on where they were there. Those unknown there have
        nothing to come in it, unless there were none; those unknown here are over."""
        log = self._earlier(kept)
        log.written = written
        places = {(place.channel, place.generation): place for place in kept.channels}
        for channel in self.channels.values():
            place = places.get((channel.key.channel, channel.key.generation))
            if place is not None:
                self._go_on(channel, log, place)
        for channel in self.channels.values():
            if log.id not in channel.cursors:
                channel.join_log(log, 0.0, exact=bool(places))
        if log.cursors or places:
            log.settle_span(log.first, log.next)
        self.retention.measure(log)
        if log.sleeping_messages:
            self._loader.recovered(log)
        return log

    def give(self, log: Log, ceded: int) -> list[Publishing]:
        """Another node holds the log now, up to the number ``ceded``: it is forgotten here. What is written to it
        after all has later numbers; what was written meanwhile is returned, to be published again."""
        later = [publishing for _, publishing in self._unfinished(log, ceded)]
        self._windows.forget(log)
        self.forget_log(log)
        if log.current:
            again = self.logs[log.id] = self.lanes[log.id.lane] = Log(
                self._turn, self.name, log.id, self.retention, log.next
            )
            if log is self.log:
                self.log = again
            for channel in self.channels.values():
                channel.join_log(again, 0.0, exact=True)
        return later

    def _earlier(self, kept: LogKept) -> Log:
        """A log that this start does not write."""
        log = self.logs[kept.log] = Log(self._turn, self.name, kept.log, self.retention)
        log.current = False
        log.ended_ns = self._turn.wall_ns(self._turn.now)
        log.written = True
        log.next = log.backlog_from = kept.next
        if not kept.channels:
            log.backlog_from = max(log.first, kept.backlog_from)
        log.retained.ages = kept.ages
        for start, stop in kept.ready:
            log.away_messages += log.away.add(start, stop)
        for start, stop in kept.deferred:
            log.sleeping_messages += log.sleeping.add(start, stop)
        log.kept_bytes_mean = kept.size_bytes / max(1, log.messages)
        there = Ranges((*kept.ready, *kept.deferred))
        log.gone = Ranges(there.missing(log.first, log.next))
        self._turn.drained[log] = None
        return log

    def _go_on(self, channel: Channel, log: Log, place: ChannelKept) -> None:
        """The channel is where it was in a log of an earlier start, or of another node."""
        cursor = channel.cursors[log.id] = Cursor(channel, log)
        channel.lanes.many = channel.lanes.many or log.id.lane > 0
        log.cursors.append(cursor)
        cursor.recover(place)
        channel.touch()

    def join(self, key: ChannelKey, channel: Channel, age_s: float, *, exact: bool) -> None:
        """A channel begins in every log: where it was, or as old as it is."""
        channel.topic = self.settings
        known = self._kept.pop((key.channel, key.generation), [])
        for log, kept in known:
            self._go_on(channel, log, kept)
        for log in sorted(self.logs.values(), key=_age):
            if log.id not in channel.cursors:
                channel.join_log(log, age_s, exact=exact)

    def settle_recovery(self) -> None:
        """Every channel that there is has been heard of: what the others had not finished nobody will."""
        kept, self._kept = self._kept, {}
        for (channel, generation), places in kept.items():
            for log, _ in places:
                self._turn.journal.ended(log, channel, generation)
        for log in self.logs.values():
            if not log.current:
                log.settle_span(log.first, log.next if log.cursors or kept else log.backlog_from)
                if kept and not log.cursors:
                    self._turn.journal.backlog(log)
            if not self.retention.on:
                log.retained.ages = None

    def forget_log(self, log: Log) -> None:
        """A log of an earlier start is empty."""
        if self.logs.pop(log.id, None) is not None:
            self._loader.forget(log)
            log.drop()
            for channel in self.channels.values():
                channel.forget_log(log.id)

    # a later life, and the end

    def unfinished(self) -> list[tuple[float, Publishing]]:
        """What is in memory and not finished on every channel, to be published again, and when it was accepted.

        Without what nobody can read: it would spoil what is published together with it.
        """
        return [one for log in self.logs.values() for one in self._unfinished(log, log.first)]

    def leave(self) -> list[Legacy]:
        """Before the topic ends: logs of which the store alone has something are taken out, and not forgotten there."""
        self.retention.end()
        left = {log: legacies for log in self.logs.values() if (legacies := legacies_of(log))}
        for log in left:
            self._windows.forget(log)
            log.written = False
            self.forget_log(log)
        return [legacy for legacies in left.values() for legacy in legacies]

    def _unfinished(self, log: Log, since: int) -> list[tuple[float, Publishing]]:
        """The same of one log, of batches from ``since`` on."""
        return [
            (batch.accepted_at, Publishing(0, stop - start, batch.part(start, stop), batch.accepted_ns, batch.traits))
            for batch in (*log.in_order(), *log.falling.values())
            if batch.first >= since and (batch.open or batch.first in log.falling) and self._readable(batch)
            for start, stop in _unfinished(log, batch)
        ]

    def _readable(self, batch: Batch) -> bool:
        try:
            bodies.offsets(batch.body, batch.count())
        except RemoteProtocolError:
            self._turn.counters.broken_bodies += batch.count()
            return False
        return not isinstance(batch, Broken)

    def drop(self) -> None:
        """The topic ended, with every message."""
        self.retention.end()
        for log in self.logs.values():
            self._windows.forget(log)
            self._loader.forget(log)
            log.drop()


def _age(log: Log) -> tuple[int, int]:
    return log.id.epoch_ms, log.id.epoch_nonce


def _unfinished(log: Log, batch: Batch) -> Ranges:
    if not log.cursors:
        return Ranges([(batch.first, batch.stop)])
    return Ranges(
        span for cursor in log.cursors for span in cursor.finished.missing(max(batch.first, cursor.born), batch.stop)
    )

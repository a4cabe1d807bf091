"""A restart remembers. What a channel has finished, and how often it was tried, is in the store with the first commit
after 50 ms. What a start finds finished in its store is never handed over again; what it finds to have been tried comes
with as many attempts, and not before its time.

So a crash repeats what was finished in its last 50 ms and what was on its way to the disk, and nothing else. Over a
link from before the restart anything may still come, until its holder hears of the new start; and when a wall clock was
moved, times are not judged.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple, TypeAlias

from meshq.broker.cursor import Cursor
from meshq.broker.journal import BEHIND_S
from meshq.engine.engine import Engine
from meshq.machine import events
from meshq.machine.ranges import Ranges
from meshq.machine.store import Tried
from meshq.names import LogId
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.hostclock import BORN_NS
from meshq.sim.ledger import Message
from meshq.sim.shelf import Shelf
from meshq.sim.stage import Stage
from meshq.sim.start import Change

EARLY_S: Final = 0.002
Place: TypeAlias = tuple[str, LogId, str, int]
"""Topic, log, channel, generation."""


class _Glance(NamedTuple):
    """What an engine had finished and tried at some moment."""

    at: float
    start: int
    finished: dict[Place, list[tuple[int, int]]]
    tried: dict[Place, list[list[int]]]


class _Found(NamedTuple):
    """What a start found of one channel in one log."""

    host: str
    start: int
    finished: Ranges
    tried: list[Tried]


class Remembered(Checker):
    """Compares engines with their disks, and what is handed over after a restart with what the restart found."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._glances: dict[str, deque[_Glance]] = {}
        self._turns_at: dict[str, deque[float]] = {}
        self._found: dict[tuple[str, LogId, str], _Found] = {}
        self._met: dict[tuple[str, str], int] = {}
        """With which start of the second the first last had a link."""
        stage.fleet.on_change.append(self._changed)
        stage.ledger.on_handed.append(self._handed)

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.LinkUp):
            self._met[host.name, event.name] = self.stage.fleet.hosts[event.name].counters.starts

    # What is written in time.

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        if engine is None or not host.stores:
            return
        now, start = self.stage.world.now, host.counters.starts
        glances = self._glances.setdefault(host.name, deque())
        turns = self._turns_at.setdefault(host.name, deque())
        turns.append(now)
        cursors = _cursors(engine)
        finished = {place: list(cursor.finished) for place, cursor in cursors.items()}
        tried = {place: cursor.attempts.within(0, cursor.log.next) for place, cursor in cursors.items()}
        glances.append(_Glance(now, start, finished, tried))
        self._compare(host, engine, glances, turns)

    def _compare(self, host: Host, engine: Engine, glances: deque[_Glance], turns: deque[float]) -> None:
        """What was finished 50 ms before a turn of which everything is committed must be on the disk."""
        due = None
        while turns and turns[0] < host.disk.waits_since:
            asked_at = turns.popleft()
            while glances and glances[0].at <= asked_at - BEHIND_S - 1e-6:
                due = glances.popleft()
        if due is None or due.start != host.counters.starts:
            return
        alive = _cursors(engine)
        for place, spans in due.finished.items():
            if place in alive and (lacks := _lacks(host.disk.committed, place, spans, due.tried[place])):
                self.find(f"{host.name} knew at {due.at:.4f} s of {place}: {lacks}, and its store does not")
                return

    # What a start finds.

    def _changed(self, host: Host, change: Change) -> None:
        if change != "started" or not host.stores:
            return
        for log in host.disk.recovered().logs:
            for each in log.channels:
                finished, tried = Ranges(each.finished), each.tried
                self._found[log.topic, log.log, each.channel] = _Found(host.name, host.counters.starts, finished, tried)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        assert message.place is not None
        log, number = message.place
        found = self._found.get((message.topic, log, channel))
        if (
            found is None
            or consumer.remote
            or message.topic in self.stage.forgiven
            or self.stage.losses.shared(message)
        ):
            return
        if consumer.node != found.host and self._met.get((consumer.node, found.host), 0) < found.start:
            return
        if number in found.finished:
            self.find(f"{message} comes to {consumer.name}: {found.host} started with it finished on {channel}", "done")
        tried = next((row for row in found.tried if row.start <= number < row.stop), None)
        if tried is not None:
            self._check_tried(message, found, tried, consumer)

    def _check_tried(self, message: Message, found: _Found, tried: Tried, consumer: Any) -> None:
        if consumer.attempts < tried.attempts:
            self.find(
                f"{message} comes to {consumer.name} with {consumer.attempts} attempts; {found.host} started with "
                f"{tried.attempts} in its store",
                "tried",
            )
        early_s = (tried.due_ns - BORN_NS) / 1e9 - self.stage.world.now
        if early_s > EARLY_S and not self.stage.fleet.hosts[found.host].clock.moved:
            self.find(
                f"{message} comes to {consumer.name} {early_s:.3f} s before the time in {found.host}'s store", "due"
            )


def _lacks(shelf: Shelf, place: Place, finished: list[tuple[int, int]], tried: list[list[int]]) -> str:
    """What a store does not say of a channel, of the messages that it has."""
    log, kept = shelf.logs.get(place[:2]), shelf.place(*place)
    there = Ranges(log.numbers() if log is not None else ())
    for start, stop in finished:
        for low, high in kept.finished.missing(start, stop) if kept is not None else [(start, stop)]:
            if there.missing(low, high) != [(low, high)]:
                return f"{low} to {high} are finished"
    for start, stop, attempts in tried:
        if there.covers(start, stop) and (kept is None or kept.attempts(start, stop) < attempts):
            return f"{start} to {stop} were tried {attempts} times"
    return ""


def _cursors(engine: Engine) -> dict[Place, Cursor]:
    """Every place of a channel in a log that the store has heard of."""
    return {
        (topic.name, log.id, cursor.channel.key.channel, cursor.channel.key.generation): cursor
        for topic in engine.broker._registry.topics.values()
        for log in topic.logs.values()
        if log.written
        for cursor in log.cursors
    }

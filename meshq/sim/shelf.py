"""What a store holds: rows applied in order, and the answers to whoever asks for them.

Keeps the words of ``meshq.machine.store`` in plain Python and nothing else, so that it says what a real store must
say. When rows are applied, and what of them a crash takes back, is ``disk``'s.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from meshq.machine.ages import Ages
from meshq.machine.effects import Load, LoadDue
from meshq.machine.ranges import Ranges
from meshq.machine.store import (
    Backlog,
    BatchRow,
    Born,
    ChannelKept,
    Finished,
    Gone,
    LogKept,
    LogOver,
    Over,
    Put,
    Recovered,
    Row,
    Tried,
)
from meshq.names import LogId

SLICE_NS: Final = 1_000_000_000
"""Due times are kept in slices of so long, each sorted when it is asked for."""
SPARE: Final = 64
LogKey: TypeAlias = tuple[str, LogId]
ChannelKey: TypeAlias = tuple[str, int]


class Shelf:
    """Rows, applied. ``copy`` gives one that changes alone."""

    def __init__(self) -> None:
        self.logs: dict[LogKey, LogShelf] = {}
        self.puts: dict[tuple[str, str], bytes] = {}
        self._due = _Due()
        self._do: dict[type[Any], Callable[[Any], None]] = {
            BatchRow: self._batch, Gone: self._gone, LogOver: self._log_over, Born: self._born, Over: self._over,
            Backlog: self._backlog, Finished: self._finished, Tried: self._tried, Put: self._put,
        }  # fmt: skip

    def apply(self, rows: Sequence[Row]) -> None:
        """Keep ``rows``, in order."""
        for row in rows:
            self._do[type(row)](row)

    def load(self, ask: Load) -> list[BatchRow]:
        """The batches that are asked for."""
        log = self.logs.get((ask.topic, ask.log))
        if log is None:
            return []
        found = log.deferred if ask.deferred else log.ready
        return _about(ask.size_bytes, found(ask.start, ask.stop))

    def load_due(self, ask: LoadDue) -> list[BatchRow]:
        """The deferred batches that are asked for."""
        found: list[BatchRow] = []
        size_bytes = 0
        for row in self._due.between(ask.after_ns, ask.until_ns):
            if found and size_bytes >= ask.size_bytes and row.due_ns > found[-1].due_ns:
                break
            found.append(row)
            size_bytes += row.memory_bytes()
        return found

    def recovered(self) -> Recovered:
        """What a start finds."""
        puts = [Put(kind, key, value) for (kind, key), value in self.puts.items()]
        return Recovered([log.kept() for log in self.logs.values()], puts)

    def place(self, topic: str, log: LogId, channel: str, generation: int) -> ChannelShelf | None:
        """What is kept of a channel's place in a log."""
        shelf = self.logs.get((topic, log))
        return shelf.channels.get((channel, generation)) if shelf is not None else None

    def copy(self) -> Shelf:
        """What a power loss leaves of it is another's to change."""
        other = Shelf()
        other.puts = dict(self.puts)
        for key, log in self.logs.items():
            other.logs[key] = log.copy()
            for row in log.batches.values():
                other._due.add(row)
        return other

    def _log(self, row: Any) -> LogShelf:
        key = (row.topic, row.log)
        log = self.logs.get(key)
        if log is None:
            log = self.logs[key] = LogShelf(*key)
        return log

    def _batch(self, row: BatchRow) -> None:
        self._log(row).put(row)
        self._due.add(row)

    def _gone(self, row: Gone) -> None:
        for batch in self._log(row).gone(row.start, row.stop):
            self._due.discard(batch)

    def _log_over(self, row: LogOver) -> None:
        log = self.logs.pop((row.topic, row.log), None)
        for batch in log.batches.values() if log is not None else ():
            self._due.discard(batch)

    def _born(self, row: Born) -> None:
        self._log(row).channels[row.channel, row.generation] = ChannelShelf(row.number, row.since_ns)

    def _backlog(self, row: Backlog) -> None:
        self._log(row).backlog_from = row.number

    def _over(self, row: Over) -> None:
        self._log(row).channels.pop((row.channel, row.generation), None)

    def _finished(self, row: Finished) -> None:
        place = self._log(row).channels.get((row.channel, row.generation))
        if place is not None:
            place.finish(row.start, row.stop)

    def _tried(self, row: Tried) -> None:
        place = self._log(row).channels.get((row.channel, row.generation))
        if place is not None:
            place.tried_again(row)

    def _put(self, row: Put) -> None:
        self.puts.pop((row.kind, row.key), None)
        if row.value is not None:
            self.puts[row.kind, row.key] = row.value


class LogShelf:
    """One log of a topic."""

    def __init__(self, topic: str, log: LogId) -> None:
        self.topic = topic
        self.log = log
        self.next = 1
        self.backlog_from = 0
        self.batches: dict[int, BatchRow] = {}
        """By first number."""
        self.channels: dict[ChannelKey, ChannelShelf] = {}
        self._all = _Firsts(self.batches)
        self._ready = _Firsts(self.batches)
        """Those that were not deferred."""

    def put(self, row: BatchRow) -> None:
        """One more batch. Raises AssertionError when there is one of that number: no number is used twice."""
        assert row.first not in self.batches, f"{row.topic} has {row.first} of {row.log} already"
        self.batches[row.first] = row
        self._all.add(row.first)
        if not row.due_ns:
            self._ready.add(row.first)
        self.next = max(self.next, row.first + row.messages)

    def gone(self, start: int, stop: int) -> list[BatchRow]:
        """Everything from ``start`` to ``stop`` is gone; the batches that went with it."""
        went = [row for row in self._all.overlapping(start, stop) if start <= row.first and _stop(row) <= stop]
        for row in went:
            del self.batches[row.first]
        self._all.tidy()
        self._ready.tidy()
        self.next = max(self.next, stop)
        return went

    def ready(self, start: int, stop: int) -> Iterator[BatchRow]:
        """Batches with a number in ``start`` to ``stop`` that were not deferred, in order."""
        return self._ready.overlapping(start, stop)

    def deferred(self, start: int, stop: int) -> Iterator[BatchRow]:
        """The same of those that were."""
        return (row for row in self._all.overlapping(start, stop) if row.due_ns)

    def numbers(self) -> list[tuple[int, int]]:
        """The messages that are there, batch by batch."""
        return [(row.first, _stop(row)) for row in self.batches.values()]

    def holds(self, number: int) -> bool:
        """Whether a batch with that message is there."""
        return any(True for _ in self._all.overlapping(number, number + 1))

    def kept(self) -> LogKept:
        """The log, as a start finds it."""
        ready, deferred = Ranges(), Ranges()
        ages: Ages | None = None
        for _, row in sorted(self.batches.items()):
            (deferred if row.due_ns else ready).add(row.first, _stop(row))
            ages = ages or Ages(row.first)
            ages.add(_stop(row), row.accepted_ns, len(row.body))
        return LogKept(
            self.topic, self.log, self.next, list(ready), list(deferred),
            sum(len(row.body) for row in self.batches.values()),
            [place.kept(*key) for key, place in self.channels.items()], ages, self.backlog_from,
        )  # fmt: skip

    def copy(self) -> LogShelf:
        other = LogShelf(self.topic, self.log)
        for row in self.batches.values():
            other.put(row)
        other.next = self.next
        other.backlog_from = self.backlog_from
        other.channels = {key: place.copy() for key, place in self.channels.items()}
        return other


class ChannelShelf:
    """A channel's place in a log."""

    def __init__(self, number: int, since_ns: int) -> None:
        self.number = number
        self.since_ns = since_ns
        self.finished = Ranges()
        self.tried: list[Tried] = []
        """Sorted, disjoint."""

    def finish(self, start: int, stop: int) -> None:
        """These are finished; how often they were tried no longer matters."""
        self.finished.add(start, stop)
        self._cut(start, stop)

    def tried_again(self, row: Tried) -> None:
        """What was said of these messages before is replaced."""
        self._cut(row.start, row.stop)
        if row.attempts or row.due_ns:
            insort(self.tried, row, key=_start)

    def attempts(self, start: int, stop: int) -> int:
        """How often the least tried of these messages was, of those that are not finished."""
        told = {number: row.attempts for row in self.tried for number in range(row.start, row.stop)}
        left = [number for low, high in self.finished.missing(start, stop) for number in range(low, high)]
        return min((told.get(number, 0) for number in left), default=1 << 30)

    def kept(self, channel: str, generation: int) -> ChannelKept:
        """The channel, as a start finds it."""
        return ChannelKept(channel, generation, self.number, self.since_ns, list(self.finished), list(self.tried))

    def copy(self) -> ChannelShelf:
        other = ChannelShelf(self.number, self.since_ns)
        other.finished = Ranges(self.finished)
        other.tried = list(self.tried)
        return other

    def _cut(self, start: int, stop: int) -> None:
        """Say nothing of ``start`` to ``stop`` any more."""
        low = bisect_right(self.tried, start, key=lambda row: row.stop)
        high = bisect_left(self.tried, stop, key=_start)
        if low >= high:
            return
        first, last = self.tried[low], self.tried[high - 1]
        left = [first._replace(stop=start)] if first.start < start else []
        right = [last._replace(start=stop)] if last.stop > stop else []
        self.tried[low:high] = left + right


class _Firsts:
    """First numbers of ``batches`` in order. Those of batches that are gone leave once they are the most."""

    def __init__(self, batches: dict[int, BatchRow]) -> None:
        self._batches = batches
        self._firsts: list[int] = []
        self._front = 0
        """Whatever lies before is gone."""

    def add(self, first: int) -> None:
        if not self._firsts or first > self._firsts[-1]:
            self._firsts.append(first)
        else:
            insort(self._firsts, first)

    def tidy(self) -> None:
        """Batches have gone."""
        if len(self._firsts) > 2 * len(self._batches) + SPARE:
            self._firsts = [first for first in self._firsts if first in self._batches]
            self._front = 0

    def overlapping(self, start: int, stop: int) -> Iterator[BatchRow]:
        """Batches with a number in ``start`` to ``stop``, in order."""
        firsts, batches = self._firsts, self._batches
        while self._front < len(firsts) and firsts[self._front] not in batches:
            self._front += 1
        for at in range(max(self._front, bisect_right(firsts, start) - 1), bisect_left(firsts, stop)):
            row = batches.get(firsts[at])
            if row is not None and _stop(row) > start:
                yield row


class _Due:
    """Deferred batches by their due times."""

    def __init__(self) -> None:
        self._slices: dict[int, dict[tuple[int, str, LogId, int], BatchRow]] = {}
        self._order: list[int] = []

    def add(self, row: BatchRow) -> None:
        if row.due_ns:
            at = row.due_ns // SLICE_NS
            if at not in self._slices:
                self._slices[at] = {}
                insort(self._order, at)
            self._slices[at][_by_due(row)] = row

    def discard(self, row: BatchRow) -> None:
        if row.due_ns:
            at = row.due_ns // SLICE_NS
            self._slices[at].pop(_by_due(row), None)
            if not self._slices[at]:
                del self._slices[at]
                del self._order[bisect_left(self._order, at)]

    def between(self, after_ns: int, until_ns: int) -> Iterator[BatchRow]:
        """Due from ``after_ns`` to before ``until_ns``, in order."""
        at = bisect_left(self._order, after_ns // SLICE_NS)
        while at < len(self._order) and self._order[at] * SLICE_NS < until_ns:
            for key, row in sorted(self._slices[self._order[at]].items()):
                if after_ns <= key[0] < until_ns:
                    yield row
            at += 1


def _about(size_bytes: int, rows: Iterator[BatchRow] | tuple[()]) -> list[BatchRow]:
    """The first of ``rows``, at least one, until they are ``size_bytes`` together."""
    found: list[BatchRow] = []
    for row in rows:
        if found and size_bytes <= 0:
            break
        found.append(row)
        size_bytes -= row.memory_bytes()
    return found


def _stop(row: BatchRow) -> int:
    return row.first + row.messages


def _start(row: Tried) -> int:
    return row.start


def _by_due(row: BatchRow) -> tuple[int, str, LogId, int]:
    return row.due_ns, row.topic, row.log, row.first

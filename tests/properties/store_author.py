"""Rows as a machine might write them, by chance, and what a store must say of them, in the plainest form.

The author keeps to the rules of ``meshq.machine.store``: numbers rise, ranges grow, a channel is born before it
finishes anything. What is kept is written down message by message, so that a store is free to join rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from meshq.machine.effects import Load, LoadDue
from meshq.machine.ranges import Ranges
from meshq.machine.store import BatchRow, Born, Finished, Gone, LogOver, Over, Put, Recovered, Row, Tried
from meshq.names import LogId
from meshq.wire import bodies

BORN_NS = 1_750_000_000_000_000_000
SECOND_NS = 1_000_000_000


class Keeper(Protocol):
    """Any store, as far as rows and answers go."""

    def apply(self, rows: list[Row]) -> None:
        """Commit ``rows``."""

    def load(self, ask: Load) -> list[BatchRow]: ...

    def load_due(self, ask: LoadDue) -> list[BatchRow]: ...

    def recovered(self) -> Recovered:
        """What a start would find now."""


@dataclass
class Place:
    """A channel in a log."""

    number: int
    since_ns: int
    finished: Ranges = field(default_factory=Ranges)
    tried: dict[int, tuple[int, int, str, str]] = field(default_factory=dict)


@dataclass
class Writing:
    """One log."""

    topic: str
    log: LogId
    next: int = 1
    top: int = 1
    """The number after the highest kept or gone."""
    messages: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    """Number: what it is, when it was accepted, when it is due and expires, and its options."""
    gone: Ranges = field(default_factory=Ranges)
    channels: dict[tuple[str, int], Place] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)

    def wanted(self) -> dict[int, tuple[Any, ...]]:
        """The messages that a store must have."""
        return {number: each for number, each in self.messages.items() if number not in self.gone}


class Author:
    """Writes rows and remembers what they say."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.logs: list[Writing] = []
        self.puts: dict[tuple[str, str], bytes] = {}
        self._numbers = 0

    def rows(self, count: int) -> list[Row]:
        """The rows of one Store."""
        return [row for _ in range(count) for row in self._some()]

    def _some(self) -> Iterator[Row]:
        rng = self.rng
        if not self.logs or rng.random() < 0.05:
            self._numbers += 1
            name = LogId("n1", 1_750_000_000_000 + self._numbers, rng.getrandbits(64), 1, rng.choice((0, 0, 3)))
            self.logs.append(Writing(rng.choice(("orders", "clicks")), name))
        writing = rng.choice(self.logs)
        verb = rng.choices(
            (self._batch, self._gone, self._born, self._finished, self._tried, self._over, self._log_over, self._put),
            (8, 3, 2, 4, 2, 0.3, 0.1, 1),
        )[0]
        yield from verb(writing)

    def _batch(self, writing: Writing) -> Iterator[Row]:
        rng = self.rng
        count = rng.choice((1, 1, 2, 5))
        items: list[Any] = [rng.randbytes(rng.randrange(1, 30)) for _ in range(count)]
        writing.next += rng.choice((0, 0, 0, 4))  # numbers of messages that nobody asked to keep
        due_ns = BORN_NS + rng.randrange(20) * SECOND_NS // 4 if rng.random() < 0.4 else 0
        expires_ns = BORN_NS + SECOND_NS if rng.random() < 0.1 else 0
        options = {"key": "k1"} if rng.random() < 0.1 else {}
        accepted_ns = BORN_NS + rng.randrange(3)
        row = BatchRow(
            writing.topic, writing.log, writing.next, count, bodies.encode(items), accepted_ns, due_ns, expires_ns,
            options,
        )  # fmt: skip
        for number, item in enumerate(items, writing.next):
            writing.messages[number] = (item, accepted_ns, due_ns, expires_ns, options)
        writing.next += count
        writing.top = max(writing.top, writing.next)
        yield row

    def _gone(self, writing: Writing) -> Iterator[Row]:
        if writing.next > 1:
            start, stop = self._span(writing, 1)
            writing.gone.add(start, stop)
            writing.top = max(writing.top, stop)
            yield Gone(writing.topic, writing.log, *_around(writing.gone, start))

    def _born(self, writing: Writing) -> Iterator[Row]:
        channel = self.rng.choice(("billing", "audit", "mail"))
        generation = writing.generations.get(channel, 0)
        if (channel, generation) not in writing.channels:
            generation = writing.generations[channel] = generation + 1
            since_ns = self.rng.choice((0, BORN_NS + 1))
            number = self.rng.randint(1, writing.next)
            writing.channels[channel, generation] = Place(number, since_ns)
            yield Born(writing.topic, writing.log, channel, generation, number, since_ns)

    def _finished(self, writing: Writing) -> Iterator[Row]:
        for (channel, generation), place in self._channel(writing):
            start, stop = self._span(writing, place.number)
            place.finished.add(start, stop)
            low, high = _around(place.finished, start)
            yield Finished(writing.topic, writing.log, channel, generation, low, high)

    def _tried(self, writing: Writing) -> Iterator[Row]:
        rng = self.rng
        for (channel, generation), place in self._channel(writing):
            start, stop = self._span(writing, place.number)
            said = (rng.randrange(4), rng.choice((0, BORN_NS + SECOND_NS)), rng.choice(("", "boom")), "late")
            place.tried.update(dict.fromkeys(range(start, stop), said))
            yield Tried(writing.topic, writing.log, channel, generation, start, stop, *said)

    def _over(self, writing: Writing) -> Iterator[Row]:
        for (channel, generation), _ in self._channel(writing):
            del writing.channels[channel, generation]
            yield Over(writing.topic, writing.log, channel, generation)

    def _log_over(self, writing: Writing) -> Iterator[Row]:
        self.logs.remove(writing)
        if writing.top > 1 or writing.generations:
            yield LogOver(writing.topic, writing.log)

    def _put(self, writing: Writing) -> Iterator[Row]:
        key = ("peer", self.rng.choice("ab"))
        self.puts.pop(key, None)
        value = self.rng.randbytes(3) if self.rng.random() < 0.8 else None
        if value is not None:
            self.puts[key] = value
        yield Put(*key, value)

    def _channel(self, writing: Writing) -> list[tuple[tuple[str, int], Place]]:
        """One of its channels that has any messages, if there is one."""
        channels = [each for each in writing.channels.items() if each[1].number < writing.next]
        return [self.rng.choice(channels)] if channels else []

    def _span(self, writing: Writing, least: int) -> tuple[int, int]:
        start = self.rng.randrange(least, writing.next)
        return start, min(writing.next, start + self.rng.choice((1, 2, 3, 8)))


def _around(ranges: Ranges, number: int) -> tuple[int, int]:
    return next((start, stop) for start, stop in ranges if start <= number < stop)


def messages(rows: list[BatchRow]) -> dict[int, tuple[Any, ...]]:
    """What rows of one log hold, message by message."""
    found: dict[int, tuple[Any, ...]] = {}
    for row in rows:
        items = bodies.decode(row.body)
        assert len(items) == row.messages
        for number, item in enumerate(items, row.first):
            assert number not in found
            found[number] = (item, row.accepted_ns, row.due_ns, row.expires_ns, row.options)
    return found

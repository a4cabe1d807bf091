"""A newcomer takes the whole catalog, and all interest, from one member over a stream.

The newcomer asks under a random number and counts the parts of the answer; it has the catalog when one answer
came whole, from a member that is no newcomer itself, or, so that a mesh started all at once does start, from
any member after ``alone_after_s``. The answerer sends a few parts at a time: a large catalog must not hold up
its heartbeats. Names come before interest, so nobody consumes what nobody knows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from meshq.machine.effects import ReplyPacket
from meshq.machine.rng import Rng
from meshq.names import Epoch
from meshq.routing.announce import STREAM_BYTES
from meshq.routing.digest import cut
from meshq.wire import interest as wire
from meshq.wire.interest import CatalogPart, CatalogPull, Entry, Record, Share

PULLS_MAX: Final = 8
"""Answers awaited at a time; the oldest question is given up first."""
ANSWERS_MAX: Final = 64
"""Newcomers served at a time; more are refused and will ask again, or somebody else."""
PARTS_PER_TURN: Final = 4
TURN_S: Final = 0.01


class Bootstrap:
    """The newcomer's side."""

    def __init__(self, name: str, epoch: Epoch, rng: Rng, alone_after_s: float) -> None:
        self._name = name
        self.epoch = epoch
        self._rng = rng
        self._alone_after_s = alone_after_s
        self._pulls: dict[int, int] = {}
        self._begun_at: float | None = None
        self._asked_at: float | None = None
        self.ready = False
        """Whether one answer came whole."""

    @property
    def asking(self) -> bool:
        """Whether everything has been asked for and has not come yet."""
        return self._asked_at is not None and not self.ready

    def begin(self, now: float) -> None:
        """The node starts with seeds: what it knows is nothing yet, also before it has found anybody to ask."""
        self._begun_at = now

    def ask(self, now: float) -> bytes:
        """The question, for one member."""
        if self._asked_at is None:
            self._asked_at = now
        number = self._rng.getrandbits(62)
        self._pulls[number] = 0
        while len(self._pulls) > PULLS_MAX:
            del self._pulls[next(iter(self._pulls))]
        return wire.encode(CatalogPull(self._name, self.epoch, number))

    def settled(self, now: float) -> bool:
        """Whether this node's own catalog is worth giving as the mesh's."""
        since = self._asked_at if self._asked_at is not None else self._begun_at
        return self.ready or since is None or now - since >= self._alone_after_s

    def part(self, now: float, packet: CatalogPart) -> bool:
        """Whether this part is of an answer that we wait for, and nothing is missing before it."""
        if self._pulls.get(packet.number) != packet.part:
            self._pulls.pop(packet.number, None)
            return False
        self._pulls[packet.number] += 1
        if packet.last:
            del self._pulls[packet.number]
            self.ready = self.ready or packet.settled or self.settled(now)
        return True


class Answers:
    """The other side: catalogs on their way to newcomers, a few parts a turn, in turn."""

    def __init__(self) -> None:
        self._answers: deque[tuple[int, Iterator[bytes]]] = deque()
        self._next_at = float("-inf")

    def begin(self, via: int, parts: Iterator[bytes]) -> bool:
        """Serve one more newcomer; False when too many are being served."""
        if len(self._answers) >= ANSWERS_MAX:
            return False
        self._answers.append((via, parts))
        return True

    def take(self, now: float) -> list[ReplyPacket]:
        """The parts of this turn."""
        out: list[ReplyPacket] = []
        if now < self._next_at:
            return out
        while self._answers and len(out) < PARTS_PER_TURN:
            via, parts = self._answers.popleft()
            part = next(parts, None)
            if part is not None:
                out.append(ReplyPacket(via, part))
                self._answers.append((via, parts))
        if out:
            self._next_at = now + TURN_S
        return out

    def deadline(self) -> float | None:
        """When the next parts may go."""
        return self._next_at if self._answers else None


Map = tuple[str, Epoch, int, list[Entry]]
"""One node's interest as it is known here: name, epoch, version, entries in version order."""


def catalog_parts(number: int, settled: bool, records: list[Record], maps: list[Map]) -> Iterator[bytes]:
    """The answer to the question ``number``, part by part."""
    part = 0
    for some in cut(records, STREAM_BYTES):
        yield wire.encode(CatalogPart(number, part, False, settled, some, []))
        part += 1
    for shares in _cut_maps(maps):
        yield wire.encode(CatalogPart(number, part, False, settled, [], shares))
        part += 1
    yield wire.encode(CatalogPart(number, part, True, settled, [], []))


def _cut_maps(maps: list[Map]) -> Iterator[list[Share]]:
    shares: list[Share] = []
    used = 0
    for name, epoch, version, entries in maps:
        for share in _cut_map(name, epoch, version, entries):
            size = 160 + sum(map(wire.entry_bytes, share.entries))
            if used + size > STREAM_BYTES and shares:
                yield shares
                shares, used = [], 0
            shares.append(share)
            used += size
    if shares:
        yield shares


def _cut_map(name: str, epoch: Epoch, version: int, entries: list[Entry]) -> Iterator[Share]:
    """A map known at ``version`` says nothing of removals: who has an older copy takes it from the beginning."""
    start, used = 0, 0
    part: list[Entry] = []
    for entry in entries:
        size = wire.entry_bytes(entry)
        if used + size > STREAM_BYTES // 2 and part:
            yield Share(name, epoch, version, start, part[-1].version, part)
            start, used, part = part[-1].version, 0, []
        part.append(entry)
        used += size
    yield Share(name, epoch, version, start, version, part)

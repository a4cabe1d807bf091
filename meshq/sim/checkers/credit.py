"""Credit is conserved. At every look each broker's own books balance: every message of a log is for each channel
in exactly one place, and a receiver's sums are those of its parts. At every look no origin holds more credit, in
messages or in bytes, than the receiver at the other end of the same link counts as granted to it; what it holds less is
on its way. And when nothing is under way the two are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from meshq.broker.registry import Registry
from meshq.engine.engine import Engine
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host

WITHIN_S: Final = 5.0


class Credit(Checker):
    """Has brokers check themselves, and compares their books at the end."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        if engine is not None:
            self._check_books(host.name, engine)
            self._check_links(host, engine)

    def at_end(self, settled: bool) -> None:
        for name, engine in self.stage.engines():
            self._check_books(name, engine)
        if settled and not self.stage.world.run_while(lambda: bool(self._difference()), within_s=WITHIN_S):
            self.find(f"credit differs at rest: {self._difference()}")

    def _check_books(self, name: str, engine: Engine) -> None:
        try:
            engine.broker.check()
        except AssertionError as wrong:
            self.find(f"the books of {name} do not balance: {wrong}")

    def _check_links(self, host: Host, engine: Engine) -> None:
        """Both ways of every link of which both ends are in the same session."""
        for link in engine.links.all():
            other = self.stage.fleet.hosts.get(link.name)
            far = self.stage.engine(link.name) if other is not None else None
            if other is None or far is None or not _same_stream(host, engine, other, far):
                continue
            for origin, receiver in ((engine, far), (far, engine)):
                for books in _books(origin, receiver):
                    if books.known and (books.credit[0] > books.granted[0] or books.credit[1] > books.granted[1]):
                        self.find(f"more credit than was granted: {books}")

    def _difference(self) -> str:
        engines = self.stage.engines()
        for _, origin in engines:
            for _, receiver in engines:
                for books in _books(origin, receiver) if origin is not receiver else ():
                    if books.credit != books.granted:
                        return str(books)
        return ""


class Books(NamedTuple):
    """Both ends of one channel between two nodes: messages and bytes."""

    flow: str
    origin: str
    receiver: str
    credit: tuple[int, int]
    granted: tuple[int, int]
    known: bool
    """Whether the receiver knows of the channel: of one that was deleted the origin may hear later."""


def _books(origin: Engine, receiver: Engine) -> Iterator[Books]:
    """Every channel of which either end knows something. Reads what no caller of a broker needs."""
    at_origin = _registry(origin).peers.get(receiver.config.name)
    at_receiver = _registry(receiver).peers.get(origin.config.name)
    if at_origin is None or at_receiver is None or not (at_origin.session and at_receiver.session):
        return
    for key in dict.fromkeys((*at_receiver.sources, *at_origin.borrowers)):
        borrower, source = at_origin.borrowers.get(key), at_receiver.sources.get(key)
        credit = (borrower.messages, borrower.bytes) if borrower is not None else (0, 0)
        granted = (source.messages, source.bytes) if source is not None else (0, 0)
        if credit != granted:
            yield Books(
                "/".join(map(str, key)), origin.config.name, receiver.config.name, credit, granted, source is not None
            )


def _registry(engine: Engine) -> Registry:
    return engine.broker._registry


def _same_stream(host: Host, engine: Engine, other: Host, far: Engine) -> bool:
    """Whether the link that each of two nodes has to the other is one stream, so that both are in one session."""
    here, there = engine.links.get(far.config.name), far.links.get(engine.config.name)
    if here is None or there is None:
        return False
    one, two = host.end(here.stream.number), other.end(there.stream.number)
    return one is not None and two is not None and (one.local, one.peer) == (two.peer, two.local)

"""Rows for tests of the store: batches of one log, and a store that is asked by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from meshq.machine.effects import Load, Store
from meshq.machine.store import BatchRow, Finished, Gone, Row
from meshq.names import Epoch, LogId
from meshq.runtime.store.store import SqliteStore
from meshq.runtime.store.writer import Answer
from meshq.wire import bodies

LOG = LogId("n1", 1_700_000_000_000, 7, 1, 0)
EVERYTHING = 1 << 40
WITHIN_S = 20.0


def batch(first: int, messages: int = 10, size_bytes: int = 200, log: LogId = LOG) -> BatchRow:
    """Messages ``first`` and following, each of so many bytes, that tell their number."""
    items: list[bodies.Item] = [
        f"{number}".encode().ljust(size_bytes, b".") for number in range(first, first + messages)
    ]
    return BatchRow("orders", log, first, messages, bodies.encode(items), first * 10**9, 0, 0)


def gone(start: int, stop: int) -> Gone:
    """Nobody needs them any more."""
    return Gone("orders", LOG, start, stop)


def finished(start: int, stop: int) -> Finished:
    """A channel has finished them."""
    return Finished("orders", LOG, "billing", 1, start, stop)


class Asker:
    """A store on a loop of its own, and what it answered."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[Answer] = []
        self.loaded: dict[int, list[BatchRow] | None] = {}
        self.health: list[str] = []
        self.full: list[bool] = []
        self.store = SqliteStore(folder)
        self.recovered = self.store.recovered
        self._runner = asyncio.Runner()
        self.epoch = self.store.begin("n1")
        self.store.start(self._runner.get_loop(), self)
        self._tokens = 0

    def store_answered(self, answers: list[Answer]) -> None:
        self.answers += answers

    def store_loaded(self, token: int, rows: list[BatchRow] | None) -> None:
        self.loaded[token] = rows

    def store_health(self, text: str, full: bool) -> None:
        self.health.append(text)
        self.full.append(full)

    def write(self, *rows: Row, sync: bool = False) -> int:
        """Ask for rows to be kept; the token."""
        self._tokens += 1
        self.store.write(Store(self._tokens, list(rows), sync))
        return self._tokens

    def keep(self, *rows: Row, sync: bool = False) -> str:
        """The same, and wait: why they were not kept, if so."""
        token = self.write(*rows, sync=sync)
        self.until(lambda: any(answer.token == token for answer in self.answers))
        return next(answer.why for answer in self.answers if answer.token == token)

    def load(self, start: int = 1, stop: int = EVERYTHING, log: LogId = LOG) -> list[BatchRow] | None:
        """What the reader brings of a log."""
        self._tokens += 1
        token = self._tokens
        self.store.read(Load(token, "orders", log, start, stop, EVERYTHING))
        self.until(lambda: token in self.loaded)
        return self.loaded[token]

    def until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(WITHIN_S):
                while not condition():  # noqa: ASYNC110 - the condition is the test's, any of it
                    await asyncio.sleep(0.001)

        self._runner.run(wait())

    def close(self) -> None:
        self.store.close()
        self._runner.close()


@contextmanager
def opened(folder: Path) -> Iterator[Asker]:
    """A store in use."""
    asker = Asker(folder)
    try:
        yield asker
    finally:
        asker.close()


def numbers(rows: Sequence[BatchRow] | None) -> list[int]:
    """The messages of rows, by their bodies."""
    assert rows is not None
    found = [item for row in rows for item in bodies.decode(row.body)]
    return [int(item.rstrip(b".")) for item in found if isinstance(item, bytes)]


def epoch_ms(folder: Path) -> int:
    """The epoch of the next start."""
    with opened(folder) as asker:
        found: Epoch = asker.epoch
        return found.ms

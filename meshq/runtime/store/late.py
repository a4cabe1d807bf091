"""What the disk would not take: rows that are tried again, and the Stores that are answered when they are kept.

Decides what of a failed transaction is given up (batches, and what is tied to them: their publishers are told) and
what is not, and keeps that small however long the trouble lasts: ranges only grow, so a later one stands for those
within it, and nobody cares how often something was tried that is finished.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.machine.effects import NO_TOKEN, Store
from meshq.machine.ranges import Ranges
from meshq.machine.store import Backlog, Finished, Gone, Put, Row, Tried

CONDENSE_ROWS: Final = 1024


class Late:
    """Rows in their order; true while there is something to try again."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.sync = False
        """One of their Stores asked for it."""
        self._tokens: list[int] = []
        self._condense_at = CONDENSE_ROWS

    def __bool__(self) -> bool:
        return bool(self.rows or self._tokens)

    def add(self, stores: list[Store]) -> list[int]:
        """The Stores of a transaction that failed; the tokens of those whose batches are given up."""
        given_up: list[int] = []
        for store in stores:
            rest = store.without_batches()
            if store.token != NO_TOKEN:
                (self._tokens if len(rest) == len(store.rows) else given_up).append(store.token)
            self.rows += rest
            self.sync = self.sync or (store.sync and bool(rest))
        if len(self.rows) > self._condense_at:
            self.rows = condensed(self.rows)
            self._condense_at = max(CONDENSE_ROWS, 2 * len(self.rows))
        return given_up

    def take(self) -> list[int]:
        """All is kept: the tokens that wait for it."""
        tokens, self._tokens = self._tokens, []
        self.rows = []
        self.sync = False
        self._condense_at = CONDENSE_ROWS
        return tokens


def condensed(rows: list[Row]) -> list[Row]:
    """The rows without those that later ones make meaningless."""
    kept: list[Row] = []
    later: dict[Any, Ranges] = {}
    nothing = Ranges()
    key: tuple[Any, ...]
    for row in reversed(rows):
        if type(row) is Put or type(row) is Backlog:
            key, start, stop = (type(row), *row[:2]), 0, 1
        elif type(row) is Gone:
            key, start, stop = (Gone, *row[:2]), row.start, row.stop
        elif type(row) is Finished or type(row) is Tried:
            key, start, stop = (type(row), *row[:4]), row.start, row.stop
        else:
            kept.append(row)
            continue
        said = later.setdefault(key, Ranges())
        if said.covers(start, stop):
            continue
        if type(row) is Tried and later.get((Finished, *row[:4]), nothing).covers(start, stop):
            continue
        said.add(start, stop)
        kept.append(row)
    return kept[::-1]

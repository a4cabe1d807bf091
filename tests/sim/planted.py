"""Bugs to be found, made small and drawn: what becomes of the leases of a lost link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from meshq.broker.borrower import Borrower


def _forgets(borrower: Borrower) -> int:
    borrower.session = borrower.said = False
    borrower.messages = borrower.bytes = 0
    borrower.lent = {}
    return 0


_end = Borrower.end


def _takes_for_finished(borrower: Borrower) -> int:
    for one in borrower.lent.values():
        for lease in one.leases:
            one.cursor.finished.add(lease.start, lease.stop)
    return _end(borrower)


@contextmanager
def leases_vanish() -> Iterator[None]:
    """They are in no place any more, which a broker's own check finds."""
    with patch.object(Borrower, "end", _forgets):
        yield


@contextmanager
def leases_taken_for_finished() -> Iterator[None]:
    """What was lent is never lent again, which shows when all should be finished."""
    with patch.object(Borrower, "end", _takes_for_finished):
        yield

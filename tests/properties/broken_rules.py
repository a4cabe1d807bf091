"""Plausible wrong rules of the credit protocol, to show that the test of the right ones can fail.

Each is a patch of one object; the pitfall it stands for is named beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from meshq.broker.borrower import Borrower
from meshq.broker.consumer import Hand
from meshq.broker.credit import Credit
from meshq.broker.extents import Extents
from meshq.broker.fins import Fins
from meshq.broker.receiver import Receiver
from meshq.broker.source import Source
from meshq.names import LogId
from tests.properties.breaking import patched


def _recall_frees_credit(source: Source) -> None:
    source._use(source.messages, source.bytes)
    source.recalling = True
    source.to.recall()


def _recalled_is_ignored(source: Source, messages: int, size_bytes: int) -> None:
    source.recalling = False
    source.receiver.touch()


def _never_recall(credit: Credit, wanted: int) -> None:
    pass


_finish = Borrower.finish


def _fin_closes_every_lease(borrower: Borrower, log: LogId, start: int, stop: int) -> None:
    _finish(borrower, log, start, stop)
    own = borrower.channel.own
    for other in (*borrower.channel.borrowers.values(), *([own] if own is not None else [])):
        if log in other.lent:
            other.lent[log].leases.take(start, stop)


_end = Borrower.end


def _credit_survives(borrower: Borrower) -> int:
    messages, size_bytes = borrower.messages, borrower.bytes
    lost = _end(borrower)
    borrower.messages, borrower.bytes = messages, size_bytes
    return lost


def _lost_link_counts(borrower: Borrower) -> int:
    leases = [(one.cursor, lease.start, lease.stop) for one in borrower.lent.values() for lease in one.leases]
    lost = _end(borrower)
    for cursor, start, stop in leases:
        for low, high in cursor.finished.missing(start, stop):
            cursor.attempts.add(low, high)
    return lost


def _late_finish_closes_one_hand(receiver: Receiver, hand: Hand) -> None:
    hand.loan.source.finish(hand.loan.log, hand.start, hand.stop)


def _crossing_deliver_is_kept(fins: Fins, log: LogId, start: int, stop: int) -> list[tuple[int, int]]:
    return [(start, stop)]


def _unfit_head_is_skipped(credit: Credit) -> None:
    receiver = credit.receiver
    for source in list(credit.queue):
        free = receiver.room_messages - receiver.granted_messages - receiver.buffered_messages
        free_bytes = receiver.room_bytes - receiver.granted_bytes - receiver.buffered_bytes
        unused = not (receiver.granted_messages or receiver.buffered_messages or receiver.in_hand_messages)
        if free > 0 and (free_bytes >= source.least or unused):
            credit.queue.remove(source)
            source.queued = False
            source.grant(1, source.least)


def _extents_lose_the_rest(extents: Extents[Any], start: int, stop: int) -> list[Any]:
    taken = [item for item in extents if item.start < stop and item.stop > start]
    for item in taken:
        extents.remove(item)
    return taken


RULES: dict[str, list[tuple[type[Any], str, Callable[..., Any]]]] = {
    "credit is free when RECALL is sent (1)": [
        (Source, "recall", _recall_frees_credit),
        (Source, "recalled", _recalled_is_ignored),
    ],
    "no recall (2)": [(Credit, "recall", _never_recall)],
    "the head of the queue is skipped when its bytes do not fit (5)": [(Credit, "serve", _unfit_head_is_skipped)],
    "FIN closes leases of all sessions (9)": [(Borrower, "finish", _fin_closes_every_lease)],
    "a late FIN closes only the hand that finished (10)": [(Receiver, "_finish_late", _late_finish_closes_one_hand)],
    "a DELIVER that crosses a late FIN is kept (11)": [(Fins, "missing", _crossing_deliver_is_kept)],
    "credit survives the session at the origin (12)": [(Borrower, "end", _credit_survives)],
    "a lost link counts an attempt (13)": [(Borrower, "end", _lost_link_counts)],
    "settling a part settles the whole extent": [(Extents, "take", _extents_lose_the_rest)],
}


def broken(rule: str) -> AbstractContextManager[None]:
    """Within it that rule is wrong."""
    return patched(RULES[rule])

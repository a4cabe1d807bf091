"""Plausible wrong turns of a broker alone with its disk, to show that the model of topic and channel can fail.

Each is a patch of one object, named by what then goes wrong.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from meshq.broker import emptying
from meshq.broker.batch import Batch
from meshq.broker.channel import Channel
from meshq.broker.consumer import Consumer, Hand
from meshq.broker.cursor import Cursor
from meshq.broker.effects import Confirmed
from meshq.broker.ids import PublishIds
from meshq.broker.intake import Intake
from meshq.broker.journal import Journal
from meshq.broker.keyed import Keyed
from meshq.broker.loading import Loader
from meshq.broker.log import Log
from meshq.broker.receiver import Receiver
from meshq.machine.store import BatchRow
from meshq.names import LEVELS
from tests.properties.breaking import patched


def _nothing(*_: Any, **__: Any) -> None:
    pass


_store = Intake.store


def _confirm_at_once(intake: Intake) -> None:
    _store(intake)
    for storing in intake._storing.values():
        answered, storing.accepted = storing.accepted, []
        intake._turn.out += [Confirmed(one.token, one.log, one.first, LEVELS[one.level]) for one in answered]


_defer = Cursor.defer


def _early(cursor: Cursor, extent: Any, due: float) -> None:
    _defer(cursor, extent, due - 0.4)


def _uncounted(cursor: Cursor, extent: Any, *, counts: bool, **more: Any) -> int:
    return _put_back(cursor, extent, counts=False, **more)


_put_back = Cursor.put_back


def _late_is_forgotten(consumer: Consumer, hand: Hand) -> None:
    pass


def _touches_nothing(receiver: Receiver, consumer: Consumer, log: Any, start: int, stop: int) -> None:
    pass


def _whole_lease(receiver: Receiver, hand: Hand) -> None:
    """A part settles all that came in one lease."""
    loan = hand.loan
    for other in list(loan.hands):
        if other.consumer is hand.consumer and other.stop == hand.start:
            loan.source.finish(loan.log, other.start, other.stop)
    receiver._drop(hand)
    loan.source.finish(loan.log, hand.start, hand.stop)


def _any_order(keyed: Keyed, cursor: Cursor, extent: Any) -> None:
    cursor.returned.put(extent)


def _empties_too_much(log: Log, wall_ns: int) -> tuple[int, bool]:
    return log.next, True


def _never_needs(cursor: Cursor, batch: Any) -> bool:
    return cursor.batch is batch


def _put_away_uncommitted(log: Log, batch: Batch) -> None:
    here = log.batches.get(batch.first) is batch
    if (
        here
        and batch.open
        and not (batch.keeps or batch.due)
        and not any(cursor.needs(batch) for cursor in log.cursors)
    ):
        log._unlink(batch)
        log._here -= batch.stop - batch.first
        log.away_messages += log.away.add(batch.first, batch.stop)


_batch = Journal.batch


def _without_key(journal: Journal, log: Log, batch: Any) -> None:
    _batch(journal, log, batch)
    row = journal.rows[-1]
    assert isinstance(row, BatchRow)
    journal.rows[-1] = row._replace(options={name: value for name, value in row.options.items() if name != "key"})


def _without_due(journal: Journal, log: Log, batch: Any) -> None:
    _batch(journal, log, batch)
    row = journal.rows[-1]
    assert isinstance(row, BatchRow)
    journal.rows[-1] = row._replace(due_ns=0)


def _again(ids: PublishIds, *_: Any) -> bool:
    return False


def _never_paused(channel: Channel) -> bool:
    return False


def _no_limit(channel: Channel) -> int:
    return 0


RULES: dict[str, list[tuple[Any, str, Any]]] = {
    "a publish is confirmed before the store has it": [(Intake, "store", _confirm_at_once)],
    "a deferred message comes early": [(Cursor, "defer", _early)],
    "no attempt is counted": [(Cursor, "put_back", _uncounted)],
    "messages of a key come together": [(Keyed, "put", _any_order)],
    "a pause does not hold": [(Channel, "paused", property(_never_paused))],
    "emptying takes what came later": [(emptying, "accepted_by", _empties_too_much)],
    "what is gone stays in the store": [(Journal, "gone", _nothing)],
    "attempts are not written down": [(Journal, "tried", _nothing)],
    "a batch that is at work leaves memory": [(Cursor, "needs", _never_needs)],
    "the store forgets the key": [(Journal, "batch", _without_key)],
    "the store forgets the due time": [(Journal, "batch", _without_due)],
    "a birth is not written down": [(Journal, "born", _nothing)],
}
"""Found within some hundreds of steps, or a few thousand."""
RARE: dict[str, list[tuple[Any, str, Any]]] = {
    "what is finished is not written down": [(Journal, "finished", _nothing)],
    "a known publish id is taken as new": [(PublishIds, "again", _again)],
    "no message ever dies": [(Channel, "attempts_max", property(_no_limit))],
    "the end of a channel is not written down": [(Journal, "over", _nothing)],
    "where the next backlog begins is not written down": [(Journal, "backlog", _nothing)],
    "a late finish is ignored": [(Consumer, "keep_late", _late_is_forgotten)],
    "a touch does nothing": [(Receiver, "touch_hands", _touches_nothing)],
    "batches are put away before the store has them": [(Log, "put_away", _put_away_uncommitted)],
    "finishing a part finishes what lies before it": [(Receiver, "_finish", _whole_lease)],
    "deferred messages are never loaded": [(Loader, "rang", _nothing)],
}
"""Found within some ten thousands: ``python -m tests.properties.topic --broken``."""


def broken(rule: str) -> AbstractContextManager[None]:
    """Within it that rule is wrong."""
    return patched(RULES.get(rule) or RARE[rule])

"""Wrong rules of a work queue: the attempts limit and its dead letters, time to live, publish ids."""

from __future__ import annotations

from typing import Any

from meshq.broker import cursor as cursors
from meshq.broker import ids
from meshq.broker.borrower import Borrower
from meshq.broker.dead import Undertaker
from meshq.broker.expiry import Expiry
from meshq.broker.failures import Failures
from meshq.broker.ids import PublishIds
from meshq.broker.journal import Journal
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(cursors, "doom", "poison")
def poison_goes_round_for_ever(right: Code, strike: Strike) -> Code:
    """The attempts limit is not looked at."""

    def doom(cursor: Any, batch: Any, start: int, stop: int, *, broken: bool) -> Any:
        if cursor.channel.attempts_max:
            strike()
        return [(start, stop)]

    return doom


@bug(cursors, "doom", "poison")
def the_limit_is_one_attempt_short(right: Code, strike: Strike) -> Code:
    """A message dies when it comes back the last time but one."""

    def doom(cursor: Any, batch: Any, start: int, stop: int, *, broken: bool) -> Any:
        tried = cursor.attempts
        tried.add(start, stop)
        left = right(cursor, batch, start, stop, broken=broken)
        strike()
        runs = tried.within(start, stop)
        tried.drop(start, stop)
        for low, high, count in runs:
            if count > 1:
                tried.add(low, high, count - 1)
        return left

    return doom


@bug(Undertaker, "_letters", "poison")
def a_message_dies_without_a_letter(right: Code, strike: Strike) -> Code:
    """What came back too often is finished, and nothing is published of it."""

    def letters(undertaker: Undertaker, *dying: Any) -> Any:
        strike()
        return []

    return letters


@bug(Undertaker, "finish", "poison")
def a_buried_message_stays_on_its_channel(right: Code, strike: Strike) -> Code:
    """The dead letter is published, and the message it tells of is not finished."""

    def finish(undertaker: Undertaker, cursor: Any, start: int, stop: int) -> None:
        strike()

    return finish


@bug(Journal, "take", "poison-full")
def the_end_of_a_message_is_kept_without_its_letter(right: Code, strike: Strike) -> Code:
    """That a message is finished is kept like any other row, when the disk has no room for its dead letter."""

    def take(journal: Journal, token: int) -> Any:
        store, batches, waiting = right(journal, token)
        if store.tied:
            strike()
        return store._replace(tied=0), batches, waiting

    return take


@bug(Failures, "of", "poison")
def a_dead_letter_does_not_say_why(right: Code, strike: Strike) -> Code:
    """What consumers said went wrong is not in the dead letter."""

    def of(failures: Failures, number: int) -> tuple[str, str]:
        strike()
        return "", ""

    return of


@bug(Borrower, "end", "poison-flapping")
def a_lost_link_brings_a_message_nearer_to_its_end(right: Code, strike: Strike) -> Code:
    """What comes back with a session that ended counts as tried, and may become a dead letter nobody ever saw."""

    def end(borrower: Borrower) -> Any:
        leases = [(one.cursor, lease.start, lease.stop) for one in borrower.lent.values() for lease in one.leases]
        lost = right(borrower)
        for cursor, start, stop in leases:
            strike()
            cursor.count_dead(start, stop)
        return lost

    return end


@bug(Expiry, "sweep", "expiring")
def what_has_expired_is_lent_until_the_next_look(right: Code, strike: Strike) -> Code:
    """Time to live is looked at by the timer only: what expired since its last look is delivered."""

    def sweep(expiry: Expiry, cursor: Any) -> None:
        strike()

    return sweep


@bug(Expiry, "rang", "expiring")
def what_nobody_consumes_never_expires(right: Code, strike: Strike) -> Code:
    """Time to live is looked at when a message would be lent, and at no other time."""

    def rang(expiry: Expiry) -> None:
        strike()

    return rang


@bug(PublishIds, "again", "twice")
def an_id_is_known_once_it_is_confirmed(right: Code, strike: Strike) -> Code:
    """A second publish with an id is taken as new while the first waits for its confirmation."""

    def again(known: PublishIds, topic: Any, publish_id: str, token: int, count: int) -> bool:
        found = known._known.get(ids._key(topic, publish_id))
        if found is not None and not found.confirmed:
            strike()
            return False
        return bool(right(known, topic, publish_id, token, count))

    return again


@bug(ids, "_confirmed", "twice")
def a_second_publish_gets_numbers_of_its_own(right: Code, strike: Strike) -> Code:
    """A publish whose id is known is confirmed with other numbers than the first."""

    def confirmed(known: Any, token: int) -> Any:
        strike()
        answer = right(known, token)
        return answer._replace(first=answer.first + 1)

    return confirmed

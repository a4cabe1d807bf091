"""Wrong rules of the store: what is confirmed, written, spilled, loaded, and what a restart makes of it."""

from __future__ import annotations

from typing import Any

from meshq.broker import spilled
from meshq.broker.broker import Broker
from meshq.broker.cursor import Cursor
from meshq.broker.effects import Confirmed
from meshq.broker.exchange import Exchange
from meshq.broker.existence import Existence
from meshq.broker.intake import Intake
from meshq.broker.journal import Journal
from meshq.broker.loading import Loader
from meshq.broker.log import Log
from meshq.broker.topic import Topic
from meshq.machine.store import Gone
from meshq.names import LEVELS, MEMORY
from meshq.routing.routing import Routing
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Intake, "store", "origin-storm", "power-storm")
def confirmed_before_the_commit(right: Code, strike: Strike) -> Code:
    """A publish is confirmed at the end of its turn at whatever level it asked for; the store is told behind it."""

    def store(intake: Intake) -> None:
        for token, log, first, level in intake._accepted:
            if level > MEMORY:
                strike()
            intake._turn.out.append(Confirmed(token, log, first, LEVELS[level]))
        intake._accepted = []
        right(intake)

    return store


@bug(Journal, "take", "power-storm", "deferred-over-restarts")
def fsync_asks_for_no_sync(right: Code, strike: Strike) -> Code:
    """What is published at level fsync is committed like the rest; nobody asks for the sync."""

    def take(journal: Journal, token: int) -> Any:
        store, batches, waiting = right(journal, token)
        if store.sync:
            strike()
        return store._replace(sync=False), batches, waiting

    return take


@bug(Intake, "unstored", "disk-full")
def what_could_not_be_stored_is_confirmed(right: Code, strike: Strike) -> Code:
    """The store says that it could not keep the batches, and their publishes are confirmed like others."""

    def unstored(intake: Intake, token: int, why: str) -> None:
        strike()
        intake.stored(token)

    return unstored


@bug(Intake, "unstored", "disk-full")
def what_could_not_be_stored_is_never_answered(right: Code, strike: Strike) -> Code:
    """The publishes of a Store that failed wait for ever."""

    def unstored(intake: Intake, token: int, why: str) -> None:
        strike()
        intake._storing[token].accepted.clear()
        right(intake, token, why)

    return unstored


@bug(Broker, "store_health", "disk-full")
def a_store_that_had_trouble_has_it_for_ever(right: Code, strike: Strike) -> Code:
    """That the disk has room again is not noticed: publishes are refused until the node starts anew."""

    def store_health(broker: Broker, now: float, text: str, *, full: bool) -> None:
        if text:
            right(broker, now, text, full=full)
        else:
            strike()

    return store_health


@bug(Journal, "_write_finished", "origin-storm", "finish-after-restart")
def what_is_finished_is_not_written(right: Code, strike: Strike) -> Code:
    """What channels have finished stays in memory: a restart delivers it again."""

    def write_finished(journal: Journal, cursor: Cursor) -> None:
        strike()
        cursor.unsaved = type(cursor.unsaved)()

    return write_finished


@bug(Journal, "_write_finished", "finish-after-restart", "origin-storm")
def only_the_first_of_the_finished_is_written(right: Code, strike: Strike) -> Code:
    """Of what was finished here and there since the last commit, the first range is written and the rest forgotten."""

    def write_finished(journal: Journal, cursor: Cursor) -> None:
        if len(cursor.unsaved) > 1:
            strike()
            cursor.unsaved = type(cursor.unsaved)(list(cursor.unsaved)[:1])
        right(journal, cursor)

    return write_finished


@bug(Journal, "_write_finished", "origin-storm", "power-storm")
def a_batch_is_gone_when_one_channel_has_it(right: Code, strike: Strike) -> Code:
    """What one channel has finished is written as gone, whatever the others still want."""

    def write_finished(journal: Journal, cursor: Cursor) -> None:
        log, spans = cursor.log, list(cursor.finished)
        right(journal, cursor)
        for start, stop in spans:
            if any(other.finished.missing(start, stop) for other in log.cursors):
                strike()
            journal.rows.append(Gone(log.topic, log.id, start, stop))

    return write_finished


@bug(Journal, "gone", "calm", "origin-storm")
def what_is_gone_stays_in_the_store(right: Code, strike: Strike) -> Code:
    """Batches that nobody needs any more are never deleted: the file grows for ever."""

    def gone(journal: Journal, log: Log) -> None:
        strike()

    return gone


@bug(Journal, "log_over", "origin-storm", "crash-storm")
def a_log_that_is_over_stays_in_the_store(right: Code, strike: Strike) -> Code:
    """A log of an earlier start that is empty is forgotten in memory only: each start finds more of them."""

    def log_over(journal: Journal, log: Log) -> None:
        if log.written and not log.current:
            strike()

    return log_over


@bug(Journal, "tried", "deferred-over-restarts", "power-storm")
def attempts_are_not_written(right: Code, strike: Strike) -> Code:
    """How often a message came back, and until when it waits, stays in memory."""

    def tried(journal: Journal, cursor: Cursor, *what: Any) -> None:
        strike()

    return tried


@bug(Cursor, "died", "crash-storm", "origin-storm")
def attempts_of_the_dead_are_not_written(right: Code, strike: Strike) -> Code:
    """An attempt that ended with the process that made it is counted in memory only."""

    def died(cursor: Cursor, start: int, stop: int) -> None:
        strike()
        cursor.attempts.add(start, stop)

    return died


@bug(Cursor, "recover", "origin-storm", "finish-after-restart")
def a_restart_forgets_what_was_finished(right: Code, strike: Strike) -> Code:
    """A channel begins its logs of earlier starts anew: everything that is still there comes again."""

    def recover(cursor: Cursor, kept: Any) -> None:
        if kept.finished:
            strike()
        right(cursor, kept._replace(finished=[]))

    return recover


@bug(Cursor, "recover", "deferred-over-restarts", "crash-storm")
def a_restart_forgets_attempts(right: Code, strike: Strike) -> Code:
    """A message that was tried before the restart is delivered as if it never had been."""

    def recover(cursor: Cursor, kept: Any) -> None:
        if any(row.attempts for row in kept.tried):
            strike()
        right(cursor, kept._replace(tried=[row._replace(attempts=0) for row in kept.tried]))

    return recover


@bug(Cursor, "recover", "deferred-over-restarts", "origin-storm")
def a_restart_forgets_that_messages_wait(right: Code, strike: Strike) -> Code:
    """What was requeued with a delay before the restart is delivered at once after it."""

    def recover(cursor: Cursor, kept: Any) -> None:
        if any(row.due_ns for row in kept.tried):
            strike()
        right(cursor, kept._replace(tried=[row._replace(due_ns=0) for row in kept.tried]))

    return recover


@bug(Cursor, "arrived", "deferred-over-restarts")
def a_deferred_batch_forgets_that_it_was_requeued(right: Code, strike: Strike) -> Code:
    """A batch that was deferred when it was published, and requeued with a delay before the restart, comes when it
    was due at first."""

    def arrived(cursor: Cursor, batch: Any) -> None:
        waits = [one for one in cursor.postponed if one[0] < batch.stop and one[1] > batch.first]
        if waits and batch.due and cursor.at >= batch.stop:
            strike()
            cursor.postponed = [one for one in cursor.postponed if one not in waits]
        right(cursor, batch)

    return arrived


@bug(Loader, "recovered", "deferred-over-restarts", "power-storm")
def nobody_wakes_what_is_deferred(right: Code, strike: Strike) -> Code:
    """Deferred messages of an earlier start stay in the store for ever."""

    def recovered(loader: Loader, log: Log) -> None:
        strike()

    return recovered


@bug(Loader, "traits", "deferred-over-restarts", "power-storm")
def what_was_deferred_is_loaded_as_ready(right: Code, strike: Strike) -> Code:
    """A deferred batch that comes back from the store is delivered at once."""

    def traits(loader: Loader, row: Any) -> Any:
        found = right(loader, row)
        if found.due > loader._turn.now:
            strike()
        return found._replace(due=0.0)

    return traits


@bug(Loader, "_look_astray", "wrong-clocks")
def what_a_wrong_clock_deferred_waits_for_years(right: Code, strike: Strike) -> Code:
    """The wall clock was years ahead when a message was deferred, and right when the node started again: the message
    waits for the time that was written down."""

    def look_astray(loader: Loader, after_ns: int) -> None:
        strike()

    return look_astray


@bug(Log, "put_away", "spilling", "mixed")
def a_spilled_batch_is_dropped(right: Code, strike: Strike) -> Code:
    """To make room a batch leaves memory, and nobody remembers that the store has it."""

    def put_away(log: Log, batch: Any) -> None:
        before = log.away_messages
        right(log, batch)
        if log.away_messages > before:
            strike()
            log.away_messages -= log.away.discard(batch.first, batch.stop)

    return put_away


@bug(Log, "put_away", "spilling", "mixed")
def nothing_leaves_memory(right: Code, strike: Strike) -> Code:
    """The memory budget is not looked at: what the store has stays in memory as well."""

    def put_away(log: Log, batch: Any) -> None:
        strike()

    return put_away


@bug(Log, "uncommitted", "spilling", "disk-full")
def what_could_not_be_stored_leaves_memory(right: Code, strike: Strike) -> Code:
    """A batch that the store refused is taken for stored, and leaves memory when that is short."""

    def uncommitted(log: Log, batch: Any) -> None:
        right(log, batch)
        strike()
        batch.stored = True
        log.put_away(batch)

    return uncommitted


@bug(Loader, "_brought", "spilling", "origin-storm")
def a_load_skips_its_first_batch(right: Code, strike: Strike) -> Code:
    """Of what the store brings, the first batch is taken for one that was there."""

    def brought(loader: Loader, cursor: Cursor, start: int, stop: int, rows: list[Any]) -> None:
        if len(rows) > 1:
            strike()
            rows = rows[1:]
        right(loader, cursor, start, stop, rows)

    return brought


@bug(Loader, "_brought", "spilling", "origin-storm")
def a_load_brings_no_more_than_it_was_asked_for_again(right: Code, strike: Strike) -> Code:
    """A load that brought only a part of what was asked for counts the rest as absent."""

    def brought(loader: Loader, cursor: Cursor, start: int, stop: int, rows: list[Any]) -> None:
        right(loader, cursor, start, stop, rows)
        last = rows[-1].first + rows[-1].messages if rows else stop
        if spilled.absent(cursor.log, last, stop):
            strike()

    return brought


@bug(Loader, "loaded", "spilling", "origin-storm")
def an_answer_of_the_store_is_dropped(right: Code, strike: Strike) -> Code:
    """One load in eight is never finished: its cursor waits for it and asks no more."""

    def loaded(loader: Loader, token: int, rows: Any) -> None:
        if token % 8 == 0:
            strike()
            return
        right(loader, token, rows)

    return loaded


@bug(Topic, "recover", "power-storm", "crash-storm")
def a_restart_writes_on_in_its_old_log(right: Code, strike: Strike) -> Code:
    """The log of the earlier start is written on from where the store knows it: what a power loss took had the same
    numbers."""

    def recover(topic: Topic, kept: Any) -> None:
        right(topic, kept)
        strike()
        log = topic.logs[kept.log]
        if log.id.lane == 0 and topic.log.next == topic.log.first:
            del topic.logs[topic.log.id]
            topic.log = topic.lanes[0] = log
            log.current = True

    return recover


@bug(Topic, "join", "origin-storm", "spilling")
def a_channel_begins_its_old_logs_by_its_age(right: Code, strike: Strike) -> Code:
    """After a restart a channel is placed in the logs of earlier starts like one that is heard of late."""

    def join(topic: Topic, key: Any, channel: Any, age_s: float, *, exact: bool) -> None:
        if topic._kept.pop((key.channel, key.generation), None):
            strike()
        right(topic, key, channel, age_s, exact=exact)

    return join


@bug(Existence, "tidy", "origin-storm", "spilling")
def a_log_ends_when_nothing_of_it_is_in_memory(right: Code, strike: Strike) -> Code:
    """A log of an earlier start is forgotten as soon as no batch of it is in memory, though the store has some."""

    def tidy(existence: Existence) -> None:
        drained = existence._registry.turn.drained
        for log in drained:
            if not log._here and (log.away_messages or log.sleeping_messages):
                strike()
                log.away_messages = log.sleeping_messages = 0
        right(existence)

    return tidy


@bug(Broker, "put", "blackout")
def the_catalog_is_not_stored(right: Code, strike: Strike) -> Code:
    """Names are learned from the others after each start; when all start anew nobody knows them.

    Logs name the topics and channels that have messages; a name without any loses nothing by being created anew."""

    def put(broker: Broker, row: Any) -> None:
        if row.kind == "catalog":
            strike()
        else:
            right(broker, row)

    return put


@bug(Routing, "recover", "blackout")
def a_restart_knows_no_names(right: Code, strike: Strike) -> Code:
    """Neither the catalog of the store nor its logs tell which topics and channels there are."""

    def recover(routing: Routing, now: float, puts: list[Any], logs: list[Any]) -> None:
        if logs:
            strike()
        right(routing, now, [], [])

    return recover


@bug(Exchange, "_fin", "finish-after-restart", "origin-storm")
def a_finish_of_an_earlier_start_is_ignored(right: Code, strike: Strike) -> Code:
    """A FIN that names a log of an earlier start is acknowledged, and means nothing."""

    def fin(exchange: Exchange, peer: Any, frame: Any) -> None:
        spans = []
        for span in frame.spans:
            topic = exchange._registry.topics.get(frame.flow[0])
            log = topic.logs.get(span[0]) if topic is not None else None
            if log is not None and not log.current:
                strike()
            else:
                spans.append(span)
        right(exchange, peer, frame._replace(spans=spans))

    return fin

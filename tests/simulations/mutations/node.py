"""Wrong rules of a node as a whole: its links, its limits, how it numbers messages, how it leaves."""

from __future__ import annotations

from typing import Any

from meshq.broker.broker import Broker
from meshq.broker.depth import ahead
from meshq.broker.exchange import Exchange
from meshq.broker.intake import Intake
from meshq.broker.log import Log
from meshq.broker.topic import Topic
from meshq.broker.window import Windows
from meshq.engine.links import Links
from meshq.engine.opening import Opening
from meshq.engine.reception import Reception
from meshq.engine.streams import Streams
from meshq.link.session import Session
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Links, "_replaces", "calm", "churn", "partition")
def both_sides_keep_the_link_they_dialled(right: Code, strike: Strike) -> Code:
    """Of two simultaneous links each side keeps its own."""

    def replaces(links: Links, before: Any, hello: Any, dialler: str) -> Any:
        me = links._config.name
        strike()
        return dialler == me or before.dialler != me

    return replaces


@bug(Links, "gone", "silent-host", "partition")
def a_verdict_frees_no_leases(right: Code, strike: Strike) -> Code:
    """A member that is declared dead keeps its link, and what was lent over it."""

    def gone(links: Links, now: float, name: str) -> None:
        if links.get(name) is not None:
            strike()
        links._end_dial(name)
        links._timers.cancel(("dial", name))

    return gone


@bug(Session, "dead", "gone", "partition")
def silence_is_never_noticed(right: Code, strike: Strike) -> Code:
    """A stream without a byte for as long as you like is not given up."""

    def dead(session: Session, now: float) -> Any:
        why = right(session, now)
        if why == "silent":
            strike()
            return None
        return why

    return dead


@bug(Links, "_redial", "flapping-link", "partition")
def a_broken_dial_is_not_repeated(right: Code, strike: Strike) -> Code:
    """A node that could not be reached once is not dialled again for what waits."""

    def redial(links: Links, now: float, name: str) -> None:
        strike()
        links._timers.arm(("dial", name), now + 1e9)

    return redial


@bug(Links, "superseded", "late-finish", "crash-storm")
def a_link_to_an_earlier_start_stays(right: Code, strike: Strike) -> Code:
    """The link to a process stays when a later start of its node is known."""

    def superseded(links: Links, now: float, name: str, epoch: Any) -> None:
        link = links.get(name)
        if link is not None and link.epoch < epoch:
            strike()

    return superseded


@bug(Exchange, "ended", "flapping-link", "crash-storm")
def an_ended_session_keeps_its_outbox(right: Code, strike: Strike) -> Code:
    """Frames that were to leave on a link that broke leave on the next one."""

    def ended(exchange: Exchange, peer: str) -> Any:
        found = exchange._registry.peers.get(peer)
        kept = found.outbox[:] if found is not None else []
        messages = right(exchange, peer)
        if kept and found is not None:
            strike()
            found.outbox[:0] = kept
        return messages

    return ended


@bug(Exchange, "began", "flapping-link", "partition", "lossy")
def a_new_session_does_not_end_the_old_one(right: Code, strike: Strike) -> Code:
    """A session that begins while an earlier one is still held goes on with its leases and credit."""

    def began(exchange: Exchange, peer: str, epoch: Any) -> None:
        found = exchange._registry.peer(peer)
        if found.session:
            strike()
            found.session = False
        right(exchange, peer, epoch)

    return began


@bug(Exchange, "_idle", "flapping-link", "crash-storm", "mixed")
def fins_are_no_reason_to_dial(right: Code, strike: Strike) -> Code:
    """A link is closed, or not dialled, while FINs wait to be acknowledged (pitfall 15)."""

    def idle(exchange: Exchange, peer: Any) -> Any:
        held = [source for source in peer.sources.values() if source.fins]
        logs = [source.fins.logs for source in held]
        for source in held:
            source.fins.logs = {}
        quiet = right(exchange, peer)
        for source, kept in zip(held, logs, strict=True):
            source.fins.logs = kept
        if quiet and held:
            strike()
        return quiet

    return idle


@bug(Topic, "__init__", "late-finish", "crash-storm")
def numbers_are_used_again_after_a_restart(right: Code, strike: Strike) -> Code:
    """The log of a topic is named without the epoch of the start that opened it: a restart counts from 1 again."""

    def init(topic: Topic, *of: Any) -> None:
        strike()
        *before, epoch, first = of
        right(topic, *before, type(epoch)(1, 1), first)

    return init


@bug(Log, "settle", "calm", "full")
def a_batch_goes_when_one_channel_has_it(right: Code, strike: Strike) -> Code:
    """A batch leaves memory when the first channel has finished it."""

    def settle(log: Log, batch: Any, messages: int) -> None:
        if len(log.cursors) > 1 and batch.open > messages:
            strike()
            messages = batch.open
        if batch.open:
            right(log, batch, messages)

    return settle


@bug(Intake, "close_batches", "rolling-restart", "mixed", "calm")
def a_batch_of_several_publishes_is_confirmed_as_one(right: Code, strike: Strike) -> Code:
    """Of several publishes that became one batch each is told the first number of the batch."""

    def close_batches(intake: Intake) -> None:
        before = len(intake._accepted)
        right(intake)
        firsts: dict[Any, int] = {}
        for at in range(before, len(intake._accepted)):
            one = intake._accepted[at]
            if firsts.setdefault(one.log, one.first) != one.first:
                strike()
            intake._accepted[at] = one._replace(first=firsts[one.log])

    return close_batches


@bug(Intake, "_check_room", "full")
def a_full_node_takes_more(right: Code, strike: Strike) -> Code:
    """The limits on messages and bytes are not looked at."""

    def check_room(intake: Intake, *_: Any) -> None:
        strike()

    return check_room


@bug(Windows, "evict_oldest", "full")
def a_full_node_drops_a_confirmed_batch(right: Code, strike: Strike) -> Code:
    """To make room a node drops its oldest batch, whether everybody has finished it or not."""

    def evict_oldest(windows: Windows) -> Any:
        log = windows._oldest()
        if log is not None and log.window[0].open:
            strike()
            batch = log.window[0]
            for cursor in log.cursors:
                cursor.finish(batch.first, batch.stop)
        return right(windows)

    return evict_oldest


@bug(Windows, "keep", "full")
def the_window_has_no_bound(right: Code, strike: Strike) -> Code:
    """Recent batches are kept for late channels without a limit in bytes."""

    def keep(windows: Windows, log: Log, batch: Any) -> None:
        size_bytes = log.window_bytes
        log.window_bytes, windows.size_bytes = -(1 << 40), windows.size_bytes - (1 << 40)
        right(windows, log, batch)
        strike()
        log.window_bytes += size_bytes + (1 << 40)
        windows.size_bytes += 1 << 40

    return keep


@bug(Broker, "messages_left", "rolling-restart", "drain-killed")
def a_drain_counts_what_waits_only(right: Code, strike: Strike) -> Code:
    """A node that drains says "nothing left" while messages are with consumers or deferred."""

    def messages_left(broker: Broker) -> int:
        cursors = [cursor for channel in broker._registry.channels.values() for cursor in channel.cursors.values()]
        waiting = sum(cursor.returned.messages for cursor in cursors)
        waiting += sum(ahead(cursor) for cursor in cursors if not cursor.held and (cursor.batch or cursor.hungry))
        if waiting != right(broker):
            strike()
        return waiting

    return messages_left


@bug(Opening, "refusing", "rolling-restart", "drain-killed")
def a_draining_node_takes_publishes(right: Code, strike: Strike) -> Code:
    """A node that is about to leave goes on accepting messages."""

    def refusing(opening: Opening) -> str:
        code = str(right(opening))
        if code == "DRAINING":
            strike()
            return ""
        return code

    return refusing


@bug(Broker, "wall", "wrong-clocks")
def deferred_messages_wait_by_the_wall_clock(right: Code, strike: Strike) -> Code:
    """When the wall clock jumps, what is deferred moves with it."""

    def wall(broker: Broker, now: float, wall_ns: int) -> None:
        right(broker, now, wall_ns)
        before = walls.get(id(broker))
        walls[id(broker)] = wall_ns / 1e9 - now
        jump_s = walls[id(broker)] - before if before is not None else 0.0
        for channel in broker._registry.channels.values() if abs(jump_s) > 0.01 else ():
            for cursor in channel.cursors.values():
                if cursor.deferred:
                    strike()
                    cursor.deferred = [(due - jump_s, serial, extent) for due, serial, extent in cursor.deferred]
                    broker._turn.timers.arm(cursor, cursor.deferred[0][0])

    walls: dict[int, float] = {}
    return wall


@bug(Reception, "buffered", "slow", "full", "mixed")
def a_blocked_transport_is_written_to(right: Code, strike: Strike) -> Code:
    """What a transport holds is not looked at: extents leave the broker whether or not the link takes them."""

    def buffered(reception: Reception, number: int, size_bytes: int) -> None:
        strike()

    return buffered


@bug(Streams, "accept", "calm", "mixed")
def an_accepted_stream_may_say_nothing_for_ever(right: Code, strike: Strike) -> Code:
    """A stream whose hello never comes is kept."""

    def accept(streams: Streams, now: float, source: Any) -> Any:
        stream = right(streams, now, source)
        streams._timers.cancel(stream.number)
        strike()
        return stream

    return accept

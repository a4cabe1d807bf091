"""Wrong rules of names: generations, tombstones, interest, announcements, barriers, catalogs of newcomers."""

from __future__ import annotations

from typing import Any

from meshq.broker import beginning, channel
from meshq.broker.existence import Existence
from meshq.broker.log import Log
from meshq.engine.from_routing import FromRouting
from meshq.engine.opening import Opening
from meshq.routing.announce import Announcer
from meshq.routing.barrier import Barriers
from meshq.routing.bootstrap import Bootstrap
from meshq.routing.catalog import Catalog
from meshq.routing.exchange import Exchange
from meshq.routing.interest import Holding, Interest
from meshq.routing.repair import Repairs
from meshq.routing.routing import Routing
from tests.simulations.mutations.bug import Code, Strike, bug


@bug(Catalog, "_merge_topic", "split-catalog")
def a_tombstone_beats_a_later_generation(right: Code, strike: Strike) -> Code:
    """A delete wins over a use that came after it: what is dead stays dead whatever its generation."""

    def merge(catalog: Catalog, now: float, record: Any) -> Any:
        topic = catalog.topics.get(record.topic)
        if topic is not None and topic.dead and not record.dead and record.generation > topic.generation:
            strike()
            return True
        return right(catalog, now, record)

    return merge


@bug(Catalog, "_merge_topic", "split-catalog")
def alive_beats_a_tombstone_of_its_generation(right: Code, strike: Strike) -> Code:
    """At the same generation the account that is alive wins over the tombstone."""

    def merge(catalog: Catalog, now: float, record: Any) -> Any:
        topic = catalog.topics.get(record.topic)
        if topic is not None and topic.generation == record.generation and topic.dead != record.dead:
            strike()
            if record.dead:
                return True
            topic.generation -= 1
        return right(catalog, now, record)

    return merge


@bug(Catalog, "merge", "split-catalog", "wrong-clocks")
def names_are_merged_by_time(right: Code, strike: Strike) -> Code:
    """Of two accounts of a name the one that is younger by its age wins, not the higher generation."""

    def merge(catalog: Catalog, now: float, record: Any) -> Any:
        topic = catalog.topics.get(record.topic)
        if not record.channel and topic is not None and now - record.age_ms / 1000 < topic.since:
            if (record.generation, record.dead) > (topic.generation, topic.dead):
                strike()
            return True
        return right(catalog, now, record)

    return merge


@bug(Catalog, "use_topic", "split-catalog", "full")
def a_use_after_a_delete_opens_the_same_generation(right: Code, strike: Strike) -> Code:
    """A deleted topic that is used again gets the generation that it had."""

    def use_topic(catalog: Catalog, now: float, name: str) -> Any:
        topic = catalog.topics.get(name)
        if topic is not None and topic.dead:
            strike()
            topic.generation -= 1
        return right(catalog, now, name)

    return use_topic


@bug(Catalog, "_bury", "full")
def tombstones_have_no_bound(right: Code, strike: Strike) -> Code:
    """Deleted names are remembered without a limit."""

    def bury(catalog: Catalog, topic: str, channel: str, since: float) -> None:
        catalog._tombstones.arm((topic, channel), since + catalog._config.tombstone_s)
        if len(catalog._tombstones) > catalog._config.tombstones_max:
            strike()

    return bury


@bug(Interest, "mask", "refutation", "partition")
def the_interest_of_the_dead_is_deleted(right: Code, strike: Strike) -> Code:
    """Who is held dead loses its entries, and nobody tells them again when it refutes in the same epoch."""

    def mask(interest: Interest, name: str) -> None:
        right(interest, name)
        holding = interest._holdings.get(name)
        if holding is not None and holding.entries:
            strike()
            interest.pairs -= len(holding.entries)
            holding.entries.clear()
            holding.hash = 0

    return mask


@bug(Interest, "show", "crash-storm", "rolling-restart")
def a_new_epoch_keeps_the_old_interest(right: Code, strike: Strike) -> Code:
    """A restarted node is taken to consume what its earlier start did, in the versions of that."""

    def show(interest: Interest, name: str, epoch: Any) -> None:
        holding = interest._holdings.get(name)
        if holding is not None and holding.epoch != epoch and holding.entries:
            strike()
            holding.epoch = epoch
        right(interest, name, epoch)

    return show


@bug(Holding, "put", "subscribing", "churn", "lossy")
def interest_that_ends_is_not_taken_in(right: Code, strike: Strike) -> Code:
    """A node that has no consumers any more is still taken to have some."""

    def put(holding: Holding, key: Any, consumers: int, version: int) -> Any:
        if not consumers:
            strike()
            return 0
        return right(holding, key, consumers, version)

    return put


@bug(Announcer, "_retry", "subscribing", "lossy")
def announcements_are_sent_once(right: Code, strike: Strike) -> Code:
    """News that a member did not acknowledge are not sent again."""

    def retry(announcer: Announcer, now: float, peer: Any) -> None:
        strike()

    return retry


@bug(Interest, "apply", "subscribing", "lossy")
def deltas_are_taken_over_a_gap(right: Code, strike: Strike) -> Code:
    """Part of a map is taken though what comes before it was lost."""

    def apply(interest: Interest, name: str, epoch: Any, floor: int, start: int, stop: int, entries: Any) -> Any:
        holding = interest.holding(name, epoch)
        if holding is not None and start > holding.version:
            strike()
            start = holding.version
        return right(interest, name, epoch, floor, start, stop, entries)

    return apply


@bug(Repairs, "differs", "lossy", "partition")
def heads_that_differ_are_not_repaired(right: Code, strike: Strike) -> Code:
    """The heads that gossip carries are compared and nothing follows."""

    def differs(repairs: Repairs, peer: Any) -> bool:
        if right(repairs, peer):
            strike()
        return False

    return differs


@bug(Barriers, "begin", "subscribing", "calm")
def the_barrier_returns_at_once(right: Code, strike: Strike) -> Code:
    """`subscribe` says that all have acknowledged the channel before any has."""

    def begin(barriers: Barriers, now: float, token: int, barrier: Any, timeout_s: float) -> None:
        for name in list(barrier.knows):
            if barrier.knows[name] is None:
                strike()
                barrier.answer(name, True)
        right(barriers, now, token, barrier, timeout_s)

    return begin


@bug(Barriers, "acked", "subscribing", "lossy")
def any_acknowledgement_ends_a_barrier(right: Code, strike: Strike) -> Code:
    """An acknowledgement counts for the channel whatever version it names."""

    def acked(barriers: Barriers, name: str, version: int, refused: int) -> None:
        if any(barrier.target > version for barrier in barriers._barriers.values()):
            strike()
        right(barriers, name, 1 << 62, refused)

    return acked


@bug(Exchange, "_acknowledgements", "subscribing", "first-channels")
def channels_are_acknowledged_before_they_are_known(right: Code, strike: Strike) -> Code:
    """A node acknowledges the newest version it has heard of, also beyond a gap."""

    def acknowledgements(exchange: Exchange) -> Any:
        for name in exchange._acks:
            peer = exchange._peers.get(name)
            holding = exchange._interest.holding(name, peer.epoch) if peer is not None else None
            if peer is not None and holding is not None and peer.head.interest_version > holding.version:
                strike()
                holding.version = peer.head.interest_version
        return right(exchange)

    return acknowledgements


@bug(Bootstrap, "part", "long-catalog", "crash-storm")
def a_newcomer_serves_with_the_first_part(right: Code, strike: Strike) -> Code:
    """A node is ready with the first part of a catalog, whoever sent it."""

    def part(bootstrap: Bootstrap, now: float, packet: Any) -> Any:
        taken = right(bootstrap, now, packet)
        if not bootstrap.ready:
            strike()
        bootstrap.ready = True
        return taken

    return part


@bug(Opening, "ready", "rolling-restart", "drain-killed", "crash-storm")
def a_newcomer_serves_without_a_catalog(right: Code, strike: Strike) -> Code:
    """A node accepts publishes at once, before it knows what the mesh knows."""

    def ready(opening: Opening) -> bool:
        if not right(opening):
            strike()
        return True

    return ready


@bug(channel, "begin", "lossy", "split-catalog", "first-channels")
def a_late_channel_begins_now(right: Code, strike: Strike) -> Code:
    """A channel heard of late begins at the next message, not as far back as it is old: no window."""

    def begin(log: Log, cursor: Any, age_s: float, *, exact: bool) -> None:
        if log.cursors and not exact:
            strike()
            log.grace.born_at = None
            exact = True
        right(log, cursor, age_s, exact=exact)

    return begin


@bug(channel, "begin", "first-channels")
def only_the_first_channel_gets_the_backlog(right: Code, strike: Strike) -> Code:
    """The channel that an origin hears of first takes the backlog, one created with it begins at its own birth."""

    def begin(log: Log, cursor: Any, age_s: float, *, exact: bool) -> None:
        if log.cursors and log.grace.born_at is not None:
            strike()
            log.grace.born_at = None
        right(log, cursor, age_s, exact=exact)

    return begin


@bug(beginning, "_begin_first", "first-channels")
def the_backlog_is_not_kept_for_the_second(right: Code, strike: Strike) -> Code:
    """What the first channel has finished of the backlog is dropped, though a channel created with it is on its way."""

    def begin_first(log: Log, born_at: float) -> Any:
        since = right(log, born_at)
        if log.grace.held or log.grace.until:
            strike()
        log.grace.end()
        return since

    return begin_first


@bug(Existence, "interest", "calm", "lossy")
def interest_heard_before_its_channel_is_forgotten(right: Code, strike: Strike) -> Code:
    """A broker that hears who consumes a channel before it hears of the channel does not remember it."""

    def interest(existence: Existence, topic: str, channel: str, peers: Any) -> None:
        right(existence, topic, channel, peers)
        if existence._interest.pop((topic, channel), None):
            strike()

    return interest


@bug(Routing, "member_down", "gone", "crash-storm")
def the_dead_go_on_consuming(right: Code, strike: Strike) -> Code:
    """The interest of a dead member still counts."""

    def member_down(routing: Routing, now: float, name: str) -> None:
        routing._stir(now)
        strike()
        routing._peers.down(name)
        routing._barriers.gone(name)
        routing._announcer.left(name)
        routing._repairs.left(name)

    return member_down


@bug(FromRouting, "tell", "deleted-across")
def what_came_after_a_delete_is_dropped_with_it(right: Code, strike: Strike) -> Code:
    """A delete takes along what was accepted after it, on the far side of a partition."""

    def tell(from_routing: FromRouting, now: float, effects: Any) -> None:
        if any(getattr(effect, "age_s", 0) > 0 and type(effect).__name__ == "TopicEnded" for effect in effects):
            strike()
        for effect in effects:
            from_routing._tell(now, effect)

    return tell

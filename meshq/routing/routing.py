"""Routing: which topics and channels exist, and which node consumes what, the same at every node in the end.

Composed of the catalog, everybody's interest, the announcer that tells the others, the barriers that wait for
them, the repairs that notice what was not heard, the bootstrap that fills a newcomer, the changes that the broker is
told and the head that gossip spreads. What is decided here is only who hears of what, in which order: names before
interest before acknowledgements, so that a node that acknowledged a channel has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshq.config import Config
from meshq.errors import Overloaded
from meshq.machine.effects import Address
from meshq.machine.rng import Rng
from meshq.machine.store import LogKept, Put
from meshq.names import Epoch, check_channel, check_topic, is_ephemeral
from meshq.routing import kept
from meshq.routing.announce import Announcer
from meshq.routing.barrier import Barrier, Barriers
from meshq.routing.bootstrap import Bootstrap
from meshq.routing.catalog import USED, Catalog
from meshq.routing.changes import Changes
from meshq.routing.counters import Counters
from meshq.routing.effects import HeadMoved, InterestChanged, Kept, RoutingEffect
from meshq.routing.ephemeral import Ephemerals, is_fleeting
from meshq.routing.exchange import Exchange
from meshq.routing.head import OwnHead
from meshq.routing.interest import Interest
from meshq.routing.peers import NEVER, Arrival, Peers
from meshq.routing.repair import Repairs
from meshq.routing.settings import stamped
from meshq.routing.view import View
from meshq.wire import interest as wire
from meshq.wire.gossip import Head
from meshq.wire.interest import CONSUMERS_MAX


class Routing:
    """The catalog and the interest of the mesh, as one node has them."""

    def __init__(self, config: Config, epoch: Epoch, rng: Rng) -> None:
        self._config = config.routing
        self._name = config.name
        self._now = 0.0
        self._stirred = False
        self._due: float | None = None
        self._wall_offset_ms = 0.0
        self._keeps = False
        self.counters = Counters()
        self._peers = Peers()
        self._catalog = Catalog(config.routing, self.counters)
        self._interest = Interest(config.routing, self.counters)
        self._index = self._interest.index
        self._ephemerals = Ephemerals(config.routing, self._index, self.counters)
        self._barriers = Barriers()
        self._bootstrap = Bootstrap(config.name, epoch, rng, config.membership.alone_after_s)
        self._repairs = Repairs(config.routing, rng, self._peers, self._catalog, self._interest)
        self._announcer = Announcer(
            config.routing, config.name, epoch, self._peers, self._catalog, self._ephemerals, self.counters
        )
        self._news = self._announcer.news
        self._changes = Changes(self._catalog, self._ephemerals, self._index)
        self._head = OwnHead(config.routing.repair_quiet_s, self._news, self._catalog)
        self._exchange = Exchange(
            config.routing, config.name, epoch, peers=self._peers, catalog=self._catalog, interest=self._interest,
            announcer=self._announcer, barriers=self._barriers, bootstrap=self._bootstrap, counters=self.counters,
        )  # fmt: skip
        self._view = View(config.name, self._catalog, self._ephemerals, self._interest, self._news)

    # names

    def known(self, topic: str, channel: str | None = None) -> int | None:
        """The generation in which the topic, or its channel, is alive; None when it does not exist."""
        if is_fleeting(topic, channel or ""):
            return self._ephemerals.known(topic, channel or "")
        return self._catalog.known(topic, channel or "")

    def deleted(self, topic: str, channel: str) -> bool:
        """Whether that channel is known to have been deleted, by itself or with its topic, and not used since.

        False for one never heard of, and for ephemeral ones, which end by themselves.
        """
        return not is_fleeting(topic, channel) and self._catalog.deleted(topic, channel)

    def use_topic(self, now: float, topic: str) -> int:
        """A caller uses the topic: it exists from now on. Returns its generation.

        Raises InvalidName, or Overloaded (topics_max, generations_max); nothing was created then.
        """
        found = self._catalog.known(topic)
        if found is not None:
            return found
        self._stir(now)
        check_topic(topic)
        if is_ephemeral(topic):
            generation = self._ephemerals.use_topic(now, topic, self._catalog.alive)
        else:
            generation = self._catalog.use_topic(now, topic)
            self._news.note(topic, "")
        self._changes.absorb(now)
        return generation

    def use_channel(self, now: float, topic: str, channel: str, values: dict[str, Any] | None = None) -> int:
        """A caller uses the channel, and with it the topic. Returns the channel's generation.

        One that is new is set by ``values`` from its birth on, unless it is ephemeral: those have no settings.
        Raises InvalidName, or Overloaded (topics_max, channels_max, generations_max). An ephemeral channel
        that is refused may leave its topic behind.
        """
        found = self._catalog.known(topic, channel)
        if found is not None:
            return found
        self._stir(now)
        check_topic(topic)
        check_channel(channel)
        if is_fleeting(topic, channel):
            self.use_topic(now, topic)
            generation = self._ephemerals.use_channel(now, topic, channel)
        else:
            settings = stamped({}, values, self._wall_ms(now)) if values else {}
            generation = self._catalog.use_channel(now, topic, channel, settings)
            self._news.note(topic, channel)
        self._changes.absorb(now)
        return generation

    def delete_topic(self, now: float, topic: str) -> bool:
        """Delete the topic and all its channels, everywhere; False when it was not there.

        An ephemeral topic can't be deleted: it ends by itself once its consumers are gone.
        """
        self._stir(now)
        deleted = self._catalog.delete_topic(now, topic)
        if deleted:
            self._news.note(topic, "")
            self._changes.absorb(now)
        return deleted

    def delete_channel(self, now: float, topic: str, channel: str) -> bool:
        """Delete the channel, everywhere; False when it was not there (or is ephemeral, as above)."""
        self._stir(now)
        deleted = self._catalog.delete_channel(now, topic, channel)
        if deleted:
            self._news.note(topic, channel)
            self._changes.absorb(now)
        return deleted

    def configure(self, now: float, topic: str, channel: str, values: dict[str, Any]) -> bool:
        """Set a topic, or its channel, everywhere: per setting the last writer wins; None takes one back.

        False when it does not exist, or lives in interest alone: #ephemeral names have no settings.
        """
        self._stir(now)
        if not self._catalog.configure(topic, channel, values, self._wall_ms(now)):
            return False
        self._news.note(topic, channel)
        self._changes.absorb(now)
        return True

    def idle_s(self, now: float, topic: str) -> float:
        """How long ago anybody said that the topic is used, its birth included; 0 for an ephemeral or unknown one."""
        if self._catalog.known(topic) is None:
            return 0.0
        wall_ms = self._wall_ms(now)
        return max(0.0, wall_ms - self._catalog.used_ms(now, topic, wall_ms)) / 1000

    def still_used(self, now: float, topic: str) -> None:
        """Say that the topic is used: it is not to go by itself."""
        self.configure(now, topic, "", {USED: None})

    def end_unused(self, now: float, topic: str) -> None:
        """The topic goes by itself, everywhere. Nothing that a node accepted is dropped by it."""
        self._stir(now)
        if self._catalog.end_unused(now, topic):
            self._news.note(topic, "")
            self._changes.absorb(now)

    def settings(self, topic: str, channel: str = "") -> dict[str, Any]:
        """How a topic or channel is set: name to plain value; nothing for one that does not exist."""
        return {} if self._catalog.known(topic, channel) is None else self._catalog.settings(topic, channel)

    def channels(self, topic: str) -> list[str]:
        """The channels that the topic has, ephemeral ones too; sorted."""
        return self._view.channels(topic)

    def wall(self, now: float, wall_ns: int) -> None:
        """It is ``wall_ns`` since 1970 now; only the stamps of settings and the store need it."""
        self._wall_offset_ms = wall_ns / 1e6 - now * 1000

    def recover(self, now: float, puts: list[Put], logs: list[LogKept]) -> None:
        """There is a store, and this is what it kept: names, and logs, which prove that their names are in use."""
        self._stir(now)
        self._keeps = True
        for record in kept.records(puts, logs, self._wall_ms(now)):
            self._catalog.merge(now, record)
        self._changes.absorb(now)

    def expect_catalog(self, now: float) -> None:
        """The node starts with seeds: until the mesh's catalog is here, or nobody had one, its own is nothing."""
        self._bootstrap.begin(now)

    def raise_epoch(self, epoch: Epoch) -> None:
        """Before anything was told: the mesh remembers a later start of this name, so it begins with ``epoch``."""
        for part in (self._bootstrap, self._announcer, self._exchange, self._exchange.comparison):
            part.epoch = epoch

    # interest

    def consumers(self, now: float, topic: str, channel: str, count: int) -> None:
        """This node has ``count`` consumers on the channel from now on; all members are told.

        Raises Overloaded (interest_max), InvalidName; the count is as before then.
        """
        self._stir(now)
        key, count = (topic, channel), min(count, CONSUMERS_MAX)
        if self._news.consumers(key) == count:
            return
        if not self._news.consumers(key):
            check_topic(topic)
            check_channel(channel)
            if len(self._news) >= self._config.interest_max:
                raise Overloaded(f"this node consumes {len(self._news)} channels: interest_max", limit="interest_max")
        self._news.set_consumers(key, count)
        if count:
            self._index.add(key, self._name)
        else:
            self._index.remove(key, self._name)

    def interested(self, topic: str, channel: str) -> tuple[str, ...]:
        """The live nodes with consumers on the channel, this one included, sorted by name."""
        return self._index.interested((topic, channel))

    def barrier(self, now: float, token: int, topic: str, channel: str, timeout_s: float) -> None:
        """Wait until every member alive now knows the channel, ``timeout_s`` at most; ends in BarrierDone.

        The channel's record is told to all again: whoever acknowledges has it, whoever created it.
        """
        self._stir(now)
        target = self._news.version
        if not is_ephemeral(topic):
            target = self._news.note(topic, "" if is_fleeting(topic, channel) else channel)
        live = self._peers.live()
        waiting = [peer.name for peer in live if peer.acked < target]
        knows = [peer.name for peer in live if peer.acked >= target]
        self._barriers.begin(now, token, Barrier(target, waiting, knows), timeout_s)

    # members

    def member_up(self, now: float, name: str, epoch: Epoch, address: Address) -> None:
        """A member lives: its interest counts, and it is told ours. A later epoch voids what was known."""
        self._stir(now)
        if name == self._name:
            return
        arrival = self._peers.up(name, epoch, address)
        peer = self._peers.of(name, epoch)
        if arrival is Arrival.STALE or peer is None:
            return
        self._interest.show(name, epoch)
        if arrival is Arrival.NEW:
            self._barriers.gone(name)
        if arrival is not Arrival.SAME:
            self._announcer.joined(peer)
            self._repairs.look(now, peer, at_once=arrival is Arrival.RETURNED)

    def member_down(self, now: float, name: str) -> None:
        """A member is held dead: its interest is masked, and no barrier waits for it."""
        self._stir(now)
        self._peers.down(name)
        self._interest.mask(name)
        self._barriers.gone(name)
        self._announcer.left(name)
        self._repairs.left(name)

    def member_forgotten(self, now: float, name: str) -> None:
        """A member is gone for good, and its interest with it."""
        self.member_down(now, name)
        self._peers.forget(name)
        self._interest.forget(name)

    # heads

    def head(self, now: float, name: str, head: Head) -> None:
        """Gossip says what the member has; a difference that lasts is repaired."""
        self._stir(now)
        peer = self._peers.get(name)
        if peer is None:
            return
        peer.head = head
        self._repairs.look(now, peer)
        unheard = self._interest.version(name, peer.epoch) == 0 and peer.pulled_at == NEVER
        if peer.up and unheard and head.interest_version and not self._bootstrap.asking:
            self._exchange.ask_interest(now, peer)

    def own_head(self) -> Head:
        """What gossip is to say of this node; moves with HeadMoved."""
        return self._head.head

    # packets

    def packet(self, now: float, packet: list[Any], source_name: str | None, source: Address, via: int | None) -> None:
        """A packet of kind 32 to 63. Raises RemoteProtocolError for a malformed one, which changed nothing.

        The packet itself says who sent it; ``source_name`` and ``source`` are not needed (see ``exchange``).
        """
        self._stir(now)
        read = wire.decode(packet)
        if read is not None:
            self._exchange.take(now, read, via)
            self._changes.absorb(now)

    @property
    def ready(self) -> bool:
        """Whether the catalog of another member is here."""
        return self._bootstrap.ready

    def want_catalog(self, now: float, address: Address) -> None:
        """Ask the member at ``address`` for its catalog and interest; call again, or with another, until ready."""
        self._stir(now)
        self._exchange.want_catalog(now, address)

    # time and effects

    def tick(self, now: float) -> None:
        """Time passed: do what is due."""
        due = self.deadline()
        if due is None or now < due:
            return
        self._stir(now)
        self._catalog.tick(now)
        self._ephemerals.tick(now)
        self._barriers.tick(now)
        self._announcer.tick(now)
        self._exchange.tick(now)
        peer = self._repairs.due(now)
        if peer is not None:
            interest, catalog = self._repairs.interest_differs(peer), self._repairs.catalog_differs(peer)
            self._exchange.repair(now, peer, interest=interest, catalog=catalog)
        self._changes.absorb(now)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return self._next() if self._stirred else self._due

    def effects(self) -> list[RoutingEffect]:
        """End the turn: what came and went, who consumes what now, and only then packets."""
        if not self._stirred:
            return []
        now = self._now
        self._changes.absorb(now)
        changes = self._index.changes()
        self._changes.interest(now, changes, self._exchange.since)
        out: list[RoutingEffect] = self._rows(now) if self._catalog.touched else []
        out += self._changes.take()
        out += [InterestChanged(*key) for key in changes]
        out += self._barriers.done
        out += self._exchange.out(now)
        out += self._announcer.push(now)
        self._barriers.done = []
        self._repairs.moved(now)
        if self._head.move(now):
            out.append(HeadMoved())
        self._stirred = False
        self._due = self._next()
        return out

    def topics(self, after: str = "", only: str = "") -> Iterator[dict[str, Any]]:
        """Topics with their channels and, per channel, how many consumers each node has: by name, those behind
        ``after``; ``only`` that one, if it is named. Made as they are taken."""
        return self._view.topics(after, only)

    def names(self) -> list[str]:
        """Every topic, sorted."""
        return self._view.names()

    def topic(self, topic: str) -> dict[str, Any] | None:
        """One of them; None when it does not exist."""
        return self._view.topic(topic)

    def consumers_at(self, name: str, topic: str, channel: str) -> int:
        """How many consumers another node has there as last heard, though it may be dead by now."""
        return self._interest.consumers(name, (topic, channel))

    # inside: what is kept

    def _wall_ms(self, now: float) -> int:
        return max(0, int(now * 1000 + self._wall_offset_ms))

    def _rows(self, now: float) -> list[RoutingEffect]:
        """What changed in the catalog, for the store."""
        touched, self._catalog.touched = self._catalog.touched, {}
        if not self._keeps:
            return []
        wall_ms = self._wall_ms(now)
        return [Kept(kept.to_put(*name, self._catalog.record(now, *name), wall_ms)) for name in touched]

    # inside: when

    def _next(self) -> float | None:
        deadlines = [
            self._catalog.deadline(),
            self._ephemerals.deadline(),
            self._barriers.deadline(),
            self._announcer.deadline(),
            self._repairs.deadline(),
            self._exchange.deadline(),
            self._head.deadline(),
        ]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _stir(self, now: float) -> None:
        """An input that may change something: until then a turn costs nothing, and most have none."""
        self._now = now
        self._stirred = True

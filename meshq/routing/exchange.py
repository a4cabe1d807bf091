"""What other nodes' packets do here, and what they are answered.

Who sent a packet is what it says, if membership knows that start of that node: the 64 random bits of its
epoch are proof enough that it is one of the mesh. Answers go to the member's own address, or back over the
stream, never to where a datagram claims to come from. ``packets`` collects them; acknowledgements are given
once a turn, after everything that they acknowledge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.config import RoutingConfig
from meshq.machine.effects import Address, ReplyPacket, SendPacket, StreamPacket
from meshq.names import Epoch
from meshq.routing.announce import Announcer
from meshq.routing.barrier import Barriers
from meshq.routing.bootstrap import Answers, Bootstrap, Map, catalog_parts
from meshq.routing.catalog import Catalog
from meshq.routing.counters import Counters
from meshq.routing.digest import Comparison
from meshq.routing.effects import PacketOut
from meshq.routing.ephemeral import is_fleeting
from meshq.routing.interest import Interest, Key, Outcome
from meshq.routing.peers import Peer, Peers
from meshq.wire import interest as wire
from meshq.wire.interest import (
    Announce,
    Announced,
    CatalogPart,
    CatalogPull,
    Digest,
    Entries,
    Entry,
    Packet,
    Pull,
    Record,
)

STRANGERS_KEPT_S: Final = 60.0
"""How long interest that a bootstrap told of waits for its node to become a member."""


class Exchange:
    """The conversation with the other nodes."""

    def __init__(
        self, config: RoutingConfig, name: str, epoch: Epoch, *, peers: Peers, catalog: Catalog, interest: Interest,
        announcer: Announcer, barriers: Barriers, bootstrap: Bootstrap, counters: Counters,
    ) -> None:  # fmt: skip
        self._config = config
        self._name = name
        self.epoch = epoch
        self._peers = peers
        self._catalog = catalog
        self._interest = interest
        self._announcer = announcer
        self._barriers = barriers
        self._bootstrap = bootstrap
        self._counters = counters
        self.comparison = Comparison(name, epoch, catalog)
        self._answers = Answers()
        self._acks: dict[str, int | None] = {}
        self._strangers_at: float | None = None
        self.packets: list[PacketOut] = []
        self.since: dict[Key, float] = {}
        """Ephemeral channels told of in this turn, with their birth."""
        self._takers: dict[type[Any], Callable[[float, Any, int | None], None]] = {
            Announce: self._announce,
            Announced: self._announced,
            Pull: self._pull,
            Digest: self._digest,
            Entries: self._entries,
            CatalogPull: self._catalog_pull,
            CatalogPart: self._catalog_part,
        }

    def take(self, now: float, packet: Packet, via: int | None) -> None:
        """One packet came, over the stream ``via`` or as a datagram."""
        self._takers[type(packet)](now, packet, via)

    def want_catalog(self, now: float, address: Address) -> None:
        """Ask for everything."""
        self.packets.append(StreamPacket(address, self._bootstrap.ask(now)))

    def ask_interest(self, now: float, peer: Peer, floor: int = 0, via: int | None = None) -> None:
        """Ask a member for what we lack of its interest."""
        peer.pulled_at = now
        self._counters.pulls += 1
        since = self._interest.since(peer.name, peer.epoch, floor)
        packet = wire.encode(Pull(self._name, self.epoch, peer.epoch, since))
        self.packets.append(SendPacket(peer.address, packet) if via is None else ReplyPacket(via, packet))

    def repair(self, now: float, peer: Peer, *, interest: bool, catalog: bool) -> None:
        """Ask a member whose head has differed for long enough."""
        if interest:
            self._interest.doubt(peer.name, peer.epoch, peer.head.interest_version)
            self.ask_interest(now, peer)
        if catalog:
            self._counters.repairs += 1
            self.packets.append(self.comparison.ask(peer))

    def out(self, now: float) -> list[PacketOut]:
        """The packets of this turn."""
        packets, self.packets = self.packets, []
        packets += self._acknowledgements()
        packets += self._answers.take(now)
        self.since.clear()
        return packets

    def tick(self, now: float) -> None:
        """Forget the interest of nodes that never became members."""
        if self._strangers_at is not None and now >= self._strangers_at:
            self._strangers_at = None
            for name in self._interest.strangers(peer.name for peer in self._peers):
                self._interest.forget(name)

    def deadline(self) -> float | None:
        """When there is more to send, or something to forget."""
        deadlines = (self._answers.deadline(), self._strangers_at)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # packets in

    def _sender(self, name: str, epoch: Epoch) -> Peer | None:
        peer = self._peers.of(name, epoch)
        self._counters.strangers += peer is None
        return peer

    def _announce(self, now: float, packet: Announce, via: int | None) -> None:
        peer = self._sender(packet.name, packet.epoch)
        if peer is None:
            return
        self._counters.announces_received += 1
        if not self._merge(now, packet.records):
            peer.refused = max(peer.refused, packet.stop)
        outcome = self._apply(now, packet.name, packet.epoch, packet.floor, packet.start, packet.stop, packet.entries)
        if outcome is Outcome.GAP:
            self._counters.gaps += 1
            if now - peer.pulled_at >= self._config.announce_retry_s:
                self.ask_interest(now, peer, packet.floor, via)
        elif peer.up:  # what a member held dead consumes is masked: to acknowledge it would be untrue
            self._acks[packet.name] = via

    def _announced(self, now: float, packet: Announced, via: int | None) -> None:
        peer = self._sender(packet.name, packet.epoch)
        if peer is None or packet.owner_epoch != self.epoch:
            return
        self._announcer.acked(now, peer, packet.version)
        if peer.up and packet.version <= self._announcer.news.version:
            self._barriers.acked(packet.name, packet.version, packet.refused)

    def _pull(self, now: float, packet: Pull, via: int | None) -> None:
        peer = self._sender(packet.name, packet.epoch)
        if peer is not None and packet.owner_epoch == self.epoch:
            self.packets += self._announcer.pulled(now, peer, packet.since, via)

    def _digest(self, now: float, packet: Digest, via: int | None) -> None:
        peer = self._sender(packet.name, packet.epoch)
        if peer is not None:
            self.packets += self.comparison.answer(now, peer, packet, via)

    def _entries(self, now: float, packet: Entries, via: int | None) -> None:
        peer = self._sender(packet.name, packet.epoch)
        if peer is not None:
            self._merge(now, packet.records)
            self.packets += self.comparison.close(now, peer, packet, via)

    def _catalog_pull(self, now: float, packet: CatalogPull, via: int | None) -> None:
        """Only over a stream: the answer is long, and a datagram's source may be forged."""
        if via is None:
            return
        settled = self._bootstrap.settled(now)
        parts = catalog_parts(packet.number, settled, self._catalog.records(now), self._maps(now))
        if self._answers.begin(via, parts):
            self._counters.catalogs_sent += 1
        else:
            self._counters.catalogs_refused += 1

    def _catalog_part(self, now: float, packet: CatalogPart, via: int | None) -> None:
        if not self._bootstrap.part(now, packet):
            return
        self._merge(now, packet.records)
        for name, epoch, floor, start, stop, entries in packet.shares:
            if name != self._name:
                self._apply(now, name, epoch, floor, start, stop, entries)
                if name not in self._peers and self._strangers_at is None:
                    self._strangers_at = now + STRANGERS_KEPT_S

    def _merge(self, now: float, records: list[Record]) -> bool:
        taken = True
        for record in records:
            if not is_fleeting(record.topic, record.channel):
                taken = self._catalog.merge(now, record) and taken
        return taken

    def _apply(
        self, now: float, name: str, epoch: Epoch, floor: int, start: int, stop: int, entries: list[Entry]
    ) -> Outcome:
        for entry in entries:
            if entry.age_ms:
                key, since = (entry.topic, entry.channel), now - entry.age_ms / 1000
                self.since[key] = min(since, self.since.get(key, since))
        return self._interest.apply(name, epoch, floor, start, stop, entries)

    def _acknowledgements(self) -> list[PacketOut]:
        """One per announcing member and turn: they are cumulative."""
        acks, self._acks = self._acks, {}
        out: list[PacketOut] = []
        for name, via in acks.items():
            peer = self._peers.get(name)
            if peer is not None:
                version = self._interest.version(name, peer.epoch)
                packet = wire.encode(Announced(self._name, self.epoch, peer.epoch, version, peer.refused))
                out.append(SendPacket(peer.address, packet) if via is None else ReplyPacket(via, packet))
        return out

    def _maps(self, now: float) -> list[Map]:
        """Everybody's interest, this node's own first."""
        news = self._announcer.news
        items = [self._announcer.entry(now, item) for item in news.since(0) if not item.use]
        own = [entry for entry in items if entry.consumers]
        maps: list[Map] = [(self._name, self.epoch, news.version, own)] if news.version else []
        for holding in self._interest.holdings():
            if holding.version:
                maps.append((holding.name, holding.epoch, holding.version, holding.listing()))
        return maps

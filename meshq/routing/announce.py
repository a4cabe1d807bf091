"""Announcing: this node's news pushed to every live member, in version order, until acknowledged.

Each change is pushed at once, to all: the barrier needs all of them to answer, so there is no cheaper set to
tell. What changed in one turn travels together, and bursts are paced (``announce_burst`` datagrams within
``announce_pace_s``), so that a mesh of a thousand takes 50 ms to tell and no socket buffer overflows. A member
that does not acknowledge is tried again for some seconds, then left to repair.

What is told and from which version on is decided here; what the versions are is ``news``.
"""

from __future__ import annotations

from typing import Final

from meshq.config import RoutingConfig
from meshq.machine.effects import ReplyPacket, SendPacket, StreamPacket
from meshq.machine.timers import Timers
from meshq.names import Epoch
from meshq.routing.catalog import Catalog
from meshq.routing.counters import Counters
from meshq.routing.effects import PacketOut
from meshq.routing.ephemeral import Ephemerals, is_fleeting
from meshq.routing.interest import Key
from meshq.routing.news import Item, News
from meshq.routing.peers import Peer, Peers
from meshq.wire import interest as wire
from meshq.wire.interest import Announce, Entry, Record
from meshq.wire.prefix import PACKET_BYTES_MAX

HEAD_BYTES: Final = 140
"""What an Announce takes beside entries and records."""
DATAGRAMS_MAX: Final = 8
"""News that need more datagrams than this go over a stream."""
STREAM_BYTES: Final = 48 * 1024
"""Of one packet on a stream."""
BACKOFF: Final = 1.5
PRUNE_S: Final = 5.0


class Pace:
    """How many datagrams may leave now."""

    def __init__(self, config: RoutingConfig) -> None:
        self._config = config
        self.ends_at = float("-inf")
        self._left = 0

    def room(self, now: float) -> bool:
        """Whether one may leave now; a new interval begins when the last one is over."""
        if now >= self.ends_at:
            self.ends_at = now + self._config.announce_pace_s
            self._left = self._config.announce_burst
        return self._left > 0

    def take(self, count: int) -> None:
        """So many left."""
        self._left -= count


class Announcer:
    """Keeps every live member up to date with this node's news."""

    def __init__(
        self, config: RoutingConfig, name: str, epoch: Epoch, peers: Peers, catalog: Catalog, ephemerals: Ephemerals,
        counters: Counters,
    ) -> None:  # fmt: skip
        self._config = config
        self._name = name
        self.epoch = epoch
        self._peers = peers
        self._catalog = catalog
        self._ephemerals = ephemerals
        self._counters = counters
        self._pace = Pace(config)
        self._unsent: dict[str, None] = {}
        self._told = 0
        self._prune_at: float | None = None
        self._retries: Timers[str] = Timers()
        self.news = News()

    def joined(self, peer: Peer) -> None:
        """A member lives (again): it is told what it has not acknowledged."""
        peer.sent = peer.acked
        if peer.acked < self.news.version:
            self._unsent[peer.name] = None

    def left(self, name: str) -> None:
        """A member does not live any more."""
        self._unsent.pop(name, None)
        self._retries.cancel(name)

    def acked(self, now: float, peer: Peer, version: int) -> None:
        """The member has everything up to ``version``."""
        if version <= peer.acked or version > self.news.version:
            return
        peer.acked = version
        peer.sent = max(peer.sent, version)
        self._begin_tries(peer)
        if version == self.news.version:
            self._retries.cancel(peer.name)
        elif peer.up:
            self._retries.arm(peer.name, now + peer.wait_s)

    def pulled(self, now: float, peer: Peer, since: int, via: int | None) -> list[PacketOut]:
        """The member asks for what follows ``since``: at once over its stream, else with the next push."""
        if since > self.news.version or not peer.up:
            return []
        peer.acked = peer.sent = since
        self._begin_tries(peer)
        if via is None:
            self._unsent[peer.name] = None
            return []
        self._sent(now, peer)
        return [ReplyPacket(via, packet) for packet in self._packets(now, since, STREAM_BYTES)]

    def push(self, now: float) -> list[PacketOut]:
        """What is to be sent now, as far as the pace allows."""
        if self.news.version > self._told:
            self._told = self.news.version
            self._unsent = dict.fromkeys(peer.name for peer in self._peers.live())
            if self.news.prunable and self._prune_at is None:
                self._prune_at = now + PRUNE_S
        out: list[PacketOut] = []
        made: dict[int, list[bytes]] = {}
        while self._unsent and self._pace.room(now):
            name = next(iter(self._unsent))
            del self._unsent[name]
            peer = self._peers.get(name)
            if peer is not None and peer.up and peer.sent < self.news.version:
                self._push_to(now, peer, made, out)
        return out

    def tick(self, now: float) -> None:
        """Send again what is overdue, and forget what everybody has."""
        for name in self._retries.due(now):
            peer = self._peers.get(name)
            if peer is not None and peer.up and peer.acked < self.news.version:
                self._retry(now, peer)
        if self._prune_at is not None and now >= self._prune_at:
            acked = [peer.acked for peer in self._peers.live()]
            self.news.prune(min(acked, default=self.news.version))
            self._prune_at = now + PRUNE_S if self.news.prunable else None

    def deadline(self) -> float | None:
        """When something is due; a paced push waits for its interval."""
        deadlines = [self._retries.deadline(), self._prune_at]
        if self._unsent:
            deadlines.append(self._pace.ends_at)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def entry(self, now: float, item: Item) -> Entry:
        """One line of this node's interest, as others are told it."""
        topic, channel = item.key
        return Entry(topic, channel, self.news.consumers(item.key), item.version, self._age_ms(now, item.key))

    def _age_ms(self, now: float, key: Key) -> int:
        if not is_fleeting(*key):
            return 0
        its = self._ephemerals.channels.get(key)
        return 0 if its is None else max(0, int((now - its.since) * 1000) + 1)

    def _push_to(self, now: float, peer: Peer, made: dict[int, list[bytes]], out: list[PacketOut]) -> None:
        packets = made.get(peer.sent)
        if packets is None:
            packets = made[peer.sent] = self._packets(now, peer.sent, PACKET_BYTES_MAX)
            if len(packets) > DATAGRAMS_MAX:
                packets = made[peer.sent] = self._packets(now, peer.sent, STREAM_BYTES)
        if len(packets[0]) <= PACKET_BYTES_MAX and len(packets) <= DATAGRAMS_MAX:
            out += [SendPacket(peer.address, packet) for packet in packets]
        else:
            out += [StreamPacket(peer.address, packet) for packet in packets]
        self._counters.announces_sent += len(packets)
        self._pace.take(len(packets))
        self._sent(now, peer)

    def _sent(self, now: float, peer: Peer) -> None:
        peer.sent = self.news.version
        if peer.name not in self._retries:
            self._begin_tries(peer)
            self._retries.arm(peer.name, now + peer.wait_s)

    def _begin_tries(self, peer: Peer) -> None:
        peer.tries, peer.wait_s = 1, self._config.announce_retry_s

    def _retry(self, now: float, peer: Peer) -> None:
        if peer.tries >= self._config.announce_tries:
            self._counters.announces_given_up += 1
            return
        peer.tries += 1
        peer.wait_s = min(peer.wait_s * BACKOFF, self._config.announce_retry_max_s)
        self._retries.arm(peer.name, now + peer.wait_s)
        self._counters.announces_repeated += 1
        peer.sent = peer.acked
        self._unsent[peer.name] = None

    # packets

    def _packets(self, now: float, since: int, size_bytes: int) -> list[bytes]:
        """Everything after ``since`` (or after 0 when removals since then are forgotten), cut by size."""
        start = since if since >= self.news.floor else 0
        room = size_bytes - HEAD_BYTES
        packets: list[bytes] = []
        entries: list[Entry] = []
        records: list[Record] = []
        used, stop = 0, start
        for item in self.news.since(start):
            line = self._line(now, item)
            size = _size(line)
            if used + size > room and used:
                packets.append(self._packet(start, stop, entries, records))
                start, used, entries, records = stop, 0, [], []
            if isinstance(line, Entry):
                entries.append(line)
            elif line is not None:
                records.append(line)
            used += size
            stop = item.version
        packets.append(self._packet(start, self.news.version, entries, records))
        return packets

    def _line(self, now: float, item: Item) -> Entry | Record | None:
        if not item.use:
            return self.entry(now, item)
        topic, channel = item.key
        # A channel that ended with its topic has no record of its own: the topic's says it all.
        return self._catalog.record(now, topic, channel) or self._catalog.record(now, topic)

    def _packet(self, start: int, stop: int, entries: list[Entry], records: list[Record]) -> bytes:
        return wire.encode(Announce(self._name, self.epoch, self.news.floor, start, stop, entries, records))


def _size(line: Entry | Record | None) -> int:
    if line is None:
        return 0
    return wire.entry_bytes(line) if isinstance(line, Entry) else wire.record_bytes(line)

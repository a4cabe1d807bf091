"""Comparing two catalogs by bucket, and exchanging what differs: three packets at most.

    we                                       they
    Digest: our 64 hashes          --->
                                   <---      Entries: their records of the buckets that differ, and their hashes
    Entries: ours, of the buckets  --->
    that differ even after merging

Nothing is remembered between packets: a lost one costs the repair, and there will be another.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshq.machine.effects import ReplyPacket, SendPacket, StreamPacket
from meshq.names import Epoch
from meshq.routing.announce import HEAD_BYTES, STREAM_BYTES
from meshq.routing.catalog import Catalog
from meshq.routing.effects import PacketOut
from meshq.routing.peers import Peer
from meshq.wire import interest as wire
from meshq.wire.interest import BUCKETS, Digest, Entries, Record
from meshq.wire.prefix import PACKET_BYTES_MAX

DIGEST_LINE_BYTES = 12


class Comparison:
    """This node's side of such an exchange."""

    def __init__(self, name: str, epoch: Epoch, catalog: Catalog) -> None:
        self._name = name
        self.epoch = epoch
        self._catalog = catalog

    def ask(self, peer: Peer) -> PacketOut:
        """Begin with ``peer``."""
        hashes = b"".join(hashed.to_bytes(8, "big") for hashed in self._catalog.buckets)
        return SendPacket(peer.address, wire.encode(Digest(self._name, self.epoch, hashes)))

    def answer(self, now: float, peer: Peer, packet: Digest, via: int | None) -> list[PacketOut]:
        """Their hashes came: give what we have in the buckets that differ."""
        ours = self._catalog.buckets
        digest = [
            (bucket, ours[bucket])
            for bucket in range(BUCKETS)
            if ours[bucket] != int.from_bytes(packet.buckets[8 * bucket : 8 * bucket + 8], "big")
        ]
        return self._entries(now, peer, digest, digest, via) if digest else []

    def close(self, now: float, peer: Peer, packet: Entries, via: int | None) -> list[PacketOut]:
        """Their records came and are merged: give ours where the hashes differ still."""
        differing = [(bucket, hashed) for bucket, hashed in packet.digest if self._catalog.buckets[bucket] != hashed]
        return self._entries(now, peer, differing, [], via) if differing else []

    def _entries(
        self, now: float, peer: Peer, buckets: list[tuple[int, int]], digest: list[tuple[int, int]], via: int | None
    ) -> list[PacketOut]:
        records = self._catalog.records(now, frozenset(bucket for bucket, _ in buckets))
        size_bytes = sum(map(wire.record_bytes, records)) + len(digest) * DIGEST_LINE_BYTES + HEAD_BYTES
        if via is None and size_bytes <= PACKET_BYTES_MAX:
            return [SendPacket(peer.address, wire.encode(Entries(self._name, self.epoch, digest, records)))]
        parts = list(cut(records, STREAM_BYTES))
        packets = [wire.encode(Entries(self._name, self.epoch, [], part)) for part in parts[:-1]]
        # The hashes come last: until all records are merged they differ for no reason.
        packets.append(wire.encode(Entries(self._name, self.epoch, digest, parts[-1])))
        if via is not None:
            return [ReplyPacket(via, packet) for packet in packets]
        return [StreamPacket(peer.address, packet) for packet in packets]


def cut(records: list[Record], size_bytes: int) -> Iterator[list[Record]]:
    """``records`` in parts of about that size; one empty part when there are none."""
    part: list[Record] = []
    used = 0
    for record in records:
        size = wire.record_bytes(record)
        if used + size > size_bytes and part:
            yield part
            part, used = [], 0
        part.append(record)
        used += size
    yield part

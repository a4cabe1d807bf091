"""The post of a node: gossip packets in and out, by datagram, by link, by short stream.

Decides which machine a packet is for (by its kind) and what carries one that must go out. Bad packets are
counted and cost nothing else. What packets say is the machines'.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.config import Config
from meshq.engine.counters import Counters
from meshq.engine.hearsay import Hearsay
from meshq.engine.links import Links
from meshq.engine.strangers import Strangers
from meshq.engine.streams import Streams
from meshq.errors import RemoteProtocolError
from meshq.machine.effects import Address, Effect, ReplyPacket, SendDatagram, SendPacket, StreamPacket
from meshq.membership.member import Member
from meshq.membership.membership import Membership
from meshq.routing.routing import Routing
from meshq.wire import strict
from meshq.wire.frames import Gossip
from meshq.wire.prefix import Datagrams

ROUTING_KIND: Final = 32
UNSEALED: Final = ("KEY", "BAD_SEAL")
CALL_KIND: Final = 64
"""The engine's own packet: [64, name, {}]: "I cannot dial you; please dial me"."""


class Post:
    """Where packets come in and leave."""

    def __init__(
        self,
        config: Config,
        datagrams: Datagrams,
        strangers: Strangers,
        streams: Streams,
        hearsay: Hearsay,
        links: Links,
        membership: Membership,
        routing: Routing,
        out: list[Effect],
        counters: Counters,
    ) -> None:
        self._name = config.name
        self._datagrams = datagrams
        self._strangers = strangers
        self._streams = streams
        self._links = links
        self._membership = membership
        self._routing = routing
        self._out = out
        self._names: dict[Address, str] = {}
        self._counters = counters
        self.hearsay = hearsay
        hearsay.on_packet = self.packet
        hearsay.on_trouble = membership.trouble_with

    def datagram(self, now: float, data: bytes, source: Address) -> None:
        """A UDP packet came."""
        try:
            packet = self._datagrams.unwrap(data)
        except RemoteProtocolError as exc:
            self._refuse(now, source, exc)
            return
        self.packet(now, packet, source, None)

    def _refuse(self, now: float, source: Address, error: RemoteProtocolError) -> None:
        if error.code == "REPLAY":
            self._counters.packets_replayed += 1
        elif error.code in UNSEALED:
            self._counters.packets_unsealed += 1
            self._strangers.refused(now, source, str(error))
        else:
            self._counters.packets_bad += 1

    def packet(self, now: float, data: bytes, source: Address, via: int | None) -> None:
        """A packet came, by datagram or on the stream ``via``."""
        try:
            packet = strict.decode(data)
            if type(packet) is not list or not packet or type(packet[0]) is not int:
                raise RemoteProtocolError("a packet is an array that starts with its kind", code="BAD_PACKET")
            kind = packet[0]
            if kind < ROUTING_KIND:
                self._membership.packet(now, packet, source, via)
            elif kind < CALL_KIND:
                self._routing.packet(now, packet, self._names.get(source), source, via)
            elif kind == CALL_KIND:
                self._called(now, packet, source, via)
        except RemoteProtocolError:
            self._counters.packets_bad += 1

    def _called(self, now: float, packet: list[Any], source: Address, via: int | None) -> None:
        """A member asks to be dialled."""
        name = packet[1] if len(packet) > 1 else None
        if type(name) is str and self._membership.knows(name, source, via):
            self._links.want(now, name)

    def send(self, now: float, effect: SendPacket | StreamPacket | ReplyPacket) -> None:
        """A machine's packet goes out."""
        match effect:
            case SendPacket(to, packet):
                self._out.append(SendDatagram(to, self._datagrams.wrap(packet)))
            case StreamPacket(to, packet):
                name = self._names.get(to)
                if name is None or not self._links.send(name, Gossip(packet)):
                    self.hearsay.send(now, to, packet)
            case ReplyPacket(via, packet):
                stream = self._streams.get(via)
                if stream is not None and not self._streams.reply(stream, Gossip(packet)):
                    self._counters.packets_dropped += 1

    def tell(self, now: float, to: Address, packet: bytes) -> None:
        """News for a member: by datagram, or over a stream when none come through to it."""
        if self._membership.blocked(self._names.get(to, "")):
            self.send(now, StreamPacket(to, packet))
        else:
            self.send(now, SendPacket(to, packet))

    def call(self, now: float, name: str) -> None:
        """We cannot dial that member: ask it to dial us."""
        member = self._membership.members.get(name)
        if member is not None:
            self._out.append(
                SendDatagram(member.address, self._datagrams.wrap(strict.encode([CALL_KIND, self._name, {}])))
            )

    def lives_at(self, member: Member) -> None:
        """A live member's address: what comes from there is from it. Bounded by the members known."""
        if self._names.get(member.address) != member.name:
            self._names = {address: name for address, name in self._names.items() if name != member.name}
            self._names[member.address] = member.name

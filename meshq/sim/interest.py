"""Membership and routing together, for many nodes: who consumes what, known to all, without engines and streams.

Decides what an engine would about the two: members that come and go are told to routing, its head is told to
membership, packets go by their kind. In a large mesh what is the same everywhere is there once (``Alike``): a packet is
decoded once, copies of one map share their entries, and no index is built. What is sent, and when, is the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from meshq.config import Config
from meshq.engine.post import ROUTING_KIND
from meshq.machine.effects import Address
from meshq.machine.rng import Rng
from meshq.membership.effects import HeadChanged, MemberChanged, MemberForgotten
from meshq.membership.member import Member
from meshq.membership.membership import Membership
from meshq.names import Epoch
from meshq.routing.effects import HeadMoved
from meshq.routing.interest import Holding, Interest
from meshq.routing.routing import Routing
from meshq.wire import interest as wire
from meshq.wire import strict
from meshq.wire.interest import Entry

DECODED_BYTES_MIN: Final = 400
"""Smaller packets are mostly for one node: they are not kept."""
CHANNEL: Final = "c"


class Alike:
    """What the nodes of one mesh have in common, by what it was made of."""

    def __init__(self) -> None:
        self._fields: dict[bytes, Any] = {}
        self._packets: dict[int, Any] = {}
        self._entries: dict[tuple[str, Epoch, int, int], Holding] = {}

    def decode(self, data: bytes) -> Any:
        """As ``strict.decode``; a large packet once for all who get it."""
        if len(data) < DECODED_BYTES_MIN:
            return strict.decode(data)
        if data not in self._fields:
            fields = self._fields[data] = strict.decode(data)
            self._packets[id(fields)] = wire.decode(fields) if fields[0] >= ROUTING_KIND else None
        return self._fields[data]

    def packet(self, fields: list[Any]) -> Any:
        """As ``wire.decode``."""
        found = self._packets.get(id(fields))
        return wire.decode(fields) if found is None else found

    def take(self, interest: Interest, holding: Holding, stop: int, entries: list[Entry]) -> None:
        """As ``Interest._take`` without the index: whoever is as far as another was has what it had then."""
        had, key = len(holding.entries), (holding.name, holding.epoch, holding.version, stop)
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = Holding(holding.name, holding.epoch)
            found.entries, found.hash = dict(holding.entries), holding.hash
            for topic, channel, consumers, version, _ in entries:
                if version > holding.version:
                    found.put((topic, channel), consumers, version)
        holding.entries, holding.hash, holding.version = found.entries, found.hash, stop
        interest.pairs += len(holding.entries) - had


class Consuming(Membership):
    """A member that consumes: its membership and its routing."""

    def __init__(
        self, config: Config, epoch: Epoch, rng: Rng, *, bound: Address, advertised: Address | None,
        alike: Alike | None = None,
    ) -> None:  # fmt: skip
        super().__init__(config, epoch, rng, bound=bound, advertised=advertised)
        self.routing = Routing(config, epoch, rng)
        self._at = 0.0
        self._alike = alike
        if alike is not None:
            interest = self.routing._interest
            interest._take = partial(alike.take, interest)  # type: ignore[method-assign]

    def packet(self, now: float, packet: bytes | list[Any], source: Address, via: int | None) -> None:
        assert isinstance(packet, list)
        self._at = now
        if packet[0] < ROUTING_KIND:
            super().packet(now, packet, source, via)
        elif self._alike is None:
            self.routing.packet(now, packet, None, source, via)
        else:
            routing = self.routing
            routing._stir(now)
            routing._exchange.take(now, self._alike.packet(packet), via)
            routing._changes.absorb(now)

    def tick(self, now: float) -> None:
        self._at = now
        super().tick(now)
        self.routing.tick(now)

    def deadline(self) -> float | None:
        both = (super().deadline(), self.routing.deadline())
        return min((due for due in both if due is not None), default=None)

    def effects(self) -> list[Any]:
        out: list[Any] = []
        while told := super().effects():
            out += told
            for effect in told:
                self._follow(effect)
            out += self._routed()
        return out + self._routed()

    def meet(self, now: float, members: list[Member]) -> None:
        """It has been in the mesh for long: it knows everybody."""
        self._at = now
        for member in members:
            self.routing.member_up(now, member.name, member.epoch, member.address)

    def consume(self, now: float, topics: list[str]) -> None:
        """It has consumers of these topics from now on."""
        self._at = now
        for topic in topics:
            self.routing.consumers(now, topic, CHANNEL, 1)

    def _follow(self, effect: Any) -> None:
        now = self._at
        match effect:
            case MemberChanged(member, _) if member.live:
                self.routing.member_up(now, member.name, member.epoch, member.address)
                self.routing.head(now, member.name, member.head)
            case MemberChanged(member, _):
                self.routing.member_down(now, member.name)
            case HeadChanged(member):
                self.routing.head(now, member.name, member.head)
            case MemberForgotten(name):
                self.routing.member_forgotten(now, name)
            case _:
                pass

    def _routed(self) -> list[Any]:
        effects = self.routing.effects()
        if any(type(effect) is HeadMoved for effect in effects):
            self.set_head(self._at, self.routing.own_head())
        return list(effects)

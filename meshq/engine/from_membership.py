"""Who is told what membership decides: members that came, went, died or were forgotten, and this node's own epoch.

Decides nothing of members; it says which of them count as up for links and names, and keeps in the store where they
lived and which epoch was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.broker.broker import Broker
from meshq.engine.departure import Departure
from meshq.engine.links import Links
from meshq.engine.opening import Opening
from meshq.engine.peers import forget_peer, keep_peer
from meshq.engine.post import Post
from meshq.machine import events
from meshq.machine.effects import Effect, Emit, ReplyPacket, Resolve, SendPacket, Stop, StreamPacket
from meshq.machine.store import Put
from meshq.membership import effects
from meshq.membership.member import Member, State
from meshq.names import Epoch
from meshq.routing.routing import Routing
from meshq.wire import strict

LIVE: Final = (State.ALIVE, State.SUSPECT)


class FromMembership:
    """To routing, the broker, the links, the post and the store."""

    def __init__(
        self,
        name: str,
        epoch: Epoch,
        routing: Routing,
        broker: Broker,
        links: Links,
        post: Post,
        opening: Opening,
        departure: Departure,
        out: list[Effect],
        emit: Callable[[events.Event], None],
    ) -> None:
        self._name = name
        self.epoch = epoch
        """This node's: raised when an earlier start of its name had a later one."""
        self._routing = routing
        self._broker = broker
        self._links = links
        self._post = post
        self._opening = opening
        self._departure = departure
        self._out = out
        self._emit = emit

    def tell(self, now: float, effect: Any) -> None:
        match effect:
            case SendPacket() | StreamPacket() | ReplyPacket():
                self._post.send(now, effect)
            case effects.MemberChanged(member, before):
                self._changed(now, member, before)
            case effects.HeadChanged(member):
                self._routing.head(now, member.name, member.head)
            case effects.EpochRaised(epoch):
                self._raise_epoch(epoch)
            case effects.MemberForgotten(name):
                self._broker.put(forget_peer(name))
                self._routing.member_forgotten(now, name)
                self._broker.peer_forgotten(now, name)
            case Emit(event):
                self._emit(event)
            case Resolve():
                self._out.append(effect)
            case Stop():
                self._departure.fenced(now, effect)

    def _changed(self, now: float, member: Member, before: State | None) -> None:
        if member.name == self._name:
            return
        if member.state in LIVE:
            self._up(now, member)
        elif before in LIVE or before is None:
            self._down(now, member)

    def _up(self, now: float, member: Member) -> None:
        name = member.name
        self._broker.put(keep_peer(member))
        self._post.lives_at(member)
        self._links.superseded(now, name, member.epoch)
        self._routing.member_up(now, name, member.epoch, member.address)
        self._routing.head(now, name, member.head)
        self._opening.check(now)

    def _down(self, now: float, member: Member) -> None:
        name = member.name
        self._links.gone(now, name)
        self._routing.member_down(now, name)
        if member.state is State.DEAD:
            self._broker.peer_died(now, name, member.epoch)
        self._opening.check(now)

    def _raise_epoch(self, epoch: Epoch) -> None:
        self.epoch = epoch
        self._broker.put(Put("epoch", "raised", strict.encode(epoch.ms)))
        self._routing.raise_epoch(epoch)
        self._broker.raise_epoch(epoch)

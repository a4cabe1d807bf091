"""One machine on a desk: inputs by hand, effects sorted by kind, packets decoded."""

from __future__ import annotations

from random import Random
from typing import Any

from meshq.config import Config, MembershipConfig, membership_profile
from meshq.machine.effects import Address, Emit, ReplyPacket, SendPacket, StreamPacket
from meshq.membership.member import Member, State
from meshq.membership.membership import Membership
from meshq.names import Epoch
from meshq.wire import gossip

HOME: Address = ("10.0.0.1", 4155)
EPOCH = Epoch(1000, 7)


def member(number: int, *, state: State = State.ALIVE, incarnation: int = 0, epoch: Epoch = EPOCH) -> Member:
    """Member ``m<number>`` at 10.0.1.<number>."""
    address = (f"10.0.{1 + number // 250}.{number % 250}", 4155)
    return Member(f"m{number}", address, epoch, incarnation=incarnation, state=state)


class Desk:
    """A machine, named ``home`` by default, that knows ``m1`` to ``m<others>``, or has seeds."""

    def __init__(
        self,
        others: int = 0,
        *,
        seeds: tuple[str, ...] = (),
        settings: MembershipConfig | str = "memberlist",
        bound: Address = HOME,
        advertised: Address | None = None,
        seed: int = 1,
        name: str = "home",
    ) -> None:
        """``settings`` may be the name of a profile."""
        membership = membership_profile(settings) if isinstance(settings, str) else settings
        config = Config(name=name, seeds=seeds, membership=membership)
        self.now = 100.0
        self.machine = Membership(config, EPOCH, Random(seed), bound=bound, advertised=advertised)
        if others:
            self.machine.prefill(self.now, [member(number) for number in range(1, others + 1)])
        self.machine.start(self.now)

    def sent(self) -> list[tuple[Address, Any]]:
        """The datagrams since the last call, decoded; other effects are dropped."""
        return [(e.to, gossip.decode(e.packet)) for e in self.machine.effects() if isinstance(e, SendPacket)]

    def streamed(self) -> list[tuple[Address, Any]]:
        """The stream packets since the last call, decoded; other effects are dropped."""
        return [(e.to, gossip.decode(e.packet)) for e in self.machine.effects() if isinstance(e, StreamPacket)]

    def replied(self) -> list[Any]:
        """The answers on streams since the last call, decoded; other effects are dropped."""
        return [gossip.decode(e.packet) for e in self.machine.effects() if isinstance(e, ReplyPacket)]

    def events(self) -> list[Any]:
        """The events since the last call; other effects are dropped."""
        return [e.event for e in self.machine.effects() if isinstance(e, Emit)]

    def hear(self, packet: bytes, source: Address, via: int | None = None) -> None:
        """A packet comes in."""
        self.machine.packet(self.now, packet, source, via)

    def tick(self) -> None:
        """Time passes to the next deadline."""
        due = self.machine.deadline()
        assert due is not None
        self.now = max(self.now, due)
        self.machine.tick(self.now)

    def run(self, for_s: float) -> list[Any]:
        """Time passes, each deadline served in time; returns all effects."""
        until = self.now + for_s
        effects = self.machine.effects()
        while (due := self.machine.deadline()) is not None and due <= until:
            self.tick()
            effects += self.machine.effects()
        self.now = until
        return effects


def held(desk: Desk, name: str = "m1") -> State:
    """How the machine holds a member now."""
    return desk.machine.members[name].state

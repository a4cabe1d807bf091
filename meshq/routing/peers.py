"""The other members, as routing sees them: who lives, what each has heard of us, what each says it has."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from meshq.machine.effects import Address
from meshq.names import Epoch
from meshq.wire.gossip import NO_HEAD, Head

NEVER: Final = float("-inf")


class Peer:
    """One start of one other member. What it has heard of us ends with its epoch."""

    __slots__ = (
        "acked", "address", "epoch", "head", "name", "pulled_at", "refused", "sent", "tries", "up", "wait_s",
    )  # fmt: skip

    def __init__(self, name: str, epoch: Epoch, address: Address) -> None:
        self.name = name
        self.epoch = epoch
        self.address = address
        self.up = True
        self.head: Head = NO_HEAD
        self.acked = 0
        """Version of our news that it has."""
        self.sent = 0
        """Version of our news that it has been sent; from ``acked`` up it may be lost."""
        self.tries = 0
        self.wait_s = 0.0
        self.pulled_at = NEVER
        """When we last asked it for its interest."""
        self.refused = 0
        """Version of *its* news up to which our limits kept something out."""


class Arrival(Enum):
    """What news that a member lives is."""

    NEW = auto()
    """A name, or a start of it, not known before."""
    RETURNED = auto()
    """The same start was held dead."""
    SAME = auto()
    STALE = auto()
    """An earlier start than the one known."""


class Peers:
    """Members by name: those held alive, and the dead not yet forgotten."""

    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def __contains__(self, name: str) -> bool:
        return name in self._peers

    def get(self, name: str) -> Peer | None:
        """The member of that name, alive or dead."""
        return self._peers.get(name)

    def of(self, name: str, epoch: Epoch) -> Peer | None:
        """The sender of a packet: only the start that membership told of counts."""
        peer = self._peers.get(name)
        return peer if peer is not None and peer.epoch == epoch else None

    def live(self) -> list[Peer]:
        """Those held alive."""
        return [peer for peer in self._peers.values() if peer.up]

    def up(self, name: str, epoch: Epoch, address: Address) -> Arrival:
        """The member lives. A later epoch begins anew, an earlier one is ignored."""
        peer = self._peers.get(name)
        if peer is None or epoch > peer.epoch:
            self._peers[name] = Peer(name, epoch, address)
            return Arrival.NEW
        if epoch < peer.epoch:
            return Arrival.STALE
        arrival = Arrival.SAME if peer.up else Arrival.RETURNED
        peer.up, peer.address = True, address
        return arrival

    def down(self, name: str) -> None:
        """The member is held dead."""
        peer = self._peers.get(name)
        if peer is not None:
            peer.up = False

    def forget(self, name: str) -> None:
        """The member is gone for good."""
        self._peers.pop(name, None)

"""What a node knows of a member, and which of two accounts of it holds.

Decides the order of accounts: a later epoch beats everything of an earlier one; within an epoch a leave is
final, then the higher incarnation wins, and at the same incarnation dead beats suspect beats alive (SWIM,
section 4.2; the epoch is ours). Only the owner raises its epoch or its incarnation, so a death is refuted by
its subject alone, and what left comes back by a new start only. Leaves to ``view`` what a change brings about.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from hashlib import blake2b
from typing import Any, TypeAlias
from zlib import crc32

from meshq.machine.effects import Address
from meshq.names import Epoch
from meshq.wire import gossip
from meshq.wire.gossip import BUCKETS, NO_HEAD, NO_OPTIONS, Claim, Head, Record


class State(IntEnum):
    """How a member is held. The numbers are the wire's, and their order is the order of precedence."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


Precedence: TypeAlias = tuple[int, int, bool, int, int]
"""(epoch ms, epoch nonce, left, incarnation, state): of two accounts of a name the greater holds."""


def precedence(epoch: Epoch, incarnation: int, state: int) -> Precedence:
    """Where an account stands in the order; equal means that it says the same."""
    return (epoch[0], epoch[1], state == State.LEFT, incarnation, state)


@dataclass(slots=True)
class Member:
    """One member as one node holds it. Never changed once built (``with_`` copies), so views may share it."""

    name: str
    address: Address
    epoch: Epoch
    http_port: int = 0
    nsq_port: int = 0
    incarnation: int = 0
    lag_ms: int = 0
    """How late it says that it reads; what others allow it for that is theirs (``View.allowance_s``)."""
    state: State = State.ALIVE
    version: str = ""
    zone: str = ""
    head: Head = NO_HEAD
    options: dict[str, Any] = field(default_factory=lambda: NO_OPTIONS)
    """For later versions; carried on."""
    since: float = field(default=0.0, compare=False)
    """When this view came to hold it in this state (the node's own monotonic seconds)."""
    live: bool = field(init=False, repr=False, compare=False)
    """Alive or suspect: probed, gossiped to, counted."""
    bucket: int = field(init=False, repr=False, compare=False)
    _mark: int = field(default=-1, init=False, repr=False, compare=False)
    _row: bytes = field(default=b"", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.live = self.state <= State.SUSPECT
        self.bucket = crc32(self.name.encode()) % BUCKETS

    @property
    def precedence(self) -> Precedence:
        """Where this account stands in the order."""
        return precedence(self.epoch, self.incarnation, self.state)

    @property
    def mark(self) -> int:
        """64 bits that stand for (name, epoch, incarnation, state) in digests; 0 when it is not live."""
        if self._mark < 0:
            text = f"{self.name} {self.epoch.ms} {self.epoch.nonce} {self.incarnation} {int(self.state)}"
            digest = blake2b(text.encode(), digest_size=8).digest()
            self._mark = int.from_bytes(digest, "big") if self.live else 0
        return self._mark

    @property
    def row(self) -> bytes:
        """Its record, encoded once."""
        if not self._row:
            self._row = gossip.encode_record(record_of(self))
        return self._row

    def with_(self, **changes: Any) -> Member:
        """A copy with these fields changed."""
        return replace(self, **changes)

    def claim(self, by: str) -> bytes:
        """What is held against it (suspect, dead, left) as a rumour."""
        return gossip.encode_claim(Claim(int(self.state), self.name, self.epoch, self.incarnation, by))


def record_of(member: Member) -> Record:
    """The member as it stands in tables and announcements."""
    host, port = member.address
    return Record(
        int(member.state), member.name, host, port, member.http_port, member.nsq_port, member.epoch,
        member.incarnation, member.lag_ms, member.version, member.zone, member.head, member.options,
    )  # fmt: skip


def member_of(record: Record, now: float) -> Member:
    """The member that a record describes, as of ``now``."""
    return Member(
        name=record.name,
        address=(record.host, record.port),
        epoch=record.epoch,
        http_port=record.http_port,
        nsq_port=record.nsq_port,
        incarnation=record.incarnation,
        lag_ms=record.lag_ms,
        state=State(record.state),
        version=record.version,
        zone=record.zone,
        head=record.head,
        options=record.options,
        since=now,
    )


def merge(one: Member, other: Member) -> Member:
    """The account that holds of two of the same name, with the later head of that epoch.

    Commutative, associative and idempotent, so that views which heard the same agree in whatever order.
    """
    first, last = sorted((one, other), key=_order)
    if first.epoch == last.epoch and first.head > last.head:
        return last.with_(head=first.head)
    return last


def _order(member: Member) -> tuple[Precedence, tuple[Any, ...]]:
    # What stands behind the precedence is the same in all honest accounts; it only makes the order total.
    return (
        member.precedence,
        (member.address, member.http_port, member.nsq_port, member.version, member.zone, member.lag_ms),
    )

"""What the membership machine tells the engine beside packets and events."""

from __future__ import annotations

from typing import NamedTuple

from meshq.membership.member import Member, State
from meshq.names import Epoch


class MemberChanged(NamedTuple):
    """A member's state, epoch, address, ports or zone changed. ``before`` is None for a name not known so far.

    When the epoch differs from the one told before, the earlier start of that name is over.
    """

    member: Member
    before: State | None


class HeadChanged(NamedTuple):
    """A live member's head is news to this node."""

    member: Member


class MemberForgotten(NamedTuple):
    """A dead or left member was dropped from memory; it may be met again as a new one."""

    name: str


class EpochRaised(NamedTuple):
    """The mesh remembers a later epoch of this node's name (the clock went back): it starts with this one.

    Comes before the node is joined or alone, so nothing has been done under the earlier epoch.
    """

    epoch: Epoch

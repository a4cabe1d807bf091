"""What routing asks of the engine, beside packets and events: values, in the order they happened.

A packet that acknowledges something always follows the effects of what it acknowledges.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from meshq.machine.effects import Emit, ReplyPacket, SendPacket, StreamPacket
from meshq.machine.store import Put

NO_SETTINGS: Final[dict[str, Any]] = {}


class TopicBorn(NamedTuple):
    """The topic exists from now on, in this generation."""

    topic: str
    generation: int


class TopicEnded(NamedTuple):
    """That generation of the topic is over; it was deleted ``age_s`` ago. Its channels ended before.

    ``unused``: nobody deleted it, it went by itself; whatever a node has accepted stays.
    """

    topic: str
    generation: int
    age_s: float = 0.0
    unused: bool = False


class ChannelBorn(NamedTuple):
    """The channel exists, set by ``settings``; it was created ``age_s`` ago, here (``local``) or elsewhere."""

    topic: str
    channel: str
    generation: int
    age_s: float
    local: bool
    settings: dict[str, Any] = NO_SETTINGS


class ChannelEnded(NamedTuple):
    """That generation of the channel is over, deleted ``age_s`` ago (or #ephemeral and unused)."""

    topic: str
    channel: str
    generation: int
    age_s: float = 0.0


class Configured(NamedTuple):
    """The topic (``channel`` is empty) or channel is set so from now on, said right after its birth or a change.

    ``settings``: name to plain value, those that are set. A name is born with none, unless this says otherwise.
    """

    topic: str
    channel: str
    settings: dict[str, Any]


class InterestChanged(NamedTuple):
    """``interested(topic, channel)`` has another answer now."""

    topic: str
    channel: str


class BarrierDone(NamedTuple):
    """Of ``asked`` live members (this node among them) ``answered`` know the channel."""

    token: int
    answered: int
    asked: int


class Kept(NamedTuple):
    """What the catalog says of a name changed: this row is to be kept."""

    row: Put


class HeadMoved(NamedTuple):
    """``own_head()`` changed; at most once a ``repair_quiet_s``."""


Existence: TypeAlias = TopicBorn | TopicEnded | ChannelBorn | ChannelEnded | Configured
PacketOut: TypeAlias = SendPacket | StreamPacket | ReplyPacket
RoutingEffect: TypeAlias = Existence | InterestChanged | BarrierDone | HeadMoved | Kept | Emit | PacketOut

"""What the broker asks of the engine, as values. ``Store`` is the driver's (``machine.effects``)."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from meshq.broker.gathering import Publishing
from meshq.machine.effects import Emit, Load, LoadDue, Store
from meshq.names import LogId
from meshq.wire.frames import Frame


class ToPeer(NamedTuple):
    """Write this control frame on the session with ``peer``; drop it when there is none."""

    peer: str
    frame: Frame


class Hand(NamedTuple):
    """Messages ``start`` to ``stop`` are the consumer's now, until settled or timed out.

    ``attempts``: [start, stop, n] where n earlier attempts count; none means the first.
    """

    consumer: int
    log: LogId
    start: int
    stop: int
    accepted_ns: int
    attempts: list[list[int]]
    body: bytes


class Confirmed(NamedTuple):
    """The publish ``token`` is kept at ``level``: numbers ``first`` and following of ``log``.

    ``duplicate``: an earlier publish with its id had put them there.
    """

    token: int
    log: LogId
    first: int
    level: str
    duplicate: bool = False


class Unkept(NamedTuple):
    """The publish ``token`` could not be kept at its level: it is not confirmed. It may be delivered all the same."""

    token: int
    why: str


class DeadLetters(NamedTuple):
    """Messages are to be published to ``topic``: see that it exists, then ``bury``; ``spare`` when it can't."""

    topic: str


class CarryOver(NamedTuple):
    """These were accepted after the end of an earlier life of ``topic``: they are its next use."""

    topic: str
    publishings: list[Publishing]


class WantLink(NamedTuple):
    """Messages, or finished marks, wait for ``peer`` and there is no session. Said again while so."""

    peer: str


class BreakSession(NamedTuple):
    """The two ends do not agree: end the session with ``peer``, which returns everything."""

    peer: str
    why: str


class ConsumerEnded(NamedTuple):
    """The consumer's channel is gone and the consumer with it; what it holds need not be settled."""

    consumer: int
    code: str
    text: str


BrokerEffect: TypeAlias = (
    ToPeer
    | Hand
    | Confirmed
    | Unkept
    | DeadLetters
    | CarryOver
    | WantLink
    | BreakSession
    | ConsumerEnded
    | Store
    | Load
    | LoadDue
    | Emit
)

"""The two ends of a channel's credit, as each sees the other.

Between nodes they are frames in an outbox; at one node the origin's borrower and the receiver's source are
introduced to each other and these calls are direct. What the calls mean is decided at either end.
"""

from __future__ import annotations

from typing import Protocol

from meshq.broker.batch import Payload
from meshq.names import ChannelKey, LogId
from meshq.wire.frames import NO_OPTIONS, Deliver, Fin, Frame, Grant, Ready, Recall, Recalled, Req, Return, Span


class ToReceiver(Protocol):
    """What an origin tells a receiver."""

    def ready(self, least: int, back_messages: int, back_bytes: int) -> None:
        """Messages wait; all credit comes back; the first message takes ``least`` bytes."""

    def deliver(
        self, log: LogId, payload: Payload, start: int, stop: int, accepted_ns: int, attempts: list[list[int]]
    ) -> None:
        """These messages are lent."""

    def recalled(self, messages: int, size_bytes: int) -> None:
        """So much credit comes back."""


class ToOrigin(Protocol):
    """What a receiver tells an origin."""

    def grant(self, messages: int, size_bytes: int) -> None:
        """So much may be lent, in answer to ``ready``."""

    def recall(self) -> None:
        """Give back unused credit."""

    def fin(self, number: int, spans: list[Span]) -> None:
        """These are finished."""

    def req(self, log: LogId, start: int, stop: int, delay_s: float, reason: str, error: str = "") -> None:
        """These were handed over and not finished; ``error`` is what the consumer says of it."""

    def give_back(self, log: LogId, start: int, stop: int) -> None:
        """These were never handed over."""


class FramesToReceiver:
    """To a receiver at another node."""

    __slots__ = ("_key", "_outbox")

    def __init__(self, key: ChannelKey, outbox: list[Frame]) -> None:
        self._key = key
        self._outbox = outbox

    def ready(self, least: int, back_messages: int, back_bytes: int) -> None:
        self._outbox.append(Ready(self._key, least, back_messages, back_bytes))

    def deliver(
        self, log: LogId, payload: Payload, start: int, stop: int, accepted_ns: int, attempts: list[list[int]]
    ) -> None:
        body = payload.part(start, stop)
        self._outbox.append(Deliver(self._key, log, start, stop, accepted_ns, attempts, body))

    def recalled(self, messages: int, size_bytes: int) -> None:
        self._outbox.append(Recalled(self._key, messages, size_bytes))


class FramesToOrigin:
    """To an origin at another node."""

    __slots__ = ("_key", "_outbox")

    def __init__(self, key: ChannelKey, outbox: list[Frame]) -> None:
        self._key = key
        self._outbox = outbox

    def grant(self, messages: int, size_bytes: int) -> None:
        self._outbox.append(Grant(self._key, messages, size_bytes))

    def recall(self) -> None:
        self._outbox.append(Recall(self._key))

    def fin(self, number: int, spans: list[Span]) -> None:
        self._outbox.append(Fin(self._key, number, spans))

    def req(self, log: LogId, start: int, stop: int, delay_s: float, reason: str, error: str = "") -> None:
        options = {"error": error} if error else NO_OPTIONS
        self._outbox.append(Req(self._key, log, start, stop, round(delay_s * 1000), reason, options))

    def give_back(self, log: LogId, start: int, stop: int) -> None:
        self._outbox.append(Return(self._key, log, start, stop))

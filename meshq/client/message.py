"""One message, as its consumer sees it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Final, Self

from meshq.client.extent import Extent
from meshq.names import message_id

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Message:
    """A message that was taken, and is to be settled: once, by the first of the following.

    As a context, ``async with message:`` finishes it when the block ends well. When the block raises, the message is
    requeued with the subscription's backoff and the exception goes on (as with aio-pika's ``process()``: a
    consumer that shall survive its handlers' errors catches them outside this block). When the block is cancelled,
    the message goes back at once to whoever has room, and counts no attempt.

    ``finish``, ``requeue`` and ``give_back`` do it by hand; settling twice is harmless, the first one counts. All are
    plain calls that leave with the next turn of the loop. A message that is never settled comes
    again after the message timeout, when the subscription ends, or when the connection does.
    """

    __slots__ = ("_extent", "_position", "body")

    body: bytes

    def __init__(self, extent: Extent, position: int, body: bytes) -> None:
        self._extent = extent
        self._position = position
        self.body = body

    @property
    def headers(self) -> Mapping[str, str]:
        """What the publisher gave along; empty when nothing was."""
        item = self._extent.items[self._position]
        return NO_HEADERS if isinstance(item, bytes) else item[1]

    @property
    def attempts(self) -> int:
        """How often the message has been handed to a consumer, this time included: 1 at first."""
        return self._extent.attempts_of(self._position)

    @property
    def timestamp_ns(self) -> int:
        """When the message was accepted, in nanoseconds since 1970 by its origin's clock."""
        return self._extent.accepted_ns

    @property
    def id(self) -> str:
        """16 hex digits, the same in every delivery and in the publisher's receipt."""
        return message_id(self._extent.holder.topic, self._extent.log, self._extent.first + self._position)

    @property
    def node(self) -> str:
        """The name of the node that accepted the message and owns it."""
        return self._extent.log.origin

    @property
    def topic(self) -> str:
        """The topic that it was published to."""
        return self._extent.holder.topic

    @property
    def channel(self) -> str:
        """The channel that it came by."""
        return self._extent.holder.channel

    def finish(self) -> None:
        """It is done: never deliver it on this channel again."""
        self._extent.finish(self._position)

    def requeue(self, delay_s: float | None = None, *, error: str = "") -> None:
        """It is not done: deliver it again after ``delay_s`` seconds, or after the subscription's backoff.

        ``error`` says why, in at most 200 characters: the dead letters show the first and the last.
        """
        self._extent.requeue(self._position, delay_s, error)

    def give_back(self) -> None:
        """It was not handled: deliver it again at once, and count no attempt."""
        self._extent.give_back(self._position)

    def touch(self) -> None:
        """It takes longer: start its message timeout again."""
        self._extent.touch(self._position)

    def settle(self, error: BaseException | None) -> None:
        """What leaving the context does, for an ``error`` that ended it or None."""
        if error is None:
            self._extent.finish(self._position)
        elif isinstance(error, Exception):
            self._extent.requeue(self._position, None, repr(error))
        else:
            self._extent.give_back(self._position)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._extent.finish(self._position)
        else:
            self.settle(error)

    def __repr__(self) -> str:
        return f"Message(id={self.id!r}, topic={self.topic!r}, channel={self.channel!r}, bytes={len(self.body)})"

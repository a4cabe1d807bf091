"""What a confirmed publish gives back."""

from __future__ import annotations

from typing import TypeAlias

from meshq.names import LogId, message_id

Numbers: TypeAlias = tuple[LogId, int, int]
"""A log, the first number in it, and how many follow."""


class Receipt:
    """The messages of one publish are kept by ``node`` at ``level`` and will reach every channel.

    ``count`` is how many there are, ``level`` the durability reached (``memory``: they survive everything but
    the end of that node's process). ``duplicate``: an earlier publish with the same id had put them there, and this
    one added nothing.
    """

    __slots__ = ("_first", "_log", "_more", "count", "duplicate", "level", "topic")

    def __init__(
        self,
        topic: str,
        log: LogId,
        first: int,
        count: int,
        level: str,
        more: tuple[Numbers, ...] = (),
        *,
        duplicate: bool = False,
    ) -> None:
        self.topic = topic
        self._log = log
        self._first = first
        self.count = count
        self.level = level
        self._more = more
        self.duplicate = duplicate

    @property
    def id(self) -> str:
        """The message's id, 16 hex digits; of the first one when there are several."""
        return message_id(self.topic, self._log, self._first)

    @property
    def ids(self) -> list[str]:
        """The ids of all messages, in the order in which they were given."""
        own = self.count - sum(count for _, _, count in self._more)
        spans = ((self._log, self._first, own), *self._more)
        topic = self.topic
        return [message_id(topic, log, at) for log, first, count in spans for at in range(first, first + count)]

    @property
    def node(self) -> str:
        """The name of the node that accepted them and owns them (the first, if several did)."""
        return self._log.origin

    def __repr__(self) -> str:
        return f"Receipt(id={self.id!r}, count={self.count}, node={self.node!r}, level={self.level!r})"

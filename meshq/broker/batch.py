"""Messages that arrived together: one body, one first number, a count. The unit of work.

A ``Payload`` knows how to take itself apart; a ``Batch`` is a payload that its origin owns. The body is
opaque until somebody has room for part of it only. Sizes are those of the messages without the
body's head, so that they add up over cuts and both ends of a lease count alike.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from meshq.errors import RemoteProtocolError
from meshq.machine.store import BATCH_OVERHEAD_BYTES
from meshq.names import MEMORY
from meshq.wire import bodies


class Traits(NamedTuple):
    """What the messages of one batch have in common: those that differ in any of it lie in different batches."""

    due: float = 0.0
    """When they may be delivered; 0.0: at once."""
    expires: float = 0.0
    """When they are no longer wanted; 0.0: never."""
    level: int = MEMORY
    """How safe they are before they are confirmed: MEMORY, DISK or FSYNC."""
    lane: int = 0
    """Their priority class."""
    key: str = ""
    """Those of one key are in order; empty: none."""
    channels: tuple[str, ...] = ()
    """The channels that they are for; none named: all."""


PLAIN: Final = Traits()


class Payload:
    """Messages ``first`` to ``stop`` (exclusive) of a log, immutable."""

    __slots__ = ("_offsets", "body", "first", "size_bytes", "stop")

    def __init__(self, first: int, count: int, body: bytes) -> None:
        self.first = first
        self.stop = first + count
        self.body = body
        self.size_bytes = bodies.content_bytes(body, count)
        self._offsets: Sequence[int] | None = None

    def size(self, start: int, stop: int) -> int:
        """Bytes of the messages ``start`` to ``stop``. Raises RemoteProtocolError when the body is broken."""
        if start == self.first and stop == self.stop:
            return self.size_bytes
        offsets = self._offsets or self._find()
        return offsets[stop - self.first] - offsets[start - self.first]

    def part(self, start: int, stop: int) -> bytes:
        """The body of the messages ``start`` to ``stop``. Raises RemoteProtocolError when it is broken."""
        if start == self.first and stop == self.stop:
            return self.body
        return bodies.cut(self.body, self._offsets or self._find(), start - self.first, stop - self.first)

    def fit(self, start: int, stop: int, size_bytes: int) -> int:
        """Up to where, between ``start`` and ``stop``, messages from ``start`` on take at most ``size_bytes``."""
        offsets = self._offsets or self._find()
        limit = offsets[start - self.first] + size_bytes
        return min(stop, self.first + bisect_right(offsets, limit) - 1) if size_bytes >= 0 else start

    def most(self, start: int, stop: int, messages: int, size_bytes: int) -> tuple[int, int]:
        """Up to where, between ``start`` and ``stop`` and within the limits, and how many bytes that is."""
        if stop - start > messages:
            stop = start + max(0, messages)
            if stop == start:
                return start, 0
        taken_bytes = self.size(start, stop)
        if taken_bytes > size_bytes:
            stop = self.fit(start, stop, size_bytes)
            taken_bytes = self.size(start, stop) if stop > start else 0
        return stop, taken_bytes

    def _find(self) -> Sequence[int]:
        found = self._offsets = bodies.offsets(self.body, self.stop - self.first)
        return found


class Batch(Payload):
    """A payload in a log of this node.

    ``open``: messages times channels that have not finished them; ``keeps``: how many others want the
    batch to stay in memory (the window). It leaves the log when both are zero, and memory also when the
    store has it, nobody keeps it and no cursor is at it.
    """

    __slots__ = (
        "accepted_at",
        "accepted_ns",
        "due",
        "following",
        "keeps",
        "open",
        "plain",
        "preceding",
        "stored",
        "traits",
    )

    def __init__(
        self, first: int, count: int, body: bytes, accepted_at: float, accepted_ns: int, traits: Traits = PLAIN
    ) -> None:
        super().__init__(first, count, body)
        self.accepted_at = accepted_at
        self.accepted_ns = accepted_ns
        self.traits = traits
        self.due = traits.due
        """When it may be delivered; 0.0: at once."""
        self.plain = not (traits.due or traits.key or traits.channels)
        """Cursors need not look at its traits."""
        self.open = 0
        self.keeps = 0
        self.stored = False
        """The store has it."""
        self.preceding: Batch | None = None
        self.following: Batch | None = None

    def count(self) -> int:
        """How many messages."""
        return self.stop - self.first

    def memory_bytes(self) -> int:
        """What it costs to hold."""
        return len(self.body) + BATCH_OVERHEAD_BYTES


class Broken(Batch):
    """A batch of which nobody can tell the messages apart: its body, all of it, is that of others too.

    It is never lent. When its turn comes it becomes a dead letter with the raw body.
    """

    __slots__ = ()

    def size(self, start: int, stop: int) -> int:
        raise RemoteProtocolError("a broken body", code="BAD_BODY")

    def part(self, start: int, stop: int) -> bytes:
        raise RemoteProtocolError("a broken body", code="BAD_BODY")

"""What was published, confirmed, seen and finished, message by message: the demo's own count.

Pure. Every message carries its number, so that nothing has to be believed of the mesh: a message is lost
when it was confirmed and no consumer of some channel has finished it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

BODY_BYTES: Final = 200


def body(number: int) -> bytes:
    """The message of this number, BODY_BYTES long."""
    return f"order {number:>10} ".encode().ljust(BODY_BYTES, b".")


def number(body: bytes) -> int:
    """The number that a message carries."""
    return int(body[6:16])


class Channel:
    """What became of every message on one channel."""

    __slots__ = ("_finished", "_seen", "duplicates", "finished", "seen", "unknown")

    def __init__(self, count: int) -> None:
        self._seen = bytearray(count)
        self._finished = bytearray(count)
        self.seen = 0
        self.finished = 0
        """Messages that some consumer has finished, each counted once."""
        self.duplicates = 0
        """Deliveries of messages that had been delivered before."""
        self.unknown = 0
        """Deliveries of messages that the demo never published."""

    def deliver(self, numbers: Iterable[int]) -> None:
        """A consumer got these."""
        for each in numbers:
            if not 0 <= each < len(self._seen):
                self.unknown += 1
            elif self._seen[each]:
                self.duplicates += 1
            else:
                self._seen[each] = 1
                self.seen += 1

    def finish(self, numbers: Iterable[int]) -> None:
        """A consumer is done with these."""
        for each in numbers:
            if 0 <= each < len(self._finished) and not self._finished[each]:
                self._finished[each] = 1
                self.finished += 1

    def missing(self, origins: bytearray, origin: int = 0) -> int:
        """Confirmed messages that nobody has finished: those of one origin, or of all (0)."""
        held = zip(origins, self._finished, strict=True)
        return sum(1 for by, done in held if by and not done and origin in (0, by))


class Ledger:
    """The whole demo's count of ``count`` messages on ``channels``."""

    def __init__(self, count: int, channels: Sequence[str]) -> None:
        self.count = count
        self.channels = {name: Channel(count) for name in channels}
        self.published = 0
        self.confirmed = 0
        self._origins = bytearray(count)
        """Of each message: which node confirmed it, counted from 1; 0 while none did."""
        self._nodes: list[str] = []

    def publish(self, count: int) -> None:
        """So many were given to a node."""
        self.published += count

    def confirm(self, numbers: Iterable[int], node: str) -> None:
        """That node took these over."""
        if node not in self._nodes:
            self._nodes.append(node)
        origin = self._nodes.index(node) + 1
        for each in numbers:
            if not self._origins[each]:
                self._origins[each] = origin
                self.confirmed += 1

    def outstanding(self) -> int:
        """Confirmed messages not finished yet, over all channels; after the end these are the lost ones."""
        return sum(channel.missing(self._origins) for channel in self.channels.values())

    def outstanding_at(self, node: str) -> int:
        """Those among them that this node has confirmed: nobody else has them."""
        if node not in self._nodes:
            return 0
        origin = self._nodes.index(node) + 1
        return sum(channel.missing(self._origins, origin) for channel in self.channels.values())

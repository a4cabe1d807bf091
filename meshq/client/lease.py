"""Many messages at once, for those who want speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self, overload

from meshq.client.extent import Extent
from meshq.client.message import Message


class Lease(Sequence[Message]):
    """Messages that came together, taken together: a sequence of ``Message``.

    As a context it settles whatever is not settled yet: ``async with lease:`` finishes all of it in one step when
    the block ends well, requeues all of it with the backoff when the block raises (the exception goes on), and
    gives all of it back at once when the block is cancelled. Single messages may be settled before.
    """

    __slots__ = ("_extent",)

    def __init__(self, extent: Extent) -> None:
        self._extent = extent

    @property
    def bodies(self) -> list[bytes]:
        """The bodies in order: the fast way to read them."""
        return [item if isinstance(item, bytes) else item[0] for item in self._extent.items]

    @property
    def topic(self) -> str:
        """The topic that all were published to."""
        return self._extent.holder.topic

    @property
    def channel(self) -> str:
        """The channel that they came by."""
        return self._extent.holder.channel

    @property
    def node(self) -> str:
        """The name of the node that accepted them and owns them."""
        return self._extent.log.origin

    @property
    def timestamp_ns(self) -> int:
        """When they were accepted, in nanoseconds since 1970 by their origin's clock."""
        return self._extent.accepted_ns

    def __len__(self) -> int:
        return self._extent.count

    @overload
    def __getitem__(self, index: int) -> Message: ...

    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...

    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        positions = range(self._extent.count)[index]
        if isinstance(positions, range):
            return [self._message(position) for position in positions]
        return self._message(positions)

    def __iter__(self) -> Iterator[Message]:
        return map(self._message, range(self._extent.count))

    def finish(self) -> None:
        """All of it is done, what was requeued singly excepted."""
        self._extent.finish_rest()

    def requeue(self, delay_s: float | None = None, *, error: str = "") -> None:
        """What is not settled is not done: deliver it again after ``delay_s`` seconds, or after the backoff."""
        self._extent.requeue_rest(delay_s, error)

    def give_back(self) -> None:
        """What is not settled was not handled: deliver it again at once, and count no attempt."""
        self._extent.give_back_rest()

    def touch(self) -> None:
        """What is not settled takes longer: start its message timeout again."""
        self._extent.touch_rest()

    def settle(self, error: BaseException | None) -> None:
        """What leaving the context does, for an ``error`` that ended it or None."""
        if error is None:
            self._extent.finish_rest()
        elif isinstance(error, Exception):
            self._extent.requeue_rest(None, repr(error))
        else:
            self._extent.give_back_rest()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.settle(error)

    def __repr__(self) -> str:
        return f"Lease(topic={self.topic!r}, channel={self.channel!r}, messages={len(self)}, node={self.node!r})"

    def _message(self, position: int) -> Message:
        item = self._extent.items[position]
        return Message(self._extent, position, item if isinstance(item, bytes) else item[0])

"""Messages and leases in the hands of a thread: settled by posting to the loop that they came from.

The rules of settling are ``client``'s; here it is only seen to that they are applied on the loop.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from meshq import client
from meshq.blocking.worker import Worker
from meshq.client.extent import Extent


class Message(client.Message):
    """``client.Message`` for a thread: ``with message:`` settles it, by the same rules."""

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker, extent: Extent, position: int) -> None:
        item = extent.items[position]
        super().__init__(extent, position, item if isinstance(item, bytes) else item[0])
        self._worker = worker

    def finish(self) -> None:
        """It is done: never deliver it on this channel again."""
        self._worker.post(self._extent.finish, self._position)

    def requeue(self, delay_s: float | None = None, *, error: str = "") -> None:
        """It is not done: deliver it again after ``delay_s`` seconds, or after the subscription's backoff."""
        self._worker.post(self._extent.requeue, self._position, delay_s, error)

    def give_back(self) -> None:
        """It was not handled: deliver it again at once, and count no attempt."""
        self._worker.post(self._extent.give_back, self._position)

    def touch(self) -> None:
        """It takes longer: start its message timeout again."""
        self._worker.post(self._extent.touch, self._position)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._worker.post(self.settle, error)


class Lease(client.Lease):
    """``client.Lease`` for a thread: ``with lease:`` settles what is not settled, by the same rules."""

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker, extent: Extent) -> None:
        super().__init__(extent)
        self._worker = worker

    def finish(self) -> None:
        """All of it is done, what was requeued singly excepted."""
        self._worker.post(self._extent.finish_rest)

    def requeue(self, delay_s: float | None = None, *, error: str = "") -> None:
        """What is not settled is not done: deliver it again after ``delay_s`` seconds, or after the backoff."""
        self._worker.post(self._extent.requeue_rest, delay_s, error)

    def give_back(self) -> None:
        """What is not settled was not handled: deliver it again at once, and count no attempt."""
        self._worker.post(self._extent.give_back_rest)

    def touch(self) -> None:
        """What is not settled takes longer: start its message timeout again."""
        self._worker.post(self._extent.touch_rest)

    def _message(self, position: int) -> Message:
        return Message(self._worker, self._extent, position)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._worker.post(self.settle, error)

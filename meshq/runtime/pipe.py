"""Streams within a process: two ends, on the same loop or on two loops in two threads.

Decides how bytes cross: what one end writes during a turn reaches the other loop by one wake-up
and one call. Nothing is locked: each counter has one writer, and deque and attribute accesses are atomic.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from meshq.runtime.contract import StreamOwner
from meshq.runtime.streams import WRITE_MARK_BYTES


class PipeStream:
    """One end of a pipe, used on its own loop only. Its owner may be set until its loop's next turn."""

    __slots__ = (
        "_arrivals",
        "_close",
        "_consumed",
        "_ended",
        "_loop",
        "_mark",
        "_other",
        "_waking",
        "_written",
        "full",
        "owner",
    )

    owner: StreamOwner

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: StreamOwner | None, mark: int) -> None:
        if owner is not None:
            self.owner = owner
        self.full = False
        self._loop = loop
        self._mark = mark
        self._other: PipeStream = self
        self._arrivals: deque[bytes] = deque()
        """What came for this end; the other end appends."""
        self._close = ""
        """Why the other end ended the pipe; it is told after the arrivals."""
        self._waking = False
        """Whether a call of ``_wake`` is on its way to this end's loop."""
        self._ended = False
        self._written = 0
        self._consumed = 0
        """Bytes written here that the other end has handed to its owner; written there."""

    @property
    def buffered_bytes(self) -> int:
        return self._written - self._consumed

    def write(self, chunks: list[bytes]) -> None:
        other = self._other
        if self._ended:
            return
        self._written += sum(map(len, chunks))
        other._arrivals.extend(chunks)
        if self._written - self._consumed > self._mark:
            self.full = True
            if self._written == self._consumed:  # it was all taken between the two lines above
                self.full = False
        self._rouse()

    def close(self, abort: bool = False) -> None:
        if self._ended:
            return
        self._ended = True
        self._other._close = "reset" if abort else "eof"
        self._rouse()

    def _rouse(self) -> None:
        """Have the other end look at what came, unless it is about to."""
        other = self._other
        if not other._waking:
            other._waking = True
            if not _call(self._loop, other._loop, other._wake):
                self._loop.call_soon(self._end, "reset")

    def _wake(self) -> None:
        self._waking = False  # before looking: what comes later calls again
        arrivals = self._arrivals
        why = self._close  # before the arrivals: bytes came first
        if why == "reset" or self._ended:
            arrivals.clear()
        elif arrivals:
            chunks = [arrivals.popleft() for _ in range(len(arrivals))]
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self.owner.stream_received(data)
            self._took(len(data))
        if why and not arrivals:
            self._end(why)

    def _took(self, size_bytes: int) -> None:
        other = self._other
        other._consumed += size_bytes
        if other.full and other._consumed == other._written:
            _call(self._loop, other._loop, other._drained)

    def _drained(self) -> None:
        if self.full and self._written == self._consumed:
            self.full = False
            if not self._ended:
                self.owner.stream_drained()

    def _end(self, why: str) -> None:
        if not self._ended:
            self._ended = True
            self.owner.stream_closed(why)


def pipe(
    near: asyncio.AbstractEventLoop,
    far: asyncio.AbstractEventLoop,
    *,
    mark: int = WRITE_MARK_BYTES,
    near_owner: StreamOwner | None = None,
    far_owner: StreamOwner | None = None,
) -> tuple[PipeStream, PipeStream]:
    """Two joined ends, the first for the loop ``near``, the second for ``far``."""
    one, other = PipeStream(near, near_owner, mark), PipeStream(far, far_owner, mark)
    one._other, other._other = other, one
    return one, other


def _call(here: asyncio.AbstractEventLoop, there: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> bool:
    """Have ``there`` call ``function`` soon; False when that loop has ended."""
    try:
        if here is there:
            there.call_soon(function)
        else:
            there.call_soon_threadsafe(function)
    except RuntimeError:
        return False
    return True

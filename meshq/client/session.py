"""One live session: the client's machine on one stream.

Carries bytes to the machine and frames to whoever handles their kind, writes the machine's output, keeps its
one timer, and says once why it ended. What frames mean and what follows an end is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from meshq.errors import MeshError, RemoteProtocolError, Unreachable, refusal
from meshq.link.client import ClientSession
from meshq.machine.effects import Address
from meshq.runtime.contract import Stream
from meshq.wire.frames import Goodbye, Hello

LATE_S: Final = 0.1
"""A timer that is served later than this had a loop that stood still."""
READ_S: Final = 0.05
"""How long the loop then gets to read."""

Handlers: TypeAlias = Mapping[type[Any], Callable[[Any], None]]


class LiveSession:
    """Owner of one stream. ``machine`` takes the verbs; they leave with ``flush``."""

    __slots__ = (
        "_armed_at",
        "_ended",
        "_handlers",
        "_loop",
        "_on_end",
        "_on_hello",
        "_on_read",
        "_stream",
        "_timer",
        "address",
        "closed",
        "greeted",
        "machine",
    )

    def __init__(
        self,
        address: Address,
        machine: ClientSession,
        handlers: Handlers,
        on_hello: Callable[[LiveSession, Hello], None],
        on_end: Callable[[LiveSession, MeshError], None],
        on_read: Callable[[], None],
    ) -> None:
        """``on_read`` is called when frames were handled, and must have ``flush`` called soon."""
        self.address = address
        self.machine = machine
        self._loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[Hello] = self._loop.create_future()
        """The node's Hello, or why there will be none."""
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the node has closed its side."""
        self._handlers = handlers
        self._on_hello = on_hello
        self._on_end = on_end
        self._on_read = on_read
        self._stream: Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = 0.0
        self._ended = False

    def attach(self, stream: Stream) -> None:
        """The stream is open: say hello on it."""
        self._stream = stream
        stream.owner = self
        if self._ended:
            stream.close(abort=True)
        else:
            self.flush()

    def flush(self) -> None:
        """Write what the machine has to say."""
        if self._stream is None or self._ended:
            return
        chunks = self.machine.output(self._loop.time())
        if chunks:
            self._stream.write(chunks)
        due = self.machine.deadline()
        if self._timer is None or due < self._armed_at:
            self._arm(due)

    def end(self, error: MeshError, *, code: str = "", abort: bool = False) -> None:
        """End the session for a reason of ours; what was queued and goodbye leave first, unless ``abort``."""
        if self._ended:
            return
        self.machine.goodbye(code, str(error)[:200] if code else "")
        if not abort:
            self.flush()
        self._finish(error)
        if self._stream is not None:
            self._stream.close(abort)

    async def leave(self, error: MeshError, timeout_s: float) -> None:
        """Say goodbye, and wait until the node has read it and closed its side; it has ``timeout_s``."""
        if self._ended:
            return
        self.machine.goodbye()
        self.flush()
        self._finish(error)
        in_time = False
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self.closed)
            in_time = True
        except TimeoutError:
            pass
        finally:
            if self._stream is not None:
                self._stream.close(abort=not in_time)

    # what the stream says

    def stream_received(self, data: bytes) -> None:
        """Bytes came: every handler is called before anything is written."""
        if self._ended:
            return
        handlers = self._handlers
        try:
            for frame in self.machine.receive(self._loop.time(), data):
                handler = handlers.get(type(frame))
                if handler is not None:
                    handler(frame)
                elif type(frame) is Hello:
                    self.greeted.set_result(frame)
                    self._on_hello(self, frame)
                elif type(frame) is Goodbye:
                    self._goodbye(frame)
                if self._ended:
                    return
        except RemoteProtocolError as exc:
            self.end(exc, code=exc.code)
            return
        if not self.greeted.done():
            self.flush()  # a handshake goes on
        self._on_read()

    def stream_closed(self, reason: str) -> None:
        """The node or the network ended the stream."""
        if not self.closed.done():
            self.closed.set_result(None)
        if not self._ended:
            self._finish(Unreachable(f"the connection ended: {reason}"))

    def stream_drained(self) -> None:
        """Nothing waits for it: publishes have credit of their own, and it bounds what is written."""

    def _goodbye(self, frame: Goodbye) -> None:
        if not self.greeted.done():
            error = refusal(frame.code, frame.text)
        else:
            error = Unreachable(f"the node said goodbye: {frame.text or frame.code}")
        self._finish(error)
        if self._stream is not None:
            self._stream.close()

    def _finish(self, error: MeshError) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if not self.greeted.done():
            self.greeted.set_exception(error)
            self.greeted.exception()  # whoever waits for it is told; nobody else has to be
        self._on_end(self, error)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = due
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._ended:
            return
        now = self._loop.time()
        if now > self._armed_at + LATE_S:
            # The loop stood still: what came meanwhile must be read before anybody is held dead.
            self.machine.tick(now)
            self._arm(now + READ_S)
            self.flush()
            return
        dead = self.machine.dead(now)
        if dead is not None:
            self.end(Unreachable("no answer to the hello" if dead == "no hello" else f"the node is {dead}"), abort=True)
            return
        self.machine.tick(now)
        self.flush()

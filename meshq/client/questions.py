"""Questions to the node, and the shapes of its answers."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypedDict

from meshq.client import checks
from meshq.client.connection import Connection, again
from meshq.client.session import LiveSession
from meshq.errors import MeshError, Overloaded, Unconfirmed, refusal
from meshq.machine.settings import Plain
from meshq.wire.frames import Answer, Hello

TIMEOUT_S: Final = 5.0
GRACE_S: Final = 0.5
"""An answer that the node sends at the deadline may take this much longer to arrive."""


class MemberView(TypedDict, total=False):
    """A node as another one sees it. Later versions may add keys."""

    name: str
    state: str
    """alive, suspect, dead or left."""
    host: str
    port: int
    http_port: int
    nsq_port: int
    epoch_ms: int
    incarnation: int
    version: str
    zone: str
    self: bool
    """Whether it is the node that answers."""
    since_s: float
    """How long it has been in this state."""
    lag_ms: int
    """How late it says that it reads, for which the others allow it that much more time; 0: in time."""
    rtt_ms: float | None
    """From a ping to its answer, smoothed; None when none was measured, as over streams only."""


class ChannelView(TypedDict, total=False):
    """A channel and its consumers per node."""

    channel: str
    generation: int
    settings: dict[str, Plain]
    """How it is set, by name."""
    consumers: dict[str, int]


class TopicView(TypedDict, total=False):
    """A topic and its channels."""

    topic: str
    generation: int
    settings: dict[str, Plain]
    """How it is set, by name."""
    channels: list[ChannelView]
    messages: int


class PeekedMessage(TypedDict, total=False):
    """A message as it stands, not taken. Later versions may add keys."""

    id: str
    origin: str
    """The node that accepted it and owns it."""
    log: list[Any]
    number: int
    state: str
    """in_flight, queued or deferred."""
    at: str
    """The node whose consumer holds it; empty when none does."""
    age_s: float
    """Since it was accepted, by its origin's clock; missing of what is on disk only, as are the bytes and the body."""
    accepted_ns: int
    attempts: int
    """How often it was handed to a consumer, this time included."""
    last_error: str
    """What the last consumer that requeued it said, if it did."""
    due_s: float
    """In how long it is due; missing of what is not deferred, or not due within a minute and on disk only."""
    due_ns: int
    on_disk: bool
    """It is in its origin's store only, and is not read for a look."""
    expires_s: float
    """In how long nobody wants it any more; missing when it has no time to live."""
    key: str
    priority: int
    held_back: bool
    """An earlier message of its key is not finished."""
    bytes: int
    """Of the whole body."""
    body: bytes
    """Its begin, or all of it."""
    headers: dict[str, str]


class PeekView(TypedDict):
    """What stands in a channel, over all nodes."""

    topic: str
    channel: str
    counts: dict[str, int]
    """Messages by state: in_flight, queued, deferred."""
    retained: int
    """Finished messages of the topic that are kept for channels to come."""
    messages: list[PeekedMessage]
    missing: list[str]
    """Nodes that did not answer: what they hold is not shown."""


class Finding(TypedDict):
    """Something that keeps messages of a channel from being finished."""

    why: str
    """A name of ``meshq.broker.why.Why``: NO_CONSUMER, IN_FLIGHT, NONE and so on."""
    messages: int
    nodes: list[str]
    text: str
    """What it is, in words."""
    next: str
    """What to do about it."""


class ChannelAnswer(TypedDict):
    """Why a channel's messages wait; ``channel`` is empty when the topic has none."""

    channel: str
    findings: list[Finding]
    """Worst first, never empty."""


class WhyView(TypedDict):
    """Why a topic's messages wait, over all nodes."""

    topic: str
    answers: list[ChannelAnswer]
    missing: list[str]


class Questions:
    """The desk of questions: one answer each, or an error by the deadline."""

    def __init__(self, connection: Connection, asks_max: int) -> None:
        self._connection = connection
        self._asks_max = asks_max
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        connection.add(self, {Answer: self._answered})

    async def ask(self, kind: str, arguments: dict[str, Any], timeout_s: float) -> Any:
        """The node's answer.

        Raises Unreachable (nobody was asked), Unconfirmed (no answer came, it may have been done), Overloaded, or
        what the node refused it with.
        """
        checks.seconds("timeout_s", timeout_s)
        session = await self._connection.arrival(timeout_s)
        if len(self._waiting) >= self._asks_max:
            raise Overloaded(f"{len(self._waiting)} questions are open (asks_max)", limit="asks_max")
        self._number += 1
        number = self._number
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        session.machine.ask(number, kind, arguments, checks.milliseconds(timeout_s))
        self._connection.schedule()
        try:
            async with asyncio.timeout(timeout_s + GRACE_S):
                return await future
        except TimeoutError:
            raise Unconfirmed(f"{self._connection.node} did not answer {kind!r} within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(number, None)

    def began(self, session: LiveSession, hello: Hello) -> None:
        """A new session begins without questions."""

    def turn(self, session: LiveSession | None) -> None:
        """Questions are said at once."""

    def lost(self, error: MeshError) -> None:
        """No answer will come."""
        self._fail(Unconfirmed(f"the answer did not come: {error}"))

    def stop(self, error: MeshError) -> None:
        """No answer will come."""
        self._fail(error)

    def leaving(self, session: LiveSession) -> None:
        """Questions end with their own deadline."""

    def idle(self) -> bool:
        """Whether nothing is asked."""
        return not self._waiting

    def _answered(self, frame: Answer) -> None:
        future = self._waiting.get(frame.number)
        if future is None or future.done():
            return
        if frame.code:
            future.set_exception(refusal(frame.code, str(frame.value)))
        else:
            future.set_result(frame.value)

    def _fail(self, error: MeshError) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(again(error))

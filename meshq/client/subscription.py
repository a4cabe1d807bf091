"""A subscription: one consumer of one channel, over as many sessions as it takes.

Decides when the node is told what: that messages which wait are still wanted, what was finished, what goes
back. On each new session it subscribes again; what it holds untaken of an ended one is dropped (the node has
taken it back), what was taken can still be finished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Generator
from types import TracebackType
from typing import Any, Final, Protocol, Self

from meshq.client import checks
from meshq.client.connection import Connection, again
from meshq.client.extent import Extent
from meshq.client.inbox import Inbox
from meshq.client.lease import Lease
from meshq.client.message import Message
from meshq.client.session import LiveSession
from meshq.client.terms import Terms
from meshq.client.vigil import Vigil
from meshq.errors import Closed, LocalProtocolError, MeshError, Overloaded, RemoteProtocolError, Unreachable, refusal
from meshq.names import check_channel, check_topic
from meshq.wire.frames import Deliver, Ended, Refused, Subscribed

BARRIER_S: Final = 1.0
"""The barrier where the subscriber does not say one; the node's own setting decides."""
TIMEOUT_S: Final = 60.0
"""The message timeout where neither the subscriber nor the node says one."""
RETRY_S: Final = 0.2
"""A subscription that was refused for a while is tried again this often."""

_log = logging.getLogger("meshq.client")


class Registry(Protocol):
    """Who knows the live subscriptions by number."""

    def put(self, flow: int, subscription: Subscription) -> None:
        """From now on frames of this number are for it."""

    def drop(self, flow: int) -> None:
        """No longer."""


class Subscription:
    """The messages of one channel, for as many tasks as like to share them.

    Enter it (``async with``, or ``await`` it and ``close`` it later): that makes the channel exist and waits until the
    mesh knows it. ``async for message in messages`` then takes one message at a time, ``messages.leases()`` many.
    Leaving it gives back at once whatever is not settled, and counts no attempt for it.
    """

    def __init__(
        self, connection: Connection, registry: Registry, flow: int, topic: str, channel: str, terms: Terms
    ) -> None:
        self.topic = check_topic(topic)
        self.channel = check_channel(channel)
        self.barrier: tuple[int, int] = (0, 0)
        """How many members acknowledged the channel, of how many asked, when the subscription was entered."""
        self.created = False
        """Whether the channel began with the subscription: only then did its ``start`` count."""
        self._connection = connection
        self._registry = registry
        self._flow = flow
        self._terms = terms
        self._loop: asyncio.AbstractEventLoop
        self._inbox: Inbox
        self._vigil: Vigil
        self._entered: asyncio.Future[None] | None = None
        self._end: MeshError | None = None
        self._refused: MeshError | None = None
        self._session: LiveSession | None = None
        self._number = 0
        """Counts sessions: an extent of an earlier one has lost its lease."""
        self._gathered: list[Extent] = []
        self._retry: asyncio.TimerHandle | None = None

    # entering and leaving

    async def __aenter__(self) -> Self:
        await self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def close(self) -> None:
        """Leave the channel; what is not settled goes back at once and counts no attempt. Idempotent.

        The frames leave with the next turn of the loop. Iterators end. Later calls on messages do nothing.
        """
        self.leave(Closed(f"the subscription to {self.topic}/{self.channel} was closed"))

    async def _enter(self) -> None:
        if self._entered is not None:
            raise LocalProtocolError("a subscription is entered once: make another one with mesh.subscribe()")
        if self._connection.ended is not None:
            raise again(self._connection.ended)
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox()
        self._vigil = Vigil(self._loop, self._inbox, self._timeout_s, self.freshen)
        self._entered = self._loop.create_future()
        barrier_s = BARRIER_S if self._terms.barrier_s is None else self._terms.barrier_s
        timeout_s = self._terms.timeout_s + barrier_s
        try:
            async with asyncio.timeout(timeout_s):
                self._registry.put(self._flow, self)
                if self._connection.session is not None:
                    self.began(self._connection.session)
                await self._entered
        except TimeoutError:
            error = self._refused or Unreachable(f"not subscribed within {timeout_s:g} s: {self._connection.trouble}")
            self.leave(error)
            raise again(error) from None
        except BaseException as exc:
            self.leave(exc if isinstance(exc, MeshError) else Closed("entering the subscription was cancelled"))
            raise

    # taking

    def __aiter__(self) -> Subscription:
        if self._entered is None or not self._entered.done():
            raise LocalProtocolError("enter the subscription first: async with mesh.subscribe(...) as messages")
        return self

    async def __anext__(self) -> Message:
        inbox = self._inbox
        while (extent := inbox.current) is None:
            if self._must_wait():
                await self._more()
            else:
                inbox.current = self._take()
        position = extent.index
        if extent.stale:
            self.freshen(extent)
        extent.index = position + 1
        if extent.index == extent.count:
            inbox.current = None
        item = extent.items[position]
        return Message(extent, position, item if isinstance(item, bytes) else item[0])

    def leases(self) -> AsyncIterator[Lease]:
        """An iterator that takes all messages that came together at once: the fast way."""
        return Leases(self.__aiter__())

    async def lease(self) -> Lease:
        """What came together next, taken whole. Raises StopAsyncIteration when the subscription was closed."""
        return Lease(await self.whole_extent())

    async def whole_extent(self) -> Extent:
        """The next extent, all of it taken."""
        extent = await self.extent()
        if extent.stale:
            self.freshen(extent)
        extent.index = extent.count
        return extent

    async def extent(self) -> Extent:
        """The next extent, whose messages the caller takes by moving its index."""
        while True:
            if self._must_wait():
                await self._more()
            elif (extent := self._take()) is not None:
                return extent

    def freshen(self, extent: Extent) -> None:
        """Something is taken that has waited: its time starts now, and so does that of what follows it."""
        extent.stale = False
        self.touch(extent, extent.index, extent.count)

    @property
    def max_in_flight(self) -> int:
        """How many messages may be here unsettled, those not taken yet included."""
        return self._terms.max_in_flight

    def set_max_in_flight(self, messages: int, size_bytes: int | None = None) -> None:
        """Hold at most this many from now on; untaken messages above it go back. 0 pauses."""
        checks.whole("max_in_flight", messages, least=0)
        if size_bytes is not None:
            checks.whole("max_in_flight_bytes", size_bytes)
        self._terms.max_in_flight = messages
        if size_bytes is not None:
            self._terms.max_in_flight_bytes = size_bytes
        if self._session is not None:
            self._hold(self._session, messages)

    # what the registry says

    def began(self, session: LiveSession) -> None:
        """A session is up: subscribe on it."""
        terms = self._terms
        self._session = session
        self._number += 1
        known = self._entered is not None and self._entered.done()
        session.machine.subscribe(
            self._flow,
            self.topic,
            self.channel,
            terms.max_in_flight or 1,
            terms.max_in_flight_bytes,
            again=known,
            barrier_ms=_milliseconds(None if known else terms.barrier_s),
            timeout_ms=_milliseconds(terms.message_timeout_s),
            start=terms.start,
        )
        if not terms.max_in_flight:
            session.machine.capacity(self._flow, 0, terms.max_in_flight_bytes)
        self._connection.schedule()

    def subscribed(self, frame: Subscribed) -> None:
        """The channel exists and the barrier is over."""
        if self._entered is not None and not self._entered.done():
            self.barrier = (frame.answered, frame.asked)
            self.created = frame.options.get("created") is True
            self._entered.set_result(None)

    def refused(self, frame: Refused) -> None:
        """The node will not have us, for now or for good."""
        error = refusal(frame.code, frame.text, frame.limit)
        if not isinstance(error, Overloaded):
            self.leave(error)
            return
        self._refused = error
        if frame.code != "DRAINING" or not self._connection.move_on():
            self._retry = self._loop.call_later(RETRY_S, self._try_again, self._session)

    def delivered(self, frame: Deliver) -> None:
        """Messages came."""
        self._inbox.put(Extent(self, self._number, frame))
        if self._vigil.timer is None:
            self._vigil.begin()

    def ended(self, frame: Ended) -> None:
        """The node ended it: the channel was deleted, or worse."""
        self._session = None
        self.leave(refusal(frame.code, frame.text or "the node ended the subscription"))

    def lost(self) -> None:
        """The session ended: what is untaken has gone back."""
        self._session = None
        self._inbox.clear()

    def leaving(self, session: LiveSession) -> None:
        """The session will be left for another node's: take nothing new, and finish what is taken."""
        if session is self._session:
            self._hold(session, 0)

    def idle(self) -> bool:
        """Whether nothing is taken and unsettled."""
        return not self._inbox.taken

    def turn(self) -> None:
        """Say what was finished."""
        self._inbox.handed = 0
        session = self._session
        if session is None or not self._gathered:
            return
        gathered, self._gathered = self._gathered, []
        for extent in gathered:
            for start, stop in extent.take_runs():
                session.machine.finish(self._flow, extent.log, extent.first + start, extent.first + stop)
            if not extent.unsettled:
                self._inbox.settled(extent)

    def leave(self, error: MeshError) -> None:
        """End for the reason ``error``: say so to the node, if there is one, and to every task that waits."""
        if self._end is not None:
            return
        self._end = error
        session, inbox = self._session, self._inbox
        if session is not None:
            self._return_all(session)
        self._session = None
        self._registry.drop(self._flow)
        for extent in inbox.taken.values():
            extent.close()
        inbox.clear()
        self._vigil.end()
        if self._retry is not None:
            self._retry.cancel()
        assert self._entered is not None, "left before it was entered"
        if not self._entered.done():
            self._entered.set_exception(error)
            self._entered.exception()  # whoever is entering is told; nobody else has to be
        inbox.rouse_all()

    # what extents say (Holder)

    def wait_s(self, attempts: int) -> float:
        """The backoff after so many attempts."""
        return self._terms.backoff(attempts)

    def gather(self, extent: Extent) -> None:
        """The extent has finished messages, or is settled."""
        self._gathered.append(extent)
        self._connection.schedule()

    def requeue(self, extent: Extent, start: int, stop: int, delay_s: float, reason: str, error: str = "") -> None:
        """Have messages delivered again; those of an ended session have gone back already."""
        session = self._session
        if session is not None and extent.session == self._number:
            delay_ms = max(0, round(delay_s * 1000))
            first = extent.first
            session.machine.requeue(self._flow, extent.log, first + start, first + stop, delay_ms, reason, error)
            self._connection.schedule()

    def touch(self, extent: Extent, start: int, stop: int) -> None:
        """Start the message timeout of messages again."""
        session = self._session
        if session is not None and extent.session == self._number:
            session.machine.touch(self._flow, extent.log, extent.first + start, extent.first + stop)
            self._connection.schedule()

    # taking, the hidden half

    def _must_wait(self) -> bool:
        """Whether nothing can be handed out now: nothing is there, or the loop must have its turn first.

        Finished messages leave when the loop gets its turn. A handler that never awaits would hold
        them all, and stand still while the node waits for room.
        """
        inbox = self._inbox
        return not inbox.waiting or (inbox.handed > 0 and inbox.handed >= self._terms.max_in_flight // 4)

    def _take(self) -> Extent | None:
        """The oldest waiting extent; None when it turns out broken: it goes to the dead letters, and is logged."""
        extent = self._inbox.waiting[0]
        try:
            return self._inbox.take()
        except RemoteProtocolError as exc:
            _log.error("%s/%s: a batch of %s can't be read: %s", self.topic, self.channel, extent.log.origin, exc)
            extent.break_off(str(exc))
            return None

    async def _more(self) -> None:
        if self._inbox.waiting:
            self._connection.schedule()
            await asyncio.sleep(0)
            return
        if isinstance(self._end, Closed):
            raise StopAsyncIteration
        if self._end is not None:
            raise again(self._end)
        await self._inbox.more()

    def _timeout_s(self) -> float:
        if self._terms.message_timeout_s is not None:
            return self._terms.message_timeout_s
        hello = self._session.machine.peer if self._session is not None else None
        timeout_ms = hello.options.get("timeout_ms") if hello is not None else None
        return timeout_ms / 1000 if type(timeout_ms) is int and timeout_ms > 0 else TIMEOUT_S

    # giving back

    def _hold(self, session: LiveSession, messages: int) -> None:
        """Have the node keep to ``messages``, and give back what is untaken above it."""
        session.machine.capacity(self._flow, messages, self._terms.max_in_flight_bytes)
        self._shed(session, self._inbox.unfinished() - messages)
        self._connection.schedule()

    def _shed(self, session: LiveSession, excess: int) -> None:
        for extent, kept in self._inbox.shed(excess):
            session.machine.give_back(self._flow, extent.log, extent.first + kept, extent.first + extent.count)
            if kept:
                extent.cut(kept)

    def _return_all(self, session: LiveSession) -> None:
        """Everything unsettled goes back as never handled; then the consumer leaves."""
        self.turn()
        self._shed(session, self._inbox.unfinished())
        for extent in list(self._inbox.taken.values()):
            extent.give_back_rest()
        session.machine.unsubscribe(self._flow)
        self._connection.schedule()

    def _try_again(self, session: LiveSession | None) -> None:
        self._retry = None
        if session is not None and session is self._session:
            self.began(session)


class Leases:
    """What ``Subscription.leases`` iterates."""

    __slots__ = ("_subscription",)

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def __aiter__(self) -> Leases:
        return self

    async def __anext__(self) -> Lease:
        return await self._subscription.lease()


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else checks.milliseconds(seconds)

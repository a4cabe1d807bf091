"""The same verbs for scripts that have no event loop.

::

    with meshq.blocking.connect("localhost") as mesh:
        mesh.publish("orders", b"...")
        with mesh.subscribe("orders", "billing") as messages:
            for message in messages:
                with message:
                    handle(message.body)

Everything runs on an event loop in a thread of its own; calls wait for it, and Ctrl-C interrupts them.
Decides how calls and messages cross between the threads; holds no rule of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from meshq import client
from meshq import node as nodes
from meshq.client.batch import Headers
from meshq.client.checks import whole
from meshq.client.events import EventStream
from meshq.client.extent import Extent
from meshq.client.publishing import TIMEOUT_S
from meshq.client.questions import MemberView, PeekView, TopicView, WhyView
from meshq.client.receipts import Receipt
from meshq.client.start import Start
from meshq.config import DRAIN_TIMEOUT_S
from meshq.errors import Closed
from meshq.machine.events import Event
from meshq.machine.settings import Plain
from meshq.runtime.loop import LoopThread

T = TypeVar("T")


class _Worker:
    """The loop's thread, and what is on its way to it: many small calls, few wake-ups."""

    def __init__(self, name: str) -> None:
        self._thread = LoopThread(name)
        self._posted: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._waking = False

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; interrupted (Ctrl-C), it is cancelled, and had time to clean up."""
        future = self._thread.submit(work)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                self._wait(future)
            raise

    def post(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have the loop call ``function`` soon, in order; dropped when it has ended."""
        self._posted.append((function, arguments))
        if not self._waking:
            self._waking = True
            if not self._thread.call(self._drain):
                self._waking = False
                self._posted.clear()

    def stop(self) -> None:
        self._thread.stop()

    def _drain(self) -> None:
        self._waking = False  # before looking: what is posted later calls again
        posted = self._posted
        while posted:
            function, arguments = posted.popleft()
            function(*arguments)

    def _wait(self, future: Future[Any]) -> None:
        """Let the loop see the cancellation before the caller goes on."""
        try:
            self._thread.submit(_turn()).result(1.0)
        except (Closed, TimeoutError):
            return


async def _turn() -> None:
    """Nothing: it has run when everything before it has."""


class Mesh:
    """``meshq.client.Mesh`` without ``await``. Any thread may call; each call waits for its answer."""

    def __init__(self, mesh: client.Mesh, name: str) -> None:
        self._mesh = mesh
        self._worker = _Worker(name)
        self._open = False

    def open(self) -> Self:
        """Connect, or join. The context manager does it for you."""
        if not self._open:
            self._worker.start()
            self._open = True
            try:
                self._worker.run(_awaited(self._mesh))
            except BaseException:
                self._worker.stop()
                raise
        return self

    def close(self) -> None:
        """End in order, as the asynchronous one does. Idempotent."""
        if self._open:
            self._open = False
            try:
                self._worker.run(self._mesh.close())
            finally:
                self._worker.stop()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def node_name(self) -> str:
        """The name of the node at the other end."""
        return self._mesh.node_name

    def publish(
        self,
        topic: str,
        body: bytes,
        *,
        headers: Headers | None = None,
        delay_s: float = 0.0,
        ttl_s: float = 0.0,
        id: str = "",  # noqa: A002
        channels: Sequence[str] | None = None,
        key: str = "",
        priority: int = 0,
        level: str = "",
        timeout_s: float = TIMEOUT_S,
        retry: bool = False,
    ) -> Receipt:
        """``client.Mesh.publish``."""
        return self._run(
            self._mesh.publish(
                topic,
                body,
                headers=headers,
                delay_s=delay_s,
                ttl_s=ttl_s,
                id=id,
                channels=channels,
                key=key,
                priority=priority,
                level=level,
                timeout_s=timeout_s,
                retry=retry,
            )
        )

    def publish_many(
        self,
        topic: str,
        messages: Iterable[bytes | tuple[bytes, Headers]],
        *,
        headers: Headers | None = None,
        delay_s: float = 0.0,
        ttl_s: float = 0.0,
        id: str = "",  # noqa: A002
        channels: Sequence[str] | None = None,
        key: str = "",
        priority: int = 0,
        level: str = "",
        timeout_s: float = TIMEOUT_S,
        retry: bool = False,
    ) -> Receipt:
        """``client.Mesh.publish_many``."""
        return self._run(
            self._mesh.publish_many(
                topic,
                messages,
                headers=headers,
                delay_s=delay_s,
                ttl_s=ttl_s,
                id=id,
                channels=channels,
                key=key,
                priority=priority,
                level=level,
                timeout_s=timeout_s,
                retry=retry,
            )
        )

    def subscribe(self, topic: str, channel: str, **terms: Any) -> Subscription:
        """``client.Mesh.subscribe``, with the same keywords; use it as a context."""
        return Subscription(self._worker, self._mesh.subscribe(topic, channel, **terms))

    def members(self, *, timeout_s: float = TIMEOUT_S) -> list[MemberView]:
        """``client.Mesh.members``."""
        return self._run(self._mesh.members(timeout_s=timeout_s))

    def topics(self, topic: str | None = None, *, timeout_s: float = TIMEOUT_S) -> list[TopicView]:
        """``client.Mesh.topics``."""
        return self._run(self._mesh.topics(topic, timeout_s=timeout_s))

    def stats(self, topic: str | None = None, *, mesh: bool = False, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """``client.Mesh.stats``."""
        return self._run(self._mesh.stats(topic, mesh=mesh, timeout_s=timeout_s))

    def dead_letters(self, topic: str, channel: str | None = None) -> DeadLetters:
        """``client.Mesh.dead_letters``."""
        return DeadLetters(self, self._mesh.dead_letters(topic, channel))

    def peek(
        self,
        topic: str,
        channel: str | None = None,
        *,
        limit: int = 10,
        whole_bodies: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> PeekView:
        """``client.Mesh.peek``."""
        return self._run(self._mesh.peek(topic, channel, limit=limit, whole_bodies=whole_bodies, timeout_s=timeout_s))

    def why(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> WhyView:
        """``client.Mesh.why``."""
        return self._run(self._mesh.why(topic, channel, timeout_s=timeout_s))

    def create(
        self,
        topic: str,
        channel: str | None = None,
        *,
        start: Start | None = None,
        timeout_s: float = TIMEOUT_S,
        **settings: Plain | None,
    ) -> bool:
        """``client.Mesh.create``."""
        return self._run(self._mesh.create(topic, channel, start=start, timeout_s=timeout_s, **settings))

    def delete(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        """``client.Mesh.delete``."""
        self._run(self._mesh.delete(topic, channel, timeout_s=timeout_s))

    def configure(
        self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S, **settings: Plain | None
    ) -> dict[str, Plain]:
        """``client.Mesh.configure``."""
        return self._run(self._mesh.configure(topic, channel, timeout_s=timeout_s, **settings))

    def pause(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        """``client.Mesh.pause``."""
        self._run(self._mesh.pause(topic, channel, timeout_s=timeout_s))

    def resume(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        """``client.Mesh.resume``."""
        self._run(self._mesh.resume(topic, channel, timeout_s=timeout_s))

    def empty(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> list[str]:
        """``client.Mesh.empty``."""
        return self._run(self._mesh.empty(topic, channel, timeout_s=timeout_s))

    def ask(self, kind: str, arguments: dict[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """``client.Mesh.ask``."""
        return self._run(self._mesh.ask(kind, arguments, timeout_s=timeout_s))

    def drain(self, timeout_s: float = DRAIN_TIMEOUT_S) -> int:
        """``client.Mesh.drain``."""
        return self._run(self._mesh.drain(timeout_s))

    def events(self) -> Iterator[Event]:
        """``client.Mesh.events``: an iterator that waits for the next event."""
        return _Events(self._worker, self._run(_listen(self._mesh)))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if not self._open:
            work.close()
            raise Closed("the mesh is not open: use it as a context, or open() it")
        return self._worker.run(work)


class Node(Mesh):
    """``meshq.Node`` without ``await``, with the same arguments."""

    def __init__(self, seeds: Sequence[str] = (), **settings: Any) -> None:
        settings.setdefault("loop", "shared")  # handlers run in the caller's thread: one more keeps nobody waiting
        node = nodes.Node(seeds, **settings)
        super().__init__(node, f"meshq:{node.name}:calls")
        self._node = node

    @property
    def name(self) -> str:
        """The node's name in the mesh."""
        return self._node.name

    @property
    def address(self) -> str:
        """Where other nodes and thin clients reach it, as host:port."""
        return self._node.address


def connect(*addresses: str, **settings: Any) -> Mesh:
    """``meshq.connect`` without ``await``, with the same arguments. A plain call; entering it connects."""
    return Mesh(client.connect(*addresses, **settings), "meshq:client")


class DeadLetters:
    """``client.DeadLetters`` without ``await``."""

    def __init__(self, mesh: Mesh, letters: client.DeadLetters) -> None:
        self._mesh = mesh
        self._letters = letters

    def list(self, limit: int = 100) -> Sequence[client.DeadLetter]:
        """The first of them; they stay where they are."""
        return self._mesh._run(self._letters.list(limit))

    def redrive(self) -> client.Redriven:
        """Each goes back to the channel it failed on."""
        return self._mesh._run(self._letters.redrive())

    def purge(self) -> int:
        """Throw them away. Returns how many."""
        return self._mesh._run(self._letters.purge())


class Subscription:
    """``client.Subscription`` without ``await``: an iterator of messages, or by ``leases()`` of leases.

    Several threads may iterate one subscription; each takes messages that came together.
    """

    def __init__(self, worker: _Worker, subscription: client.Subscription) -> None:
        self._worker = worker
        self._subscription = subscription
        self._left: deque[Extent] = deque()

    def __enter__(self) -> Self:
        self._worker.run(_awaited(self._subscription))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the channel; what is not settled goes back at once. Idempotent."""
        self._worker.run(self._subscription.close())

    @property
    def barrier(self) -> tuple[int, int]:
        """How many members acknowledged the channel, of how many asked."""
        return self._subscription.barrier

    @property
    def max_in_flight(self) -> int:
        """How many messages may be here unsettled."""
        return self._subscription.max_in_flight

    def set_max_in_flight(self, messages: int, size_bytes: int | None = None) -> None:
        """Hold at most this many from now on. 0 pauses."""
        whole("max_in_flight", messages, least=0)
        self._worker.post(self._subscription.set_max_in_flight, messages, size_bytes)

    def __iter__(self) -> Iterator[Message]:
        """Messages, each taken when it is asked for. Another loop goes on where an earlier one was left."""
        while (extent := self._next()) is not None:
            # The extent stays the loop's: it keeps what is untaken alive, and moves the index to the end when the
            # session is lost.
            try:
                while (position := extent.index) < extent.count:
                    if extent.stale:
                        self._worker.run(_freshen(self._subscription, extent))
                    extent.index = position + 1
                    yield Message(self._worker, extent, position)
            finally:
                if extent.index < extent.count:
                    self._left.append(extent)

    def _next(self) -> Extent | None:
        """What a loop left behind when it was broken out of, else what comes next."""
        try:
            return self._left.popleft()
        except IndexError:
            return self._worker.run(_next_extent(self._subscription))

    def leases(self) -> Iterator[Lease]:
        """All messages that came together at once: the fast way."""
        while (lease := self._worker.run(_next_lease(self._subscription))) is not None:
            yield Lease(self._worker, lease)


class Message(client.Message):
    """``client.Message`` for a thread: ``with message:`` settles it, by the same rules."""

    __slots__ = ("_worker",)

    def __init__(self, worker: _Worker, extent: Extent, position: int) -> None:
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

    def __init__(self, worker: _Worker, extent: Extent) -> None:
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


class _Events(Iterator[Event]):
    """Events one after the other; ends when the mesh is closed."""

    def __init__(self, worker: _Worker, stream: EventStream) -> None:
        self._worker = worker
        self._stream = stream

    def __next__(self) -> Event:
        event = self._worker.run(_next_event(self._stream))
        if event is None:
            raise StopIteration
        return event


async def _awaited(thing: Any) -> None:
    await thing


async def _listen(mesh: client.Mesh) -> EventStream:
    return mesh.events()


async def _next_event(stream: EventStream) -> Event | None:
    return await anext(stream, None)


async def _next_extent(subscription: client.Subscription) -> Extent | None:
    try:
        return await subscription.extent()
    except StopAsyncIteration:
        return None


async def _next_lease(subscription: client.Subscription) -> Extent | None:
    try:
        return await subscription.whole_extent()
    except StopAsyncIteration:
        return None


async def _freshen(subscription: client.Subscription, extent: Extent) -> None:
    subscription.freshen(extent)

"""The verbs of a mesh for threads: each call waits for its answer.

Decides only when the loop's thread begins and ends: with the first ``open``, and with ``close``.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from meshq import client
from meshq.blocking.events import Events
from meshq.blocking.subscription import Subscription
from meshq.blocking.worker import Worker, awaited
from meshq.client.batch import Headers
from meshq.client.events import EventStream
from meshq.client.publishing import TIMEOUT_S
from meshq.client.questions import MemberView, PeekView, TopicView, WhyView
from meshq.client.receipts import Receipt
from meshq.client.start import Start
from meshq.config import DRAIN_TIMEOUT_S
from meshq.errors import Closed
from meshq.machine.events import Event
from meshq.machine.settings import Plain

T = TypeVar("T")


class Mesh:
    """``meshq.client.Mesh`` without ``await``. Any thread may call; each call waits for its answer."""

    def __init__(self, mesh: client.Mesh, name: str) -> None:
        self._mesh = mesh
        self._worker = Worker(name)
        self._open = False

    def open(self) -> Self:
        """Connect, or join. The context manager does it for you."""
        if not self._open:
            self._worker.start()
            self._open = True
            try:
                self._worker.run(awaited(self._mesh))
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
        return Events(self._worker, self._run(_listen(self._mesh)))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if not self._open:
            work.close()
            raise Closed("the mesh is not open: use it as a context, or open() it")
        return self._worker.run(work)


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


async def _listen(mesh: client.Mesh) -> EventStream:
    return mesh.events()

"""Publishing: many calls, few frames, and an answer for each call.

Calls of one turn of the loop to one topic with the same options share a Publish frame. Decides when a frame may
leave (the node's credit, in order), what is tried again (refusals that pass: full, starting, draining),
and what each caller is told. A topic that was refused waits as a whole, so that its order holds and
one frame at a time asks whether there is room again; other topics go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, Final, TypeAlias

from meshq.client import checks
from meshq.client.backoff import Backoff
from meshq.client.batch import (
    BATCH_BYTES_MAX,
    BATCH_MESSAGES_MAX,
    NO_WISHES,
    Batch,
    Call,
    Headers,
    Wishes,
    cut,
    text_bytes,
)
from meshq.client.connection import Connection, again
from meshq.client.receipts import Receipt
from meshq.client.session import LiveSession
from meshq.config import BrokerConfig
from meshq.errors import EXCEEDS, InvalidMessage, MeshError, Overloaded, Unconfirmed, Unreachable, refusal
from meshq.machine.rng import Rng
from meshq.names import check_topic
from meshq.wire import bodies
from meshq.wire.bodies import Item
from meshq.wire.frames import Confirmed, Hello, Refused

TIMEOUT_S: Final = 5.0
"""How long a publish waits for room at the node, or for a node."""
MESSAGE_BYTES_MAX: Final = BrokerConfig().message_bytes_max
"""Until a node has told its own."""

_Key: TypeAlias = "str | tuple[str, Wishes, float, bool]"


class Pause:
    """A topic that the node refused: what waits, in order, and the one batch that asks again."""

    __slots__ = ("attempts", "probe", "timer", "topic", "waiting")

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.waiting: list[Batch] = []
        self.attempts = 0
        self.probe: Batch | None = None
        self.timer: asyncio.TimerHandle | None = None


class Publisher:
    """The desk of publishing. ``add`` and ``add_many`` gather; a turn sends."""

    def __init__(self, connection: Connection, numbers: Iterator[int], rng: Rng) -> None:
        """``numbers`` gives each request one that nobody else on the connection uses, in rising order."""
        self._connection = connection
        self._numbers = numbers
        self._wait = Backoff(0.02, 0.5, rng=rng)
        self._loop: asyncio.AbstractEventLoop
        self._open: dict[_Key, Batch] = {}
        self._fresh: list[Batch] = []
        self._waiting: deque[Batch] = deque()
        self._pauses: dict[str, Pause] = {}
        self._sent: dict[int, Batch] = {}
        self._leaving = False
        self._credit_messages = 0
        self._credit_bytes = 0
        self._out_messages = 0
        self._out_bytes = 0
        self._batch_messages_max = BATCH_MESSAGES_MAX
        self._message_bytes_max = MESSAGE_BYTES_MAX
        self._timer: asyncio.TimerHandle | None = None
        self._expiry = 0.0
        self._settled: asyncio.Future[None] | None = None
        connection.add(self, {Confirmed: self._confirmed})

    def start(self) -> None:
        """Bind to the running loop."""
        self._loop = asyncio.get_running_loop()

    def add(
        self,
        topic: str,
        body: bytes,
        headers: Headers | None,
        wishes: Wishes,
        timeout_s: float,
        retry: bool,
    ) -> asyncio.Future[Receipt]:
        """Publish one message with the turn; the future is the caller's answer. Raises InvalidName, InvalidMessage."""
        more_bytes = text_bytes(headers) if headers else 0
        item: Item = body
        if headers or type(body) is not bytes or not 0 < len(body) <= self._message_bytes_max:
            item = bodies.item(body, headers, size_bytes_max=self._message_bytes_max)
        size_bytes = len(body) + more_bytes
        key: _Key = topic
        if wishes is not NO_WISHES or retry or timeout_s != TIMEOUT_S:
            checks.seconds("timeout_s", timeout_s)
            key = (topic, wishes, timeout_s, retry)
        batch = self._open.get(key)
        if (
            batch is None
            or wishes.id
            or len(batch.items) >= self._batch_messages_max
            or batch.size_bytes + size_bytes > BATCH_BYTES_MAX
        ):
            batch = self._open[key] = self._batch(topic, wishes, timeout_s, retry)
        future: asyncio.Future[Receipt] = self._loop.create_future()
        batch.items.append(item)
        batch.futures.append(future)
        batch.size_bytes += size_bytes
        return future

    def add_many(
        self,
        topic: str,
        messages: Iterable[bytes | tuple[bytes, Headers]],
        headers: Headers | None,
        wishes: Wishes,
        timeout_s: float,
        retry: bool,
    ) -> asyncio.Future[Receipt]:
        """Publish messages in order, in as few frames as they fit; the future is answered when all are."""
        self._check_open()
        checks.seconds("timeout_s", timeout_s)
        items, sizes = self._items(messages, headers)
        cuts = cut(sizes, self._batch_messages_max)
        future: asyncio.Future[Receipt] = self._loop.create_future()
        call = Call(topic, future, len(cuts), len(items))
        for number, (start, stop) in enumerate(cuts):
            own = wishes._replace(id=f"{wishes.id}/{number}") if wishes.id and number else wishes
            batch = self._batch(topic, own, timeout_s, retry)
            batch.call = call
            batch.items = items[start:stop]
            batch.size_bytes = sum(sizes[start:stop])
        return future

    async def settled(self) -> None:
        """Wait until nothing sent is unanswered."""
        self.turn(self._connection.session)
        while self._sent:
            if self._settled is None:
                self._settled = self._loop.create_future()
            await asyncio.shield(self._settled)

    # what the connection says

    def began(self, session: LiveSession, hello: Hello) -> None:
        """A new node: its credit, its limits."""
        options = hello.options
        self._leaving = False
        self._credit_messages = _positive(options.get("publish_messages"), BATCH_MESSAGES_MAX)
        self._credit_bytes = _positive(options.get("publish_bytes"), BATCH_BYTES_MAX)
        self._batch_messages_max = min(self._credit_messages, BATCH_MESSAGES_MAX)
        self._message_bytes_max = _positive(options.get("message_bytes_max"), MESSAGE_BYTES_MAX)

    def turn(self, session: LiveSession | None) -> None:
        """Send what credit allows, in order; what stays has a deadline."""
        fresh, self._fresh = self._fresh, []
        self._open.clear()
        self._waiting.extend(fresh)
        if session is not None and not self._leaving:
            self._pump(session)
        if self._waiting and fresh:
            self._watch(min(batch.deadline for batch in fresh))

    def lost(self, error: MeshError) -> None:
        """What was sent is unconfirmed, or sent again if its caller said so; what was not waits."""
        sent, self._sent = list(self._sent.values()), {}
        self._out_messages = self._out_bytes = 0
        waiting = [*sent, *self._drop_pauses(), *self._waiting]
        unconfirmed = Unconfirmed(f"no answer, it may or may not be published: {error}")
        now = self._loop.time()
        for batch in sent:
            if batch.retry:
                batch.deadline = now + batch.timeout_s
            else:
                batch.fail(unconfirmed)
        self._waiting = deque(sorted(batch for batch in waiting if batch.prune()))
        if self._waiting:
            self._watch(min(batch.deadline for batch in self._waiting))
        self._release()

    def stop(self, error: MeshError) -> None:
        """Tell everybody who waits."""
        unconfirmed = Unconfirmed(f"closed before the answer, it may or may not be published: {error}")
        for batch in self._sent.values():
            batch.fail(unconfirmed)
        for batch in (*self._drop_pauses(), *self._waiting):
            batch.fail(error)
        self._sent.clear()
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._release()

    def leaving(self, session: LiveSession) -> None:
        """What was sent is answered; the rest waits for the next node."""
        self._leaving = True

    def idle(self) -> bool:
        """Whether nothing that was sent is unanswered."""
        return not self._sent

    def refused(self, frame: Refused) -> bool:
        """Whether the refusal was about a publish; what may pass is tried again until its deadline."""
        batch = self._answered(frame.request)
        if batch is None:
            return False
        error = refusal(frame.code, frame.text, frame.limit)
        if frame.code == EXCEEDS and batch.call is None and len(batch.items) > 1:
            self._halve(batch)
            return True
        if isinstance(error, Overloaded) and frame.code != EXCEEDS:
            batch.refused = error
            if frame.code == "DRAINING":
                self._connection.move_on()
            if self._loop.time() < batch.deadline:
                self._pause(batch)
                return True
        self._forget_probe(batch)
        batch.fail(error)
        return True

    def _confirmed(self, frame: Confirmed) -> None:
        batch = self._answered(frame.request)
        if batch is None:
            return
        if batch.topic in self._pauses:
            self._resume(batch.topic)
        batch.confirm(frame)

    # sending

    def _batch(self, topic: str, wishes: Wishes, timeout_s: float, retry: bool) -> Batch:
        self._check_open()
        check_topic(topic)
        batch = Batch(next(self._numbers), topic, wishes, timeout_s, retry, self._loop.time() + timeout_s)
        self._fresh.append(batch)
        self._connection.schedule()
        return batch

    def _check_open(self) -> None:
        if self._connection.ended is not None:
            raise again(self._connection.ended)

    def _items(
        self, messages: Iterable[bytes | tuple[bytes, Headers]], headers: Headers | None
    ) -> tuple[list[Item], list[int]]:
        given: list[Any] = list(messages)
        if not given:
            raise InvalidMessage("no messages: give at least one", code="EMPTY")
        most = self._message_bytes_max
        if not headers and set(map(type, given)) == {bytes}:
            sizes = list(map(len, given))
            if min(sizes) > 0 and max(sizes) <= most:
                return given, sizes
        pairs = [each if isinstance(each, tuple) else (each, headers) for each in given]
        more = [text_bytes(own) for _, own in pairs]
        items = [bodies.item(body, own, size_bytes_max=most) for body, own in pairs]
        return items, [len(body) + size for (body, _), size in zip(pairs, more, strict=True)]

    def _pump(self, session: LiveSession) -> None:
        waiting = self._waiting
        while waiting:
            batch = waiting[0]
            pause = self._pauses.get(batch.topic)
            if pause is not None and pause.probe is not batch:
                heappush(pause.waiting, waiting.popleft())
            elif not self._encode(batch):
                self._forget_probe(waiting.popleft())
            elif self._has_credit(batch):
                self._send(session, waiting.popleft())
            else:
                return

    def _encode(self, batch: Batch) -> bool:
        """Have its body ready; False when nothing is left of it, or it cannot be encoded (its callers know)."""
        if not batch.prune():
            return False
        if batch.body is None:
            try:
                batch.body = bodies.encode(batch.items)
            except InvalidMessage as exc:
                batch.fail(exc)
                return False
        return True

    def _has_credit(self, batch: Batch) -> bool:
        assert batch.body is not None
        messages = self._out_messages + len(batch.items)
        size_bytes = self._out_bytes + len(batch.body)
        return not self._sent or (messages <= self._credit_messages and size_bytes <= self._credit_bytes)

    def _send(self, session: LiveSession, batch: Batch) -> None:
        body, batch.body = batch.body, None
        assert body is not None
        count = len(batch.items)
        wishes = batch.wishes
        options = wishes.options() if wishes is not NO_WISHES else None
        session.machine.publish(batch.sequence, batch.topic, count, body, options)
        batch.sent_bytes = len(body)
        self._sent[batch.sequence] = batch
        self._out_messages += count
        self._out_bytes += batch.sent_bytes

    def _answered(self, request: int) -> Batch | None:
        batch = self._sent.pop(request, None)
        if batch is None:
            return None
        self._out_messages -= len(batch.items)
        self._out_bytes -= batch.sent_bytes
        if self._waiting:
            self._connection.schedule()
        if not self._sent:
            self._release()
        return batch

    def _release(self) -> None:
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)
        self._settled = None

    # refusals that pass

    def _pause(self, batch: Batch) -> None:
        pause = self._pauses.setdefault(batch.topic, Pause(batch.topic))
        heappush(pause.waiting, batch)
        self._watch(batch.deadline)
        if pause.probe is batch:
            pause.probe = None
        if pause.timer is None and pause.probe is None:
            pause.attempts += 1
            pause.timer = self._loop.call_later(self._wait(pause.attempts), self._ask_again, pause)

    def _halve(self, batch: Batch) -> None:
        """Too much at once, of callers that know nothing of each other: ask for each half alone."""
        rest = batch.split(next(self._numbers))
        self._waiting.extendleft((rest, batch))
        self._watch(batch.deadline)
        self._connection.schedule()

    def _ask_again(self, pause: Pause) -> None:
        pause.timer = None
        if not pause.waiting:
            del self._pauses[pause.topic]
            return
        pause.probe = heappop(pause.waiting)
        self._waiting.appendleft(pause.probe)
        self._connection.schedule()

    def _resume(self, topic: str) -> None:
        """There is room again: everything that waited for this topic goes first, in order."""
        pause = self._pauses.pop(topic)
        if pause.timer is not None:
            pause.timer.cancel()
        self._waiting.extendleft(sorted(pause.waiting, reverse=True))
        self._connection.schedule()

    def _forget_probe(self, batch: Batch) -> None:
        """The batch that asked for its topic came to nothing: let the next one ask."""
        pause = self._pauses.get(batch.topic)
        if pause is not None and pause.probe is batch:
            pause.probe = None
            self._ask_again(pause)

    def _drop_pauses(self) -> list[Batch]:
        pauses, self._pauses = self._pauses, {}
        for pause in pauses.values():
            if pause.timer is not None:
                pause.timer.cancel()
        return [batch for pause in pauses.values() for batch in pause.waiting]

    # deadlines

    def _watch(self, deadline: float) -> None:
        if self._timer is None or deadline < self._expiry:
            if self._timer is not None:
                self._timer.cancel()
            self._expiry = deadline
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        late = [batch for batch in self._waiting if batch.deadline <= now]
        if late:
            self._waiting = deque(batch for batch in self._waiting if batch.deadline > now)
        for pause in self._pauses.values():
            late += [batch for batch in pause.waiting if batch.deadline <= now]
            pause.waiting = sorted(batch for batch in pause.waiting if batch.deadline > now)
        for batch in late:
            self._forget_probe(batch)
            batch.fail(batch.refused or self._why(batch))
        deadlines = [batch.deadline for batch in self._waiting]
        deadlines += [batch.deadline for pause in self._pauses.values() for batch in pause.waiting]
        if deadlines:
            self._watch(min(deadlines))

    def _why(self, batch: Batch) -> MeshError:
        connection = self._connection
        if connection.session is None:
            return Unreachable(f"no node reached within {batch.timeout_s:g} s: {connection.trouble}")
        limit = "publish_messages" if self._out_messages + len(batch.items) > self._credit_messages else "publish_bytes"
        return Overloaded(
            f"{self._out_messages} messages are unconfirmed and none was within {batch.timeout_s:g} s ({limit})",
            limit=limit,
        )


def _positive(value: Any, default: int) -> int:
    return value if type(value) is int and value > 0 else default

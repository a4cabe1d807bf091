"""The mesh as a program sees it: the verbs, whoever carries them.

``connect`` makes a thin client of one node after the other; ``meshq.Node`` gives the same verbs over a node in
this process. Composition only: each verb belongs to a desk.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Generator, Iterable, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from meshq.client.addresses import AddressBook
from meshq.client.backoff import Backoff, Wait
from meshq.client.batch import NO_WISHES, Headers, wishes
from meshq.client.connection import Connection, Dial, Identity
from meshq.client.dead_letters import DeadLetters
from meshq.client.events import Events, EventStream
from meshq.client.keys import Keys
from meshq.client.pages import Pages
from meshq.client.publishing import TIMEOUT_S, Publisher
from meshq.client.questions import MemberView, PeekView, Questions, TopicView, WhyView
from meshq.client.receipts import Receipt
from meshq.client.registry import Subscriptions
from meshq.client.start import Start
from meshq.client.start import setting as start_setting
from meshq.client.subscription import Subscription
from meshq.client.terms import Terms
from meshq.config import DRAIN_TIMEOUT_S, BrokerConfig, LinkConfig
from meshq.errors import Closed, MeshError
from meshq.machine.effects import Address
from meshq.machine.rng import Rng
from meshq.machine.settings import Plain, check
from meshq.names import Epoch, check_channel, check_topic
from meshq.runtime.addresses import split_address
from meshq.runtime.contract import Stream, StreamOwner
from meshq.runtime.keyfile import HeldKeys, hold
from meshq.runtime.streams import connect as dial_tcp
from meshq.runtime.surroundings import surroundings
from meshq.wire.keyring import Keyring, Secrecy

SETTLE_S: Final = 1.0
"""How long closing waits for the answers to what was published."""


class Mesh:
    """A mesh, reached through one of its nodes.

    Made by ``meshq.connect`` (or as a ``meshq.Node``), and used as a context, or awaited and closed by hand::

        async with meshq.connect("localhost") as mesh:
            await mesh.publish("orders", b"...")

    All calls belong to the event loop in which it was entered. When the connection is lost it
    reconnects, to another node if need be, and subscribes again; nothing has to be done about it, except that
    a publish whose answer was lost raises Unconfirmed.
    """

    def __init__(
        self,
        dial: Dial,
        addresses: Sequence[Address],
        *,
        name: str | None = None,
        label: str = "",
        config: LinkConfig | None = None,
        epoch: Epoch | None = None,
        rng: Rng | None = None,
        keys: HeldKeys | None = None,
    ) -> None:
        """Over streams that ``dial`` opens to ``addresses``; ``connect`` and ``Node`` do this for you."""
        link = config or LinkConfig()
        self._rng: Rng = rng or random
        around = surroundings()
        secrecy = Secrecy(keys.ring, around.entropy) if keys is not None else None
        identity = Identity(name or around.client_name(), label, epoch or around.epoch(), secrecy)
        numbers = count(1)
        self._connection = Connection(dial, AddressBook(addresses), identity, link, self._rng)
        self._publisher = Publisher(self._connection, numbers, self._rng)
        self._subscriptions = Subscriptions(self._connection, numbers, self._publisher.refused)
        self._questions = Questions(self._connection, link.asks_max)
        self._pages = Pages(self._questions)
        self._events = Events(self._connection, link.events_max)
        self._opening: asyncio.Future[None] | None = None
        self._closing: asyncio.Future[None] | None = None

    # opening and closing

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        if self._opening is not None:
            await self._opening  # entered again: it is open, or it is not
            return self
        loop = asyncio.get_running_loop()
        self._opening = loop.create_future()
        self._publisher.start()
        try:
            await self._open()
        except BaseException as exc:
            self._connection.ended = exc if isinstance(exc, MeshError) else Closed("opening was cancelled")
            self._opening.set_exception(self._connection.ended)
            self._opening.exception()
            raise
        self._opening.set_result(None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End, in order: answers to what was published, subscriptions, goodbye. Idempotent.

        What was taken and not settled goes back at once. Publishes that are not answered within a second raise
        Unconfirmed, what waits raises Closed, iterators end.
        """
        if self._closing is not None:
            await asyncio.shield(self._closing)
            return
        self._closing = asyncio.get_running_loop().create_future()
        try:
            await self._close()
        finally:
            self._closing.set_result(None)

    async def _open(self) -> None:
        await self._connection.start()

    async def _close(self) -> None:
        if self._opening is None:
            self._connection.ended = Closed("the mesh was closed")
            return
        if self._connection.session is not None:
            try:
                async with asyncio.timeout(SETTLE_S):
                    await self._publisher.settled()
            except TimeoutError:
                pass
        await self._connection.close(Closed("the mesh was closed"))

    @property
    def node_name(self) -> str:
        """The name of the node at the other end; of the latest one while there is none."""
        return self._connection.node

    # publishing

    async def publish(
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
        """Publish a message; returns when the node has confirmed it: from then on it reaches every channel.

        ``headers`` are at most 64, 8 KiB together. ``delay_s`` holds the message back that long. ``level`` asks for a
        durability, memory, disk or fsync (the topic's or the node's unless given). Calls made in the same turn of the
        loop travel together.

        ``ttl_s``: after so long nobody wants it any more, and its node drops it (0: the topic's setting). ``id`` is for
        publishing again what may have been published already: within the topic's window (120 s unless set) the same
        node takes an id once, and answers with the first's receipt, ``duplicate``. ``channels`` are the only channels
        that it is for, at least one. Messages of one ``key`` published at one node are handed out one at a time and in
        order, on each channel; one that fails holds the others of its key back. ``priority`` is 0 to 3: the higher goes
        first, most of the time.

        Raises InvalidName, InvalidMessage, LevelUnavailable: nothing was published. Overloaded: for ``timeout_s`` a
        limit said no (``error.limit`` names it), nothing was published. Unreachable: so long there was no node, nothing
        was published. Unconfirmed: the connection ended before the answer, it may or may not be published; with
        ``retry`` it is published again on the next connection instead, possibly twice. An answer is waited for as long
        as the connection lives. Cancelled before it was sent, it is not published.
        """
        wished = NO_WISHES
        if delay_s or level or ttl_s or id or channels is not None or key or priority:
            wished = wishes(delay_s, level, ttl_s, id, channels, key, priority)
        return await self._publisher.add(topic, body, headers, wished, timeout_s, retry)

    async def publish_many(
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
        """Publish messages in order, each bytes or ``(bytes, headers)``; one receipt for all.

        ``headers`` are for those that bring none, ``id`` is for the whole call. Raises what ``publish`` raises, and at
        once Overloaded (EXCEEDS) for more than a limit of the topic or a channel lets in at any time. Up to 256
        messages of 256 KiB together are published all or none; of more, some may be when others are refused:
        PartlyPublished.
        """
        wished = wishes(delay_s, level, ttl_s, id, channels, key, priority)
        return await self._publisher.add_many(topic, messages, headers, wished, timeout_s, retry)

    # consuming

    def subscribe(
        self,
        topic: str,
        channel: str,
        *,
        max_in_flight: int = BrokerConfig().max_in_flight,
        max_in_flight_bytes: int = BrokerConfig().in_flight_bytes_max,
        backoff: Wait | None = None,
        barrier_s: float | None = None,
        message_timeout_s: float | None = None,
        start: Start | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Subscription:
        """A consumer of a channel; use it as a context, entering subscribes::

            async with mesh.subscribe("orders", "billing", max_in_flight=256) as messages:
                async for message in messages:
                    async with message:
                        handle(message.body)

        ``max_in_flight`` (and ``_bytes``) bound what is here unsettled, what waits included. ``backoff`` maps attempts
        to the seconds before a failed message comes again (1 s doubling up to 15 minutes, give or take 20 %).
        ``barrier_s`` bounds the wait until the members of the mesh know the channel, ``message_timeout_s`` the time
        from taking a message until it is given to somebody else; both are the node's to choose by default.

        ``start`` says where the channel begins, if it does not exist yet: ``"earliest"`` with everything that the topic
        retains, at a time (a datetime, or seconds since 1970), or ``"latest"`` as without it. Of a channel that exists
        it changes nothing; ``messages.created`` tells.

        Raises InvalidName or ConfigError; entering raises Overloaded or Unreachable after ``timeout_s`` more than the
        barrier.
        """
        wait = Backoff(rng=self._rng) if backoff is None else backoff
        terms = Terms(max_in_flight, max_in_flight_bytes, wait, barrier_s, message_timeout_s, timeout_s, start)
        return self._subscriptions.make(topic, channel, terms)

    # looking and changing

    def dead_letters(self, topic: str, channel: str | None = None) -> DeadLetters:
        """What was not delivered again of the topic, or of one channel of it: to list, redrive or purge."""
        return DeadLetters(self, topic, channel)

    @property
    def keys(self) -> Keys:
        """The keys of the mesh: to list, add, use and remove."""
        return Keys(self)

    async def members(self, *, timeout_s: float = TIMEOUT_S) -> list[MemberView]:
        """Every node that the node at the other end knows of, itself included."""
        return await self._pages.members(timeout_s)

    async def topics(self, topic: str | None = None, *, timeout_s: float = TIMEOUT_S) -> list[TopicView]:
        """Every topic of the mesh with its channels and their consumers, or ``topic`` alone, if there is one.

        Many come in several answers; ``timeout_s`` is for each.
        """
        return await self._pages.topics(topic, timeout_s)

    async def stats(
        self, topic: str | None = None, *, mesh: bool = False, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        """The node's counters, and its topics (or of them ``topic`` alone) with their channels.

        With ``mesh`` those of all: ``{"nodes": {name: stats}, "missing": [name]}``. Many topics come in several
        answers; ``timeout_s`` is for each, and a node that missed one is among the missing.
        """
        ask = self._pages.mesh_stats if mesh else self._pages.stats
        return await ask(topic, timeout_s)

    async def peek(
        self,
        topic: str,
        channel: str | None = None,
        *,
        limit: int = 10,
        whole_bodies: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> PeekView:
        """Look at messages without taking any: of all nodes, at most ``limit`` (1,000) in flight, queued and deferred.

        Without ``channel`` at those that a topic without channels keeps for its first. In flight the oldest come
        first, queued and deferred those that are next. Of a body the first 120 bytes are shown, or with
        ``whole_bodies`` all of it; an answer has at most a megabyte. Raises MeshError (NOT_FOUND), and InvalidName when
        a topic with channels is asked for without one.
        """
        arguments = {**_names(topic, channel), "mesh": True, "limit": limit, "body": whole_bodies}
        found: PeekView = await self.ask("peek", arguments, timeout_s=timeout_s)
        return found

    async def why(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> WhyView:
        """Why the messages of a topic, or one channel of it, are not delivered: all nodes are asked.

        One answer per channel, each with what was found, worst first, in words and with what to do. That there is no
        such topic or channel is an answer as well.
        """
        found: WhyView = await self.ask("why", {**_names(topic, channel), "mesh": True}, timeout_s=timeout_s)
        return found

    async def create(
        self,
        topic: str,
        channel: str | None = None,
        *,
        start: Start | None = None,
        timeout_s: float = TIMEOUT_S,
        **settings: Plain | None,
    ) -> bool:
        """Make a topic, or a channel of it, exist, and set it as ``configure`` does. What exists is only set.

        ``start`` says where a new channel begins, as in ``subscribe``; one that exists stays where it is. Returns
        whether it is new.
        """
        arguments = _named(topic, channel, settings)
        if start is not None:
            where = check("topic" if channel is None else "channel", {"start": start_setting(start)})
            arguments["settings"] = {**arguments.get("settings", {}), **where}
        answer = await self.ask("create", arguments, timeout_s=timeout_s)
        return isinstance(answer, dict) and answer.get("created") is True

    async def delete(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        """Delete a topic, or a channel of it, with all its messages, everywhere. Its consumers get ChannelDeleted."""
        await self.ask("delete", _names(topic, channel), timeout_s=timeout_s)

    async def configure(
        self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S, **settings: Plain | None
    ) -> dict[str, Plain]:
        """Set a topic, or a channel of it, everywhere; None takes a setting back. Returns how it is set then::

            await mesh.configure("orders", "billing", attempts_max=5, messages_max=100_000)

        Which settings there are is in ``docs/howto-queues.md``. Of two that set the same one, on two sides of a
        partition too, the later wins. Raises ConfigError for an unknown one or a wrong value, MeshError (code
        NOT_FOUND) for a name that is not there; nothing was set then.
        """
        answer = await self.ask("configure", _named(topic, channel, settings), timeout_s=timeout_s)
        found: dict[str, Plain] = answer.get("settings", {}) if isinstance(answer, dict) else {}
        return found

    async def pause(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        """Hand nothing out until ``resume``: of the topic to any channel, or of the channel. Publishing goes on."""
        await self.ask("pause", _names(topic, channel), timeout_s=timeout_s)

    async def resume(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        """End a pause."""
        await self.ask("resume", _names(topic, channel), timeout_s=timeout_s)

    async def empty(self, topic: str, channel: str | None = None, *, timeout_s: float = TIMEOUT_S) -> list[str]:
        """Drop what the channel has not finished, everywhere; of a topic, what it keeps for channels to come.

        That is what it retains, and without a channel everything. What waits in the channels that it has stays, and
        their names are returned.
        """
        answer = await self.ask("empty", _names(topic, channel), timeout_s=timeout_s)
        channels: list[str] = answer.get("channels", []) if isinstance(answer, dict) else []
        return channels

    async def ask(self, kind: str, arguments: dict[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """Any other question to the node. Raises Unreachable (it was not asked), Unconfirmed (no answer came)."""
        return await self._questions.ask(kind, arguments or {}, timeout_s)

    def events(self) -> EventStream:
        """What happens in the mesh from now on, as the node sees it: values of ``meshq.machine.events``."""
        return self._events.listen()

    async def drain(self, timeout_s: float = DRAIN_TIMEOUT_S) -> int:
        """Have the node at the other end leave: it refuses publishes and hands over for at most ``timeout_s``.

        Returns at once, with how many unfinished messages it had; ``events`` tells the rest: HandedOver for each log,
        Leaving at the end. When it leaves, the connection moves on to another
        node, if it knows any.
        """
        answer = await self.ask("drain", {"timeout_s": timeout_s})
        messages = answer.get("messages", 0) if isinstance(answer, dict) else 0
        return messages if type(messages) is int else 0


def connect(
    *addresses: str,
    name: str | None = None,
    label: str = "",
    config: LinkConfig | None = None,
    key: str | Path | Keyring | None = None,
) -> Mesh:
    """A thin client of the node at the first of ``addresses`` that answers (``host`` or ``host:port``; ``localhost``).

    The others are tried when it ends, and so are those that the node knows. ``name`` is shown by the node; ``label``,
    if given, must be the mesh's. ``key`` is the key file of a mesh that has one; nodes of this host can be had without.
    A plain call; awaiting or entering the result connects, and raises Unreachable. ConfigError for a wrong address or
    key file.
    """
    given = [split_address(address) for address in addresses or ("localhost",)]
    return Mesh(_dial, given, name=name, label=label, config=config, keys=hold(key))


async def _dial(address: Address, owner: StreamOwner) -> Stream:
    return await dial_tcp(address, owner)


def _named(topic: str, channel: str | None, settings: dict[str, Plain | None]) -> dict[str, Any]:
    arguments = _names(topic, channel)
    if settings:
        arguments["settings"] = check("topic" if channel is None else "channel", settings)
    return arguments


def _names(topic: str, channel: str | None) -> dict[str, Any]:
    if channel is None:
        return {"topic": check_topic(topic)}
    return {"topic": check_topic(topic), "channel": check_channel(channel)}

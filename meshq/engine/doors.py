"""The client connections of a node: publishing, consuming, asking and watching.

Decides what a client may do and how its frames become the broker's and the catalog's verbs. A client
that breaks a rule loses its connection; a publish or subscription that can't be is refused by name.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from meshq.broker.broker import Broker
from meshq.broker.effects import Confirmed as BatchConfirmed
from meshq.broker.effects import ConsumerEnded, Hand, Unkept
from meshq.config import Config
from meshq.engine import wishes
from meshq.engine.streams import Stream, Streams
from meshq.errors import (
    ConfigError,
    InvalidMessage,
    InvalidName,
    LevelUnavailable,
    MeshError,
    Overloaded,
    RemoteProtocolError,
    StoreTrouble,
)
from meshq.machine import events
from meshq.machine.settings import check as check_settings
from meshq.names import LEVELS, MEMORY, check_channel, check_topic, is_ephemeral
from meshq.routing.routing import Routing
from meshq.wire import bodies
from meshq.wire.fields import error_of
from meshq.wire.frames import (
    NO_OPTIONS,
    Ask,
    Capacity,
    Confirmed,
    Deliver,
    Ended,
    Fin,
    Flow,
    Frame,
    Goodbye,
    Happened,
    Hello,
    Publish,
    Refused,
    Req,
    Return,
    Subscribe,
    Subscribed,
    Touch,
    Unsubscribe,
    Watch,
)

REASONS: Final = frozenset(("requeue", "departed", "cancelled", "broken"))
TIMEOUT_MS_MIN: Final = 100
BARRIER_MS_MAX: Final = 60_000


class Subscription:
    """One consumer of one client."""

    __slots__ = ("channel", "consumer", "created", "door", "flow", "generation", "topic")

    def __init__(
        self, door: Door, flow: int, consumer: int, topic: str, channel: str, generation: int, *, created: bool
    ) -> None:
        self.door = door
        self.flow = flow
        self.consumer = consumer
        self.topic = topic
        self.channel = channel
        self.generation = generation
        self.created = created
        """Whether the channel began with it."""


class Door:
    """One client connection: its subscriptions and its unconfirmed publishes."""

    __slots__ = ("bytes", "events", "lost", "messages", "stream", "subscriptions", "watching")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.subscriptions: dict[int, Subscription] = {}
        self.watching = False
        self.events: deque[events.Event] = deque()
        """What happened while its connection was blocked."""
        self.lost = 0
        """Events that had to go meanwhile, the oldest first."""
        self.messages = 0
        self.bytes = 0


class Doors:
    """Every client of a node."""

    def __init__(
        self,
        config: Config,
        streams: Streams,
        refusing: Callable[[], str],
        wall_ns: Callable[[float], int],
        broker: Broker,
        routing: Routing,
    ) -> None:
        """``refusing``: the code with which publishes are refused, or nothing. ``wall_ns``: the time since 1970."""
        self._config = config
        self._streams = streams
        self._refusing = refusing
        self._wall_ns = wall_ns
        self._broker = broker
        self._routing = routing
        self._doors: dict[int, Door] = {}
        self._consumers: dict[int, Subscription] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._publishes: dict[int, tuple[Door, int, int, int]] = {}
        self._barriers: dict[int, Subscription] = {}
        self._early: dict[tuple[int, Flow], tuple[Door, list[Subscribe | Capacity]]] = {}
        """Subscriptions that wait for the catalog, by connection and flow: what is to be done for them, in order."""
        self._tokens = 0
        self.on_ask: Callable[[float, Stream, Ask], None]
        self._handlers: dict[type[Any], Callable[[float, Door, Any], None]] = {
            Publish: self._publish,
            Fin: self._fin,
            Subscribe: self._subscribe,
            Capacity: self._capacity,
            Unsubscribe: self._unsubscribe,
            Req: self._req,
            Return: self._return,
            Touch: self._touch,
            Watch: self._watch,
        }

    def __len__(self) -> int:
        return len(self._doors)

    def connected(self, now: float, stream: Stream) -> None:
        """Clients dial us, never we them."""

    def greeted(self, now: float, stream: Stream, hello: Hello) -> None:
        if len(self._doors) >= self._config.link.clients_max:
            raise RemoteProtocolError("this node has as many clients as it may (clients_max)", code="FULL")
        stream.name = hello.name
        self._doors[stream.number] = Door(stream)

    def frame(self, now: float, stream: Stream, frame: Frame) -> None:
        door = self._doors[stream.number]
        handler = self._handlers.get(type(frame))
        if handler is not None:
            handler(now, door, frame)
        elif type(frame) is Ask:
            self.on_ask(now, stream, frame)
        elif type(frame) is Goodbye:
            self._streams.end(now, stream, "", "")
        else:
            raise RemoteProtocolError(f"{type(frame).__name__} from a client", code="BAD_FRAME")

    def closed(self, now: float, stream: Stream, reason: str) -> None:
        door = self._doors.pop(stream.number, None)
        for early in [early for early in self._early if early[0] == stream.number]:
            del self._early[early]
        for subscription in list(door.subscriptions.values()) if door else ():
            self._leave(now, subscription)

    # what the broker and the catalog say

    def confirmed(self, effect: BatchConfirmed) -> None:
        """The messages of a publish are kept: tell who published."""
        found = self._publishes.pop(effect.token, None)
        if found is not None:
            door, request, messages, size_bytes = found
            door.messages -= messages
            door.bytes -= size_bytes
            options = {"duplicate": True} if effect.duplicate else NO_OPTIONS
            self._streams.send(door.stream, Confirmed(request, effect.log, effect.first, effect.level, options))

    def unkept(self, effect: Unkept) -> None:
        """The messages of a publish could not be kept at their level: say so."""
        found = self._publishes.pop(effect.token, None)
        if found is not None:
            door, request, messages, size_bytes = found
            door.messages -= messages
            door.bytes -= size_bytes
            text = f"{effect.why}: not confirmed, though it may be delivered; try again later, or another node"
            self._refuse(door, request, StoreTrouble(text))

    def hand(self, effect: Hand) -> None:
        """Messages for a consumer: send them."""
        subscription = self._consumers.get(effect.consumer)
        if subscription is not None:
            _, log, start, stop, accepted_ns, attempts, body = effect
            frame = Deliver(subscription.flow, log, start, stop, accepted_ns, attempts, body)
            self._streams.send(subscription.door.stream, frame)

    def ended(self, now: float, effect: ConsumerEnded) -> None:
        """The consumer's channel is gone: say so."""
        subscription = self._consumers.get(effect.consumer)
        if subscription is not None:
            self._streams.send(subscription.door.stream, Ended(subscription.flow, effect.code, effect.text))
            self._forget(now, subscription)

    def barrier_done(self, token: int, answered: int, asked: int) -> None:
        """The members have acknowledged, or had their time."""
        subscription = self._barriers.pop(token, None)
        if subscription is not None and subscription.consumer in self._consumers:
            options = {"created": True} if subscription.created else NO_OPTIONS
            frame = Subscribed(subscription.flow, answered, asked, subscription.generation, options)
            self._streams.send(subscription.door.stream, frame)

    def happened(self, event: events.Event) -> None:
        """Tell the clients that watch. For one whose connection is blocked the latest wait, the oldest go."""
        for door in self._doors.values():
            if not door.watching:
                continue
            if len(door.events) >= self._config.link.events_max:
                door.events.popleft()
                door.lost += 1
            door.events.append(event)
            self._tell(door)

    def room(self, stream: Stream) -> None:
        """The connection of a client takes bytes again: what it has not been told follows."""
        door = self._doors.get(stream.number)
        if door is not None:
            self._tell(door)

    def _tell(self, door: Door) -> None:
        if door.stream.blocked:
            return
        if door.lost:
            self._streams.send(door.stream, Happened(events.to_map(events.Lost(door.lost))))
            door.lost = 0
        while door.events:
            self._streams.send(door.stream, Happened(events.to_map(door.events.popleft())))

    def opened(self, now: float) -> None:
        """The node knows the mesh's catalog now: the subscriptions that waited for it begin."""
        early, self._early = self._early, {}
        for door, frames in early.values():
            for frame in frames:
                self._handlers[type(frame)](now, door, frame)

    def goodbye(self, now: float, code: str, text: str) -> None:
        """End every client connection."""
        for door in list(self._doors.values()):
            self._streams.end(now, door.stream, code, text)

    # what clients say

    def _publish(self, now: float, door: Door, frame: Publish) -> None:
        size_bytes = len(frame.body)
        door.messages += frame.messages
        door.bytes += size_bytes
        if door.messages > self._config.link.publish_messages or door.bytes > self._config.link.publish_bytes:
            raise RemoteProtocolError("more unconfirmed messages than the hello allowed", code="CREDIT")
        self._tokens += 1
        try:
            self._accept(now, self._tokens, frame)
        except MeshError as exc:
            door.messages -= frame.messages
            door.bytes -= size_bytes
            self._refuse(door, frame.request, exc)
        else:
            self._publishes[self._tokens] = (door, frame.request, frame.messages, size_bytes)

    def _accept(self, now: float, token: int, frame: Publish) -> None:
        broker = self._config.broker
        if code := self._refusing():
            raise Overloaded(f"the node is {code.lower()}: try again, or another node", code=code, limit="state")
        if len(frame.body) > broker.publish_bytes_max:
            raise InvalidMessage(f"{len(frame.body)} bytes at once; publish_bytes_max is {broker.publish_bytes_max}",
                                 code="TOO_BIG")  # fmt: skip
        known = self._routing.known(frame.topic)
        if known is None:
            check_topic(frame.topic)
        level = self._level(frame.topic, frame.options.get("level", ""))
        traits = wishes.traits(now, frame.options, level, broker)
        bodies.check(frame.body, frame.messages, broker.message_bytes_max)
        publish_id = wishes.publish_id(frame.options) if frame.options else ""
        generation = known or self._routing.use_topic(now, frame.topic)
        self._broker.publish(
            now,
            token,
            frame.topic,
            generation,
            frame.messages,
            frame.body,
            traits=traits,
            wall_ns=self._wall_ns(now),
            publish_id=publish_id,
        )

    def _level(self, topic: str, asked: Any) -> int:
        """The rank of the level that a publish gets: what it asks for, or else its topic, or else the node."""
        if asked != "" and asked not in LEVELS:
            raise LevelUnavailable(f"no level {str(asked)[:32]!r}: ask for {', '.join(LEVELS)} or nothing")
        if not self._broker.stores or is_ephemeral(topic):
            if asked in ("", "memory"):
                return MEMORY
            why = f"{topic} is #ephemeral" if self._broker.stores else "this node keeps messages in memory only"
            raise LevelUnavailable(f"level {asked!r} is not available: {why}; ask for 'memory', or nothing")
        return LEVELS.index(asked or self._broker.level(topic))

    def _subscribe(self, now: float, door: Door, frame: Subscribe) -> None:
        early = (door.stream.number, frame.flow)
        if frame.flow in door.subscriptions or early in self._early:
            raise RemoteProtocolError(f"subscription {frame.flow} exists", code="BAD_FRAME")
        try:
            if self._refusing() == "STARTING":
                self._wait(early, door, frame)
                return
            subscription = self._join(now, door, frame)
        except MeshError as exc:
            self._refuse(door, frame.flow, exc)
            return
        barrier_ms = frame.options.get("barrier_ms")
        barrier_s = self._config.routing.barrier_s
        if type(barrier_ms) is int and 0 <= barrier_ms <= BARRIER_MS_MAX:
            barrier_s = barrier_ms / 1000
        self._tokens += 1
        self._barriers[self._tokens] = subscription
        self._routing.barrier(now, self._tokens, frame.topic, frame.channel, barrier_s)

    def _wait(self, early: tuple[int, Flow], door: Door, frame: Subscribe) -> None:
        if len(self._early) >= self._config.link.subscriptions_max:
            raise Overloaded(
                "the node is starting, and as many subscriptions wait for that as may: try again, or another node",
                code="STARTING",
                limit="subscriptions_max",
            )
        self._early[early] = (door, [frame])

    def _join(self, now: float, door: Door, frame: Subscribe) -> Subscription:
        limits = self._config.broker
        if len(door.subscriptions) >= self._config.link.subscriptions_max:
            raise Overloaded("this connection has as many subscriptions as it may", limit="subscriptions_max")
        check_topic(frame.topic)
        check_channel(frame.channel)
        if not 0 < frame.messages <= limits.max_in_flight_max:
            raise ConfigError(f"max_in_flight is 1 to {limits.max_in_flight_max} at this node, not {frame.messages}")
        created = self._routing.known(frame.topic, frame.channel) is None
        generation = self._channel(now, frame)
        timeout_ms = frame.options.get("timeout_ms")
        timeout_s = limits.message_timeout_s
        if type(timeout_ms) is int and timeout_ms >= TIMEOUT_MS_MIN:
            timeout_s = timeout_ms / 1000
        self._tokens += 1
        subscription = Subscription(
            door, frame.flow, self._tokens, frame.topic, frame.channel, generation, created=created
        )
        self._count(now, subscription, 1)
        door.subscriptions[frame.flow] = self._consumers[self._tokens] = subscription
        self._broker.consumer_joined(
            now, self._tokens, frame.topic, frame.channel, generation, frame.messages, frame.bytes, timeout_s
        )
        return subscription

    def _channel(self, now: float, frame: Subscribe) -> int:
        """The generation to consume; a reconnect's resubscription brings nothing back that was deleted.

        A channel unknown here is another matter: this node lost its memory, or has not heard of it yet. Where it
        began then is settled.
        """
        topic, channel, start = frame.topic, frame.channel, frame.options.get("start")
        if frame.options.get("again") is True:
            if self._routing.deleted(topic, channel):
                raise MeshError(f"{topic}/{channel} was deleted meanwhile", code="DELETED")
        elif start is not None:
            if is_ephemeral(topic) or is_ephemeral(channel):
                raise ConfigError(f"{topic}/{channel} lives with its consumers and begins with them: it has no start")
            return self._routing.use_channel(now, topic, channel, check_settings("channel", {"start": start}))
        return self._routing.use_channel(now, topic, channel)

    def _fin(self, now: float, door: Door, frame: Fin) -> None:
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            self._broker.finish(now, subscription.consumer, frame.spans)

    def _req(self, now: float, door: Door, frame: Req) -> None:
        if frame.reason not in REASONS or not 0 < frame.start < frame.stop:
            raise RemoteProtocolError(f"no requeue for the reason {frame.reason[:32]!r}", code="BAD_FRAME")
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            delay_s = min(frame.delay_ms / 1000, self._config.broker.requeue_delay_max_s)
            error = error_of(frame.options)
            self._broker.requeue(
                now, subscription.consumer, frame.log, frame.start, frame.stop, delay_s, frame.reason, error
            )

    def _return(self, now: float, door: Door, frame: Return) -> None:
        subscription = self._of(door, frame.flow)
        if subscription is not None and 0 < frame.start < frame.stop:
            self._broker.give_back(now, subscription.consumer, frame.log, frame.start, frame.stop)

    def _touch(self, now: float, door: Door, frame: Touch) -> None:
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            self._broker.touch(now, subscription.consumer, frame.spans)

    def _capacity(self, now: float, door: Door, frame: Capacity) -> None:
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            messages = min(frame.messages, self._config.broker.max_in_flight_max)
            self._broker.consumer_capacity(now, subscription.consumer, messages, frame.bytes)
        elif waits := self._early.get((door.stream.number, frame.flow)):
            waits[1][1:] = [frame]

    def _unsubscribe(self, now: float, door: Door, frame: Unsubscribe) -> None:
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            self._leave(now, subscription)
        elif self._early.pop((door.stream.number, frame.flow), None) is None:
            return
        self._streams.send(door.stream, Ended(frame.flow, "", ""))

    def _watch(self, now: float, door: Door, frame: Watch) -> None:
        door.watching = frame.on
        door.events.clear()

    def _of(self, door: Door, flow: Flow) -> Subscription | None:
        """The subscription; None for one that has just ended (its last frames may be on their way)."""
        if type(flow) is not int:
            raise RemoteProtocolError("a client's flow is the number of a subscription", code="BAD_FRAME")
        return door.subscriptions.get(flow)

    def _refuse(self, door: Door, request: int, exc: MeshError) -> None:
        limit = exc.limit if isinstance(exc, Overloaded) else ""
        self._streams.send(door.stream, Refused(request, exc.code, str(exc), limit))

    def _leave(self, now: float, subscription: Subscription) -> None:
        self._broker.consumer_left(now, subscription.consumer)
        self._forget(now, subscription)

    def _forget(self, now: float, subscription: Subscription) -> None:
        del self._consumers[subscription.consumer]
        subscription.door.subscriptions.pop(subscription.flow, None)
        self._count(now, subscription, -1)

    def _count(self, now: float, subscription: Subscription, change: int) -> None:
        """Tell the mesh how many consumers there are. Raises Overloaded, with nothing changed, at interest_max."""
        key = (subscription.topic, subscription.channel)
        count = self._counts.get(key, 0) + change
        self._routing.consumers(now, subscription.topic, subscription.channel, count)
        if count:
            self._counts[key] = count
        else:
            self._counts.pop(key, None)


__all__ = ["Door", "Doors", "InvalidName", "Subscription"]

"""What clients consume: their subscriptions, from the barrier to the last settlement.

Decides which subscriptions may be, which wait for the catalog, and what the mesh is told of how many consumers there
are; whom a message is lent to is the broker's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from meshq.broker.broker import Broker
from meshq.broker.effects import ConsumerEnded, Hand
from meshq.config import Config
from meshq.engine.door import Door, Subscription, refusal
from meshq.engine.streams import Streams
from meshq.errors import ConfigError, MeshError, Overloaded, RemoteProtocolError
from meshq.machine.settings import check as check_settings
from meshq.names import check_channel, check_topic, is_ephemeral
from meshq.routing.routing import Routing
from meshq.wire.fields import error_of
from meshq.wire.frames import (
    NO_OPTIONS,
    Capacity,
    Deliver,
    Ended,
    Fin,
    Flow,
    Req,
    Return,
    Subscribe,
    Subscribed,
    Touch,
    Unsubscribe,
)

REASONS: Final = frozenset(("requeue", "departed", "cancelled", "broken"))
TIMEOUT_MS_MIN: Final = 100
BARRIER_MS_MAX: Final = 60_000


class Subscriptions:
    """Of all clients, by their numbers at the broker."""

    def __init__(
        self, config: Config, streams: Streams, refusing: Callable[[], str], broker: Broker, routing: Routing
    ) -> None:
        self._config = config
        self._streams = streams
        self._refusing = refusing
        self._broker = broker
        self._routing = routing
        self._consumers: dict[int, Subscription] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._barriers: dict[int, Subscription] = {}
        self._early: dict[tuple[int, Flow], tuple[Door, list[Subscribe | Capacity]]] = {}
        """Subscriptions that wait for the catalog, by connection and flow: what is to be done for them, in order."""
        self._tokens = 0

    # what clients say

    def subscribe(self, now: float, door: Door, frame: Subscribe) -> None:
        """Become a consumer; answered when the members know the channel, or had their time."""
        early = (door.stream.number, frame.flow)
        if frame.flow in door.subscriptions or early in self._early:
            raise RemoteProtocolError(f"subscription {frame.flow} exists", code="BAD_FRAME")
        try:
            if self._refusing() == "STARTING":
                self._wait(early, door, frame)
                return
            subscription = self._join(now, door, frame)
        except MeshError as exc:
            self._streams.send(door.stream, refusal(frame.flow, exc))
            return
        barrier_ms = frame.options.get("barrier_ms")
        barrier_s = self._config.routing.barrier_s
        if type(barrier_ms) is int and 0 <= barrier_ms <= BARRIER_MS_MAX:
            barrier_s = barrier_ms / 1000
        self._tokens += 1
        self._barriers[self._tokens] = subscription
        self._routing.barrier(now, self._tokens, frame.topic, frame.channel, barrier_s)

    def capacity(self, now: float, door: Door, frame: Capacity) -> None:
        """Hold at most this much from now on."""
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            messages = min(frame.messages, self._config.broker.max_in_flight_max)
            self._broker.consumers.capacity(now, subscription.consumer, messages, frame.bytes)
        elif waits := self._early.get((door.stream.number, frame.flow)):
            waits[1][1:] = [frame]

    def unsubscribe(self, now: float, door: Door, frame: Unsubscribe) -> None:
        """The consumer leaves."""
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            self._leave(now, subscription)
        elif self._early.pop((door.stream.number, frame.flow), None) is None:
            return
        self._streams.send(door.stream, Ended(frame.flow, "", ""))

    def fin(self, now: float, door: Door, frame: Fin) -> None:
        """Messages are finished."""
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            self._broker.consumers.finish(now, subscription.consumer, frame.spans)

    def req(self, now: float, door: Door, frame: Req) -> None:
        """Messages are to be delivered again."""
        if frame.reason not in REASONS or not 0 < frame.start < frame.stop:
            raise RemoteProtocolError(f"no requeue for the reason {frame.reason[:32]!r}", code="BAD_FRAME")
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            delay_s = min(frame.delay_ms / 1000, self._config.broker.requeue_delay_max_s)
            error = error_of(frame.options)
            self._broker.consumers.requeue(
                now, subscription.consumer, frame.log, frame.start, frame.stop, delay_s, frame.reason, error
            )

    def give_back(self, now: float, door: Door, frame: Return) -> None:
        """Messages were never handed over."""
        subscription = self._of(door, frame.flow)
        if subscription is not None and 0 < frame.start < frame.stop:
            self._broker.consumers.give_back(now, subscription.consumer, frame.log, frame.start, frame.stop)

    def touch(self, now: float, door: Door, frame: Touch) -> None:
        """Messages take longer."""
        subscription = self._of(door, frame.flow)
        if subscription is not None:
            self._broker.consumers.touch(now, subscription.consumer, frame.spans)

    def closed(self, now: float, number: int, door: Door | None) -> None:
        """The connection is gone: what it consumed, or waited to consume, is not wanted any more."""
        for early in [early for early in self._early if early[0] == number]:
            del self._early[early]
        for subscription in list(door.subscriptions.values()) if door else ():
            self._leave(now, subscription)

    # what the broker and the catalog say

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

    def opened(self, now: float) -> None:
        """The node knows the mesh's catalog now: the subscriptions that waited for it begin."""
        early, self._early = self._early, {}
        for door, frames in early.values():
            for frame in frames:
                if type(frame) is Subscribe:
                    self.subscribe(now, door, frame)
                elif type(frame) is Capacity:
                    self.capacity(now, door, frame)

    # the table

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
        self._broker.consumers.joined(
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

    def _of(self, door: Door, flow: Flow) -> Subscription | None:
        """The subscription; None for one that has just ended (its last frames may be on their way)."""
        if type(flow) is not int:
            raise RemoteProtocolError("a client's flow is the number of a subscription", code="BAD_FRAME")
        return door.subscriptions.get(flow)

    def _leave(self, now: float, subscription: Subscription) -> None:
        self._broker.consumers.left(now, subscription.consumer)
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

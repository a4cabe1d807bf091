"""Who is told what routing decides: births, ends and settings of names, interest, and its own packets.

Decides that what this node accepted after a delete elsewhere counts as the topic's next use: it is asked for before
the end is told, and carried over after.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from meshq.broker.broker import Broker
from meshq.engine.doors import Doors
from meshq.engine.nearness import Nearness
from meshq.engine.post import Post
from meshq.engine.uses import Uses
from meshq.machine import events
from meshq.machine.effects import Emit, ReplyPacket, SendPacket, StreamPacket
from meshq.membership.membership import Membership
from meshq.routing import effects
from meshq.routing.routing import Routing


class FromRouting:
    """To the broker, the clients, the post, and membership, which spreads its head."""

    def __init__(
        self,
        nearness: Nearness,
        membership: Membership,
        routing: Routing,
        broker: Broker,
        post: Post,
        doors: Doors,
        uses: Uses,
        emit: Callable[[events.Event], None],
    ) -> None:
        self._nearness = nearness
        self._membership = membership
        self._routing = routing
        self._broker = broker
        self._post = post
        self._doors = doors
        self._uses = uses
        self._emit = emit

    def tell(self, now: float, told: list[Any]) -> None:
        later = [
            (
                ended.topic,
                self._broker.accepted_since(ended.topic, ended.generation, -inf if ended.unused else now - ended.age_s),
            )
            for ended in told
            if type(ended) is effects.TopicEnded and (ended.unused or ended.age_s > 0)
        ]
        for effect in told:
            self._tell(now, effect)
        for topic, publishings in later:
            if publishings:
                self._uses.carry_over(now, topic, publishings)

    def _tell(self, now: float, effect: Any) -> None:
        match effect:
            case SendPacket(to, packet):
                self._post.tell(now, to, packet)
            case StreamPacket() | ReplyPacket():
                self._post.send(now, effect)
            case effects.ChannelBorn(topic, channel, generation, age_s, local, settings):
                self._broker.channel_born(now, topic, channel, generation, age_s, local, settings)
            case effects.ChannelEnded(topic, channel, generation):
                self._broker.channel_ended(now, topic, channel, generation)
            case effects.TopicBorn(topic, generation):
                self._broker.topic_born(now, topic, generation)
            case effects.TopicEnded(topic, generation):
                self._broker.topic_ended(now, topic, generation)
            case effects.Configured(topic, channel, settings):
                self._broker.configured(now, topic, channel, settings)
            case effects.InterestChanged(topic, channel):
                self._broker.interest(now, topic, channel, self._interested(topic, channel))
            case effects.BarrierDone(token, answered, asked):
                self._doors.subscriptions.barrier_done(token, answered, asked)
            case effects.Kept(row):
                self._broker.put(row)
            case effects.HeadMoved():
                self._membership.set_head(now, self._routing.own_head())
            case Emit(event):
                self._emit(event)

    def _interested(self, topic: str, channel: str) -> tuple[tuple[str, int], ...]:
        """The nodes with consumers, and how near each is."""
        return tuple((name, self._nearness.of(name)) for name in self._routing.interested(topic, channel))

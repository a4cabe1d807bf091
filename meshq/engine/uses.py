"""Uses of a topic that nobody asked for by a verb: the broker has messages that must lie in one.

Decides what becomes of them when the catalog has no room for the topic: what was deleted is gone, and said to be; what
was about to be a dead letter is delivered once more.
"""

from __future__ import annotations

from collections.abc import Callable

from meshq.broker.broker import Broker
from meshq.broker.gathering import Publishing
from meshq.engine.opening import Opening
from meshq.errors import Overloaded
from meshq.machine import events
from meshq.names import DEAD_CHANNEL, is_ephemeral
from meshq.routing.routing import Routing


class Uses:
    """Takes a topic's next generation from the catalog, and tells the broker."""

    def __init__(
        self, opening: Opening, routing: Routing, broker: Broker, emit: Callable[[events.Event], None]
    ) -> None:
        self._opening = opening
        self._routing = routing
        self._broker = broker
        self._emit = emit

    def carry_over(self, now: float, topic: str, publishings: list[Publishing]) -> None:
        """What was accepted after a delete of its topic counts as the next use."""
        try:
            generation = self._routing.use_topic(now, topic)
        except Overloaded as exc:
            messages = sum(publishing.messages for publishing in publishings)
            self._emit(events.Trouble(f"{messages} messages of the deleted topic {topic} could not be kept: {exc}"))
            return
        self._broker.carry_over(now, topic, generation, publishings)

    def bury(self, now: float, topic: str) -> None:
        """Dead letters want a topic, and a channel that keeps them for whoever looks."""
        try:
            if not self._opening.ready:
                raise Overloaded("the catalog of the mesh is not known yet")
            generation = self._routing.use_topic(now, topic)
            if not is_ephemeral(topic):
                self._routing.use_channel(now, topic, DEAD_CHANNEL)
        except Overloaded as exc:
            self._emit(events.Trouble(f"{topic} can't be had, its messages are delivered once more: {exc}"))
            self._broker.spare(now, topic)
        else:
            self._broker.bury(now, topic, generation)

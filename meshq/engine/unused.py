"""Topics that nobody uses go by themselves: those without channels, without messages and without settings of their own.

Decides when a topic counts as used (a node holds messages of it, was published to, or it has channels: said in the
catalog about thirty times in ``topic_unused_s``, by whoever looks first) and when it may go: nobody has said so for
that long, and no member died in that time that might know better. What a node has accepted and not heard of in time is
not lost by it: such an end drops nothing, what is there counts as the topic's next use.
"""

from __future__ import annotations

from typing import Final

from meshq.broker.broker import Broker
from meshq.config import RoutingConfig
from meshq.membership.member import State
from meshq.membership.membership import Membership
from meshq.routing.routing import Routing

STEPS: Final = 30
"""Looks in the time after which a topic goes."""
TOPICS_MAX: Final = 100
"""Looked at in one go; the others follow ..."""
PAUSE_S: Final = 0.1
"""... this much later."""


class Unused:
    """Looks at every topic from time to time."""

    def __init__(self, config: RoutingConfig, membership: Membership, routing: Routing, broker: Broker) -> None:
        self._unused_s = config.topic_unused_s
        self._membership = membership
        self._routing = routing
        self._broker = broker
        self._published: dict[str, int] = {}
        self._left: list[str] = []
        self._at: float | None = None

    def tick(self, now: float) -> None:
        """Look at some topics, if it is time."""
        if self._at is None:
            self._at = now + self._unused_s / STEPS
        if now < self._at:
            return
        if not self._left:
            self._left = self._routing.names()
            self._published = {name: self._published[name] for name in self._left if name in self._published}
        looked, self._left = self._left[:TOPICS_MAX], self._left[TOPICS_MAX:]
        for name in looked:
            self._look(now, name)
        self._at = now + (PAUSE_S if self._left else self._unused_s / STEPS)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return self._at

    def _look(self, now: float, name: str) -> None:
        messages, published = self._broker.in_use(name)
        before, self._published[name] = self._published.get(name, 0), published
        idle_s = self._routing.idle_s(now, name)
        if messages or published > before or self._routing.channels(name):
            if idle_s > self._unused_s / STEPS:
                self._routing.still_used(now, name)
        elif idle_s > self._unused_s and not self._missing(now) and not self._routing.settings(name):
            self._routing.end_unused(now, name)

    def _missing(self, now: float) -> bool:
        """Whether somebody died, and may come back and know of a use."""
        members = self._membership.members.values()
        return any(
            member.state is State.SUSPECT or (member.state is State.DEAD and now - member.since < self._unused_s)
            for member in members
        )

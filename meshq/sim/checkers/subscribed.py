"""Subscribe means subscribed: when a consumer is told that so many members have acknowledged its channel, so many know
the channel. A member that began anew since the consumer asked, or that knows that the channel was deleted meanwhile,
counts as one that knew.

Without this a barrier that ends too early goes unnoticed: the window for late channels mends what it spoils.
"""

from __future__ import annotations

from typing import Any

from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage


class Subscribed(Checker):
    """Asks every node's catalog at the moment of the answer."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_subscribed.append(self._told)

    def _told(self, consumer: Any, answered: int, asked: int) -> None:
        topic, channel = consumer.topic, consumer.channel
        know = sum(self._knew(host, topic, channel, consumer.asked_at) for host in self.stage.fleet.hosts.values())
        if know < answered:
            self.find(
                f"{consumer.name} is told that {answered} of {asked} know {topic}/{channel}: at most {know} can know it"
            )

    def _knew(self, host: Host, topic: str, channel: str, asked_at: float) -> bool:
        engine = self.stage.engine(host.name)
        if engine is None or engine._views.started_at - host.clock.base_s >= asked_at:
            return True
        routing = engine.routing
        return routing.known(topic, channel) is not None or routing.deleted(topic, channel)

"""Nobody starves: each consumer was handed something while the load went on, one with room for a single message too."""

from __future__ import annotations

from meshq.sim.checkers.base import Checker
from meshq.sim.queueing import Mourner


class Served(Checker):
    """Asks consumers for the most that they ever had in hand."""

    def at_end(self, settled: bool) -> None:
        for consumer in self.stage.consumers:
            if not isinstance(consumer, Mourner) and not consumer.in_hand_max:
                self.find(f"{consumer.name} at {consumer.node} never got a message of {consumer.channel}")

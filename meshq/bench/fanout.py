"""One topic with many channels: every message is delivered and finished once on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from meshq.bench.crew import Crew, Shelf
from meshq.bench.figures import Figure, Kind
from meshq.bench.flow import RATE, TAKE, Load, consumer, flow
from meshq.bench.repeat import Say
from meshq.bench.report import Measured

DELIVERIES = Figure("deliveries_per_s", "deliveries/s", Kind.RATE, repeats=True)


@dataclass(frozen=True)
class Fanout(Load):
    """A node, a publisher, and one process with a consumer for each channel."""

    name: ClassVar[str] = "fanout"
    figures: ClassVar[Sequence[Figure]] = (DELIVERIES, replace(RATE, repeats=False), TAKE)
    channels: int = 10

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run."""
        say("a node starts")
        node = crew.node(shelf=Shelf(self.level)).mesh
        consumers = [consumer(crew, node, self, self.channels)]
        say("messages flow")
        return flow(crew, node, consumers, self, self.channels)

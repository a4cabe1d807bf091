"""One node, a publisher and a consumer, in three processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from meshq.bench.crew import Crew, Shelf
from meshq.bench.figures import Figure
from meshq.bench.flow import CONFIRMED, RATE, TAKE, Load, consumer, flow
from meshq.bench.repeat import Say
from meshq.bench.report import Measured


@dataclass(frozen=True)
class Throughput(Load):
    """In at one end, out at the other."""

    name: ClassVar[str] = "throughput"
    figures: ClassVar[Sequence[Figure]] = (RATE, CONFIRMED, TAKE)

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run."""
        say("a node starts")
        node = crew.node(shelf=Shelf(self.level)).mesh
        consumers = [consumer(crew, node, self)]
        say("messages flow")
        return flow(crew, node, consumers, self)

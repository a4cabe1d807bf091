"""Three nodes: in at the first, out at the second and third, by one channel that these share."""

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
class Mesh(Load):
    """Every message crosses a link."""

    name: ClassVar[str] = "mesh"
    figures: ClassVar[Sequence[Figure]] = (RATE, CONFIRMED, TAKE)
    sealed: bool = False
    """Links and gossip under a key; clients of this host need none."""

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run."""
        say("three nodes start")
        first, *others = crew.mesh(3, Shelf(self.level), sealed=self.sealed)
        consumers = [consumer(crew, node.mesh, self) for node in others]
        say("messages flow")
        return flow(crew, first.mesh, consumers, self)

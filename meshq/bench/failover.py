"""Three nodes under a steady load, of which one is killed: how long the others pause, and what becomes of the messages.

At each node a process publishes and another consumes; all consumers share one channel. The clients of the killed node
live on and move to another one: their pause is a figure of its own. When all is published, a node with a store is
started again on its data. A message counts as lost when it was confirmed and no consumer has seen it; those that the
killed node had accepted are counted apart, since level ``memory`` promises nothing of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from meshq.bench.aftermath import FIGURES, Aftermath
from meshq.bench.crew import Crew, Role, Shelf
from meshq.bench.figures import Figure
from meshq.bench.repeat import Say
from meshq.bench.report import Measured

NODES: Final = 3


@dataclass(frozen=True)
class Failover:
    """The kill comes half-way."""

    name: ClassVar[str] = "failover"
    figures: ClassVar[Sequence[Figure]] = FIGURES
    messages: int
    size_bytes: int
    per_s: float
    level: str

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run."""
        say("three nodes start")
        shelf = Shelf(self.level)
        nodes = crew.mesh(NODES, shelf)
        consumers = [crew.ready("consume-steady", node=node.mesh) for node in nodes]
        share = self.messages // NODES
        publishers = [self._publisher(crew, node.mesh, number * share, share) for number, node in enumerate(nodes)]
        say(f"{self.per_s:,.0f} messages/s, and a kill half-way")
        for publisher in publishers:
            publisher.sign()
        time.sleep(self.messages / self.per_s / 2)
        killed_s = time.monotonic()
        nodes[-1].kill()
        confirms = [each.hear() for each in publishers]
        published_s = time.monotonic()
        if shelf.kept:
            say("the killed node starts again")
            nodes[-1].restart()
        say("the rest is consumed")
        crew.ready("drained", nodes=[node.mesh for node in nodes if node.running])
        takes = [each.stop()["takes"] for each in consumers]
        return Aftermath(confirms, takes, killed_s, published_s, nodes[-1].name).measured()

    def _publisher(self, crew: Crew, node: str, first: int, share: int) -> Role:
        pace = {"messages": share, "per_s": self.per_s / NODES, "size_bytes": self.size_bytes, "level": self.level}
        return crew.ready("publish-steady", node=node, first=first, **pace)

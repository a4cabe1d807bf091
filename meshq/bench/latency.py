"""Single messages at a steady pace: from the call of publish to the message in another process.

A bare relay between two processes is measured beside it, at the same pace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from meshq.bench.crew import Crew, Shelf
from meshq.bench.figures import Figure, Kind
from meshq.bench.repeat import Say
from meshq.bench.report import Measured

P50 = Figure("p50_ms", "ms", Kind.TIME, 3, repeats=True)
P99 = Figure("p99_ms", "ms", Kind.TIME, 3)
MAX = Figure("max_ms", "ms", Kind.TIME, 3)
CONFIRM_P50 = Figure("confirm_p50_ms", "ms", Kind.TIME, 3)
CONFIRM_P99 = Figure("confirm_p99_ms", "ms", Kind.TIME, 3)
RELAY_P50 = Figure("relay_p50_ms", "ms", Kind.TIME, 3)
RELAY_P99 = Figure("relay_p99_ms", "ms", Kind.TIME, 3)
RELAY_REFERENCE_MS: Final = 0.07
"""The relay's median on the reference host: what a latency is calibrated by."""
RELAY_PART: Final = 3
"""The relay gets this part of the messages."""


@dataclass(frozen=True)
class Latency:
    """``nodes`` 1: publisher and consumer at one node; 2: each at its own."""

    name: ClassVar[str] = "latency"
    figures: ClassVar[Sequence[Figure]] = (P50, P99, MAX, CONFIRM_P50, CONFIRM_P99, RELAY_P50, RELAY_P99)
    messages: int
    size_bytes: int
    per_s: float
    level: str
    nodes: int
    sealed: bool = False
    """The link between them, and gossip, under a key."""

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run: the relay first, then the mesh."""
        say("a bare relay")
        relay = self._relay(crew)
        say("nodes start")
        nodes = crew.mesh(self.nodes, Shelf(self.level), sealed=self.sealed)
        consumer = crew.ready("consume-paced", node=nodes[-1].mesh, messages=self.messages)
        say("messages flow")
        publisher = crew.role("publish-paced", node=nodes[0].mesh, level=self.level, **self._pace(self.messages))
        confirm, told = publisher.hear()["confirm"], consumer.hear()
        values = {
            P50.name: told["delivery"]["p50"],
            P99.name: told["delivery"]["p99"],
            MAX.name: told["delivery"]["max"],
            CONFIRM_P50.name: confirm["p50"],
            CONFIRM_P99.name: confirm["p99"],
            RELAY_P50.name: relay["delivery"]["p50"],
            RELAY_P99.name: relay["delivery"]["p99"],
        }
        curves = {"delivery": told["ladder"], "relay": relay["ladder"]}
        return Measured(values, curves, RELAY_REFERENCE_MS / values[RELAY_P50.name])

    def _relay(self, crew: Crew) -> dict[str, dict[str, float]]:
        pace = self._pace(max(10, self.messages // RELAY_PART))
        port = crew.role("relay").hear()["port"]
        sink = crew.ready("relay-sink", port=port, messages=pace["messages"], size_bytes=self.size_bytes)
        source = crew.ready("relay-pace", port=port, **pace)
        told = sink.hear()
        source.process.kill()
        return told

    def _pace(self, messages: int) -> dict[str, float]:
        return {"messages": messages, "size_bytes": self.size_bytes, "per_s": self.per_s}

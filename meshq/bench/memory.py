"""Resident memory of a node: with messages queued that nobody takes, and with consumers that wait for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from meshq.bench.crew import BenchError, Crew, Shelf
from meshq.bench.figures import Figure, Kind
from meshq.bench.host import allow_files, resident_mb
from meshq.bench.repeat import Say
from meshq.bench.report import Measured

SINGLE_CALLS: Final = 200
BATCH_CALLS: Final = 64
EMPTY = Figure("empty_mb", "MB", Kind.SIZE, digits=1)
BATCHES = Figure("batches_mb", "MB", Kind.SIZE, digits=1, repeats=True)
SINGLY = Figure("singly_mb", "MB", Kind.SIZE, digits=1, repeats=True)
CONSUMERS = Figure("consumers_mb", "MB", Kind.SIZE, digits=1, repeats=True)
BATCH_EACH = Figure("batches_bytes_per_message", "bytes", Kind.SIZE)
SINGLY_EACH = Figure("singly_bytes_per_message", "bytes", Kind.SIZE)
CONSUMER_EACH = Figure("consumer_kb", "kB", Kind.SIZE, digits=1)


@dataclass(frozen=True)
class Memory:
    """Each figure is of a fresh node."""

    name: ClassVar[str] = "memory"
    figures: ClassVar[Sequence[Figure]] = (BATCHES, BATCH_EACH, SINGLY, SINGLY_EACH, CONSUMERS, CONSUMER_EACH, EMPTY)
    messages: int
    size_bytes: int
    batch: int
    level: str
    consumers: int
    memory_bytes_max: int = 0
    """The budget of the nodes, which then have a store; 0: none."""

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run."""
        allow_files(2 * self.consumers + 1000)
        batched = self._queued(crew, say, self.batch, BATCH_CALLS)
        singly = self._queued(crew, say, 1, SINGLE_CALLS)
        idle, empty = self._idle(crew, say)
        return Measured(
            {
                EMPTY.name: empty,
                BATCHES.name: batched,
                SINGLY.name: singly,
                CONSUMERS.name: idle,
                BATCH_EACH.name: (batched - empty) * 1e6 / self.messages,
                SINGLY_EACH.name: (singly - empty) * 1e6 / self.messages,
                CONSUMER_EACH.name: (idle - empty) * 1e3 / self.consumers,
            }
        )

    def _queued(self, crew: Crew, say: Say, batch: int, calls: int) -> float:
        """Resident MB of a node that holds all messages; nobody consumes, so its topic keeps them."""
        say(f"{self.messages:,} messages in calls of {batch}")
        node = crew.node(f"queued-{batch}", Shelf(self.level, self.memory_bytes_max))
        given: dict[str, Any] = {"messages": self.messages, "size_bytes": self.size_bytes, "level": self.level}
        crew.role("publish", node=node.mesh, batch=batch, calls=calls, finishes=0, **given).hear()
        resident = resident_mb(node.pid)
        node.kill()
        return resident

    def _idle(self, crew: Crew, say: Say) -> tuple[float, float]:
        """Resident MB of a node with all consumers, and of the same node before they came."""
        say(f"{self.consumers:,} consumers come")
        node = crew.node("idle", Shelf(self.level, self.memory_bytes_max))
        empty = resident_mb(node.pid)
        connections = crew.role("idle", node=node.mesh, consumers=self.consumers).hear()["connections"]
        if connections < self.consumers:
            raise BenchError(f"only {connections} of {self.consumers} consumers are connected")
        resident = resident_mb(node.pid)
        node.kill()
        return resident, empty

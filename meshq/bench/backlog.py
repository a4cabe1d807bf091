"""A backlog on disk: published while nobody consumes, then consumed, then published and consumed once more.

The second time shows that the file's space is used again. Not only the first channel of a topic starts at its oldest
message: those that are created soon after it, or heard of late, do so too. So a backlog leaves the file some time after
it was finished, and the bench waits that long. The node's resident memory is sampled all the while.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from meshq.bench.crew import Crew, Shelf
from meshq.bench.figures import Figure, Kind
from meshq.bench.repeat import Say
from meshq.bench.report import Measured
from meshq.bench.roles.names import channels
from meshq.bench.watch import Resident
from meshq.config import BrokerConfig
from meshq.launcher import NodeProcess

IN = Figure("published_per_s", "messages/s", Kind.RATE)
OUT = Figure("consumed_per_s", "messages/s", Kind.RATE, repeats=True)
RESIDENT = Figure("resident_max_mb", "MB", Kind.SIZE, digits=1)
QUEUED = Figure("resident_queued_mb", "MB", Kind.SIZE, digits=1)
FILE = Figure("file_mb", "MB", Kind.SIZE, digits=1)
CONSUMED = Figure("file_consumed_mb", "MB", Kind.SIZE, digits=1)
AGAIN = Figure("file_again_mb", "MB", Kind.SIZE, digits=1)
GROWTH = Figure("file_growth_percent", "%", Kind.SIZE, digits=1)

LEAVES_S: Final = 2 * BrokerConfig().window_s + 5.0


@dataclass(frozen=True)
class Backlog:
    """One node with a store; ``file`` figures are of its data directory."""

    name: ClassVar[str] = "backlog"
    figures: ClassVar[Sequence[Figure]] = (OUT, IN, RESIDENT, QUEUED, FILE, CONSUMED, AGAIN, GROWTH)
    messages: int
    size_bytes: int
    batch: int
    calls: int
    level: str

    def measure(self, crew: Crew, say: Say) -> Measured:
        """One run."""
        say("a node starts")
        node = crew.node(shelf=Shelf(self.level))
        with Resident(node.pid) as resident:
            say(f"{self.messages:,} messages are published")
            in_per_s = self._publish(crew, node)
            queued_mb, file_mb = resident.now_mb(), self._file_mb(crew)
            say("they are consumed")
            out_per_s = self._consume(crew, node, self._count)
            consumed_mb = self._file_mb(crew)
            say("what is finished leaves the file")
            time.sleep(LEAVES_S)
            say("as many are published again")
            self._publish(crew, node)
            again_mb = self._file_mb(crew)
            say("and consumed")
            self._consume(crew, node, 2 * self._count)
        return Measured(
            {
                IN.name: in_per_s,
                OUT.name: out_per_s,
                RESIDENT.name: resident.max_mb,
                QUEUED.name: queued_mb,
                FILE.name: file_mb,
                CONSUMED.name: consumed_mb,
                AGAIN.name: again_mb,
                GROWTH.name: (again_mb / file_mb - 1) * 100,
            },
            {"resident_mb": resident.samples},
        )

    @property
    def _count(self) -> int:
        """Messages of whole batches."""
        return self.messages - self.messages % self.batch

    def _publish(self, crew: Crew, node: NodeProcess) -> float:
        """Publish all; messages/s."""
        load: dict[str, Any] = {"size_bytes": self.size_bytes, "batch": self.batch, "calls": self.calls}
        told = crew.role("publish", node=node.mesh, messages=self._count, level=self.level, finishes=0, **load).hear()
        seconds: float = told["confirmed_s"] - told["began_s"]
        return self._count / seconds

    def _consume(self, crew: Crew, node: NodeProcess, finishes: int) -> float:
        """Consume until the node itself counts so many as finished; messages/s from the subscription on."""
        consumer = crew.ready("consume", node=node.mesh, channels=channels(1), each=False)
        began_s = time.monotonic()
        finished_s: float = crew.role("finished", node=node.mesh, finishes=finishes).hear()["finished_s"]
        consumer.stop()
        return self._count / (finished_s - began_s)

    def _file_mb(self, crew: Crew) -> float:
        return crew.data_bytes("bench") / 1e6

"""A host's disk: writes take time, and a crash takes back what was not down yet.

Decides when a write is answered and what survives. A write is *committed* after ``latency_s`` (a crash
of the process keeps it) and *synced* a little later (a power loss keeps it too). ``sync`` chooses which of
the two is answered. What rows mean is the machine's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from meshq.sim.world import World

Fate: TypeAlias = Literal["kept", "unsynced-lost", "lost"]
"""What a restart finds: everything committed, what was synced, nothing."""


class Disk:
    """Rows in the order in which they were committed, and the epoch of the last start."""

    def __init__(self, world: World, *, latency_s: float = 0.001, sync_s: float = 0.005, sync: bool = False) -> None:
        self.rows: list[Any] = []
        self.synced = 0
        """How many of ``rows`` a power loss would keep."""
        self.epoch_ms = 0
        self.latency_s = latency_s
        self.sync_s = sync_s
        self.sync = sync
        self._world = world
        self._life = 0

    def write(self, rows: list[Any], done: Callable[[], None]) -> None:
        """Keep ``rows``; ``done()`` once they are as safe as ``sync`` asks. Writes are answered in order."""
        self._world.after(self.latency_s, self._commit, self._life, list(rows), done)

    def next_epoch(self, wall_ms: int) -> int:
        """The epoch of a start, later than all before it; synced before it is used."""
        self.epoch_ms = max(self.epoch_ms + 1, wall_ms)
        return self.epoch_ms

    def process_died(self) -> None:
        """What was not committed is gone, and nobody waits for an answer any more."""
        self._life += 1

    def power_lost(self) -> None:
        """What was not synced is gone as well."""
        self._life += 1
        del self.rows[self.synced :]

    def become(self, fate: Fate) -> None:
        """Suffer ``fate`` while the host is down."""
        if fate == "unsynced-lost":
            self.power_lost()
        elif fate == "lost":
            self._life += 1
            self.rows.clear()
            self.synced = 0
            self.epoch_ms = 0

    def _commit(self, life: int, rows: list[Any], done: Callable[[], None]) -> None:
        if life != self._life:
            return
        self.rows.extend(rows)
        answer = done if self.sync else _nobody
        self._world.after(self.sync_s, self._synced, life, len(self.rows), answer)
        if not self.sync:
            done()

    def _synced(self, life: int, upto: int, done: Callable[[], None]) -> None:
        if life != self._life and upto > len(self.rows):
            return
        self.synced = max(self.synced, min(upto, len(self.rows)))
        if life == self._life:
            done()


def _nobody() -> None:
    pass

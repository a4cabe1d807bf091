"""A host's disk: writes take time, and a crash takes back what was not down yet.

Decides when a write is answered and what survives. What waits is written as one transaction: *committed* after
``latency_s`` (a crash of the process keeps it), and *synced* ``sync_s`` later when one of its writes asks for that (a
power loss keeps it too); without being asked the disk syncs each ``flush_s``. A full disk takes no write: it says so,
refuses batches with what is tied to them, and tries the other rows again. What rows mean is ``shelf``'s, when they
are written the machine's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from meshq.machine.effects import Load, LoadDue, Store
from meshq.machine.store import BatchRow, Recovered
from meshq.sim.shelf import Shelf
from meshq.sim.world import World
from meshq.wire import strict

Fate: TypeAlias = Literal["kept", "unsynced-lost", "lost"]
"""What a restart finds: everything committed, what was synced, nothing."""
AGAIN_S: Final = 0.25
"""How long a full disk is left alone."""
RAISED: Final = ("epoch", "raised")
"""Where a machine keeps the epoch that it was raised to."""
FULL: Final = "the disk is full"
Answer: TypeAlias = Callable[[str], None]
"""Told why a write's batches were not kept, or "" when all of it is as safe as was asked."""


class Loss(NamedTuple):
    """The disk lost what was committed after ``safe_at``, or everything."""

    at: float
    safe_at: float
    everything: bool = False


@dataclass(slots=True)
class _Write:
    store: Store
    rows: list[Any]
    answer: Answer | None
    asked_at: float


class Disk:
    """Rows as they were committed and as they were synced, and the epoch of the last start."""

    def __init__(self, world: World, *, latency_s: float = 0.001, sync_s: float = 0.004, flush_s: float = 1.0) -> None:
        self.epoch_ms = 0
        self.latency_s = latency_s
        self.sync_s = sync_s
        self.flush_s = flush_s
        self.full = False
        self.slow_s = 0.0
        """What a slow disk takes longer for each transaction and each read."""
        self.committed = Shelf()
        self.synced = Shelf()
        self.safe_at = 0.0
        """What was committed by then survives a power loss."""
        self.losses: list[Loss] = []
        """What was taken from it so far."""
        self._unsynced: deque[list[Any]] = deque()
        """What was committed since, in order."""
        self._waiting: deque[_Write] = deque()
        self._writing = False
        self._flushing = False
        self._ill = False
        self._life = 0
        self._world = world
        self.told: Callable[[str], None] = _nobody
        """Told what is wrong with the disk, and "" once it works again."""

    # What a process asks for.

    def write(self, store: Store, answer: Answer) -> None:
        """Keep its rows (the token is nobody's here); writes are answered in order."""
        self._waiting.append(_Write(store, list(store.rows), answer, self._world.now))
        if not self._writing:
            self._begin(self.latency_s + self.slow_s)

    def read(self, ask: Load | LoadDue, answer: Callable[[list[BatchRow]], None]) -> None:
        """Give ``answer`` the committed batches that are asked for."""
        self._world.after(self.latency_s + self.slow_s, self._read, self._life, ask, answer)

    def recovered(self) -> Recovered:
        """What a start finds."""
        return self.committed.recovered()

    def next_epoch(self, wall_ms: int) -> int:
        """The epoch of a start, later than all before it, and than one to which a start was raised; synced at once."""
        raised = self.committed.puts.get(RAISED)
        raised_ms: int = strict.decode(raised) if raised is not None else 0
        self.epoch_ms = max(self.epoch_ms + 1, raised_ms + 1, wall_ms)
        return self.epoch_ms

    def close(self) -> None:
        """The process ends in order: it waits until everything is written, as far as there is room."""
        waiting = [write.rows for write in self._waiting] if not self.full else []
        self.process_died()
        for rows in waiting:
            self.committed.apply(rows)
            self._unsynced.append(rows)
        self._sync(self._world.now)

    @property
    def waits_since(self) -> float:
        """When the oldest write was asked for that is not committed; now, when there is none."""
        return min((write.asked_at for write in self._waiting), default=self._world.now)

    # What befalls it.

    def process_died(self) -> None:
        """What was not committed is gone, and nobody waits for an answer any more."""
        self._life += 1
        self._waiting.clear()
        self._writing = self._ill = False
        self.told = _nobody

    def power_lost(self) -> None:
        """What was not synced is gone as well."""
        self.process_died()
        if self._unsynced:
            self.losses.append(Loss(self._world.now, self.safe_at))
            self._unsynced.clear()
            self.committed = self.synced.copy()

    def become(self, fate: Fate) -> None:
        """Suffer ``fate`` while the host is down."""
        if fate == "unsynced-lost":
            self.power_lost()
        elif fate == "lost":
            self.process_died()
            self._unsynced.clear()
            self.committed, self.synced = Shelf(), Shelf()
            self.epoch_ms = 0
            self.losses.append(Loss(self._world.now, self._world.now, everything=True))

    # Inside.

    def _begin(self, delay_s: float) -> None:
        self._writing = True
        self._world.after(delay_s, self._commit, self._life)

    def _commit(self, life: int) -> None:
        """Everything that waits is one transaction."""
        if life != self._life:
            return
        if self.full:
            self._refuse()
            return
        if self._ill:
            self._ill = False
            self.told("")
        writes, self._waiting = list(self._waiting), deque()
        for write in writes:
            self.committed.apply(write.rows)
            self._unsynced.append(write.rows)
        if any(write.store.sync for write in writes):
            self._world.after(self.sync_s, self._answer, life, writes, self._world.now)
        else:
            self._answered(writes)
            self._flush_later()

    def _answer(self, life: int, writes: list[_Write], committed_at: float) -> None:
        if life == self._life:
            self._sync(committed_at)
            self._answered(writes)

    def _answered(self, writes: list[_Write]) -> None:
        """The transaction is over; the next one begins with what has come meanwhile."""
        for write in writes:
            if write.answer is not None:
                write.answer("")
        self._writing = False
        if self._waiting:
            self._begin(self.latency_s + self.slow_s)

    def _refuse(self) -> None:
        """Batches are refused for good; the other rows wait, in their order."""
        if not self._ill:
            self._ill = True
            self.told(FULL)
        for write in self._waiting:
            kept = write.store.without_batches()
            if len(kept) < len(write.rows) and write.answer is not None:
                write.answer(FULL)
                write.rows, write.answer = kept, None
        self._begin(AGAIN_S)

    def _flush_later(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._world.after(self.flush_s, self._flush)

    def _flush(self) -> None:
        """Whatever process runs: the system writes back what was committed."""
        self._flushing = False
        self._sync(self._world.now)

    def _sync(self, committed_at: float) -> None:
        for rows in self._unsynced:
            self.synced.apply(rows)
        self._unsynced.clear()
        self.safe_at = max(self.safe_at, committed_at)

    def _read(self, life: int, ask: Load | LoadDue, answer: Callable[[list[BatchRow]], None]) -> None:
        if life == self._life:
            answer(self.committed.load(ask) if isinstance(ask, Load) else self.committed.load_due(ask))


def _nobody(text: str) -> None:
    pass

"""The recent batches that every topic keeps for channels that are heard of late.

Decides how long a batch stays for them: ``window_s``, within ``window_topic_bytes_max`` a topic and
``window_bytes_max`` a node (at most a quarter of the memory for messages), oldest first. A batch that somebody has
not finished stays whatever this says.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from meshq.broker.batch import Batch
from meshq.broker.log import Log
from meshq.broker.turn import Turn

EXPIRY_STEP_S: Final = 0.5
"""Old batches go this much late, many in one step."""


class Windows:
    """The windows of all logs of a broker."""

    __slots__ = ("_heap", "_turn", "size_bytes")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        # One entry per log with a window: when its oldest batch was accepted (or an older one, by now gone).
        self._heap: list[tuple[float, int, Log]] = []
        self.size_bytes = 0

    def keep(self, log: Log, batch: Batch) -> None:
        """A batch was accepted: it is recent."""
        config = self._turn.config.broker
        size_bytes = len(batch.body)
        if not log.window:
            heappush(self._heap, (batch.accepted_at, self._turn.next_serial(), log))
            if len(self._heap) == 1:
                self._turn.timers.arm(self, batch.accepted_at + config.window_s + EXPIRY_STEP_S)
        batch.keeps += 1
        log.window.append(batch)
        log.window_bytes += size_bytes
        self.size_bytes += size_bytes
        while log.window_bytes > config.window_topic_bytes_max and len(log.window) > 1:
            self._evict(log)
        budget_bytes = self._turn.budget_bytes
        most_bytes = min(config.window_bytes_max, budget_bytes // 4)
        while self.size_bytes > most_bytes and self.evict_oldest():
            pass
        while self._turn.memory_bytes > budget_bytes and self.evict_oldest():
            pass

    def evict_oldest(self) -> bool:
        """The oldest recent batch of all goes before its time; False when there is none."""
        log = self._oldest()
        if log is None:
            return False
        self._evict(log)
        return True

    def rang(self) -> None:
        """Time passed: what is old leaves."""
        turn = self._turn
        until = turn.now - turn.config.broker.window_s
        while (log := self._oldest()) is not None and log.window[0].accepted_at <= until:
            self._pop(log)
        if self._heap:
            turn.timers.arm(self, self._heap[0][0] + turn.config.broker.window_s + EXPIRY_STEP_S)

    def forget(self, log: Log) -> None:
        """The log ended."""
        while log.window:
            self._pop(log)

    def _oldest(self) -> Log | None:
        """The log with the oldest recent batch."""
        heap = self._heap
        while heap:
            at, _, log = heap[0]
            if log.window and log.window[0].accepted_at == at:
                return log
            heappop(heap)
            if log.window:
                heappush(heap, (log.window[0].accepted_at, self._turn.next_serial(), log))
        return None

    def _evict(self, log: Log) -> None:
        self._turn.counters.window_evicted += log.window[0].count()
        self._pop(log)

    def _pop(self, log: Log) -> None:
        batch = log.window.popleft()
        size_bytes = len(batch.body)
        log.window_bytes -= size_bytes
        self.size_bytes -= size_bytes
        log.unkeep(batch)

"""Resident memory of a process over time, sampled from outside."""

from __future__ import annotations

import threading
import time
from typing import Final, Self

from meshq.bench.crew import BenchError
from meshq.bench.host import resident_mb

EVERY_S: Final = 0.05


class Resident:
    """A context that samples a process twenty times a second, until it is left or the process ends."""

    def __init__(self, pid: int) -> None:
        """Raises BenchError where the system does not tell."""
        self._pid = pid
        self._over = threading.Event()
        self._began_s = time.monotonic()
        self.samples: list[tuple[float, float]] = [(0.0, round(resident_mb(pid), 1))]
        """Seconds since the begin, MB."""
        self._thread = threading.Thread(target=self._sample, name="resident", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def max_mb(self) -> float:
        """The most there was so far."""
        return max(mb for _, mb in self.samples)

    def now_mb(self) -> float:
        """What it is at this moment. Raises BenchError when the process has ended."""
        return resident_mb(self._pid)

    def _sample(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                mb = resident_mb(self._pid)
            except BenchError:
                return
            self.samples.append((round(time.monotonic() - self._began_s, 3), round(mb, 1)))

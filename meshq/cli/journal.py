"""Lines that a running node prints, written by a thread: a full pipe that nobody reads must not stop a node."""

from __future__ import annotations

import threading
from queue import Full, Queue
from typing import Final

from meshq.cli.worker import write_all

LINES_MAX: Final = 1000
"""Lines waiting for a reader, and as many in the hand of the writer; beyond it the newest are dropped and counted."""


class Journal:
    """Writes lines to a descriptor in order, until its reader is gone; ``close`` waits for what is left."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: Queue[bytes | None] = Queue(LINES_MAX)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()
        self.dropped = 0

    def say(self, line: str) -> None:
        """One more line."""
        try:
            self._lines.put_nowait(line.encode(errors="replace") + b"\n")
        except Full:
            self.dropped += 1

    def close(self, timeout_s: float = 1.0) -> None:
        """Wait for what is left to be written, but not for a reader that does not read."""
        try:
            self._lines.put_nowait(None)
        except Full:
            return
        self._thread.join(timeout_s)

    def _write(self) -> None:
        lines: list[bytes | None] = []
        while None not in lines:
            lines = [self._lines.get()]
            while len(lines) < LINES_MAX and not self._lines.empty():
                lines.append(self._lines.get())
            try:
                write_all(self._descriptor, b"".join(line for line in lines if line is not None))
            except OSError:
                return

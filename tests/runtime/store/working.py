"""A process that keeps batches and says what was confirmed: ``python -m tests.runtime.store.working FOLDER LEVEL N``.

Keeps N of them. Says ``kept STOP`` once everything below STOP is kept, and ``gone STOP`` before it lets the store
forget what is below.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from meshq.machine.store import Born
from tests.runtime.store.rows import LOG, batch, gone, opened

AT_ONCE = 4
KEPT_BACK = 2_000
"""Messages that are not forgotten."""
BATCH = 64


def work(folder: Path, *, sync: bool, batches: int) -> None:
    """Keep so many batches."""
    with opened(folder) as asker:
        asker.keep(Born("orders", LOG, "billing", 1, 1), sync=sync)
        for number in range(batches // AT_ONCE):
            first = 1 + number * AT_ONCE * BATCH
            for start in range(first, first + (AT_ONCE - 1) * BATCH, BATCH):
                asker.write(batch(start, BATCH), sync=sync)
            assert asker.keep(batch(first + (AT_ONCE - 1) * BATCH, BATCH), sync=sync) == ""
            say(f"kept {first + AT_ONCE * BATCH}")
            if number % 8 == 0 and first > KEPT_BACK:
                say(f"gone {first - KEPT_BACK}")
                asker.write(gone(1, first - KEPT_BACK))


def say(line: str) -> None:
    """With one call of the system, seen in a trace."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    work(Path(sys.argv[1]), sync=sys.argv[2] == "fsync", batches=int(sys.argv[3]))

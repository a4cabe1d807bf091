"""What the host is found to do, by doing something on it."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest

from meshq.bench.calibration import calibrate
from meshq.bench.host import Bystanders, resident_mb

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
BUSY = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


def test_a_calibration_finds_a_loop_and_a_relay() -> None:
    found = calibrate(seconds=0.1)
    assert found.loop_per_s > 0
    assert found.relay_mb_per_s > 0
    assert found.index > 0


@LINUX
def test_what_a_process_that_was_not_waited_for_used_is_that_of_others() -> None:
    with Bystanders() as bystanders:
        other = subprocess.Popen([sys.executable, "-c", BUSY.format(seconds=0.5) + "\nprint(flush=True)\ninput()"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
    other.communicate(b"\n")
    assert bystanders.share is not None
    assert bystanders.share > 0


@LINUX
def test_resident_memory_grows_by_what_is_kept() -> None:
    size_bytes = 40_000_000
    before = resident_mb(os.getpid())
    with mmap.mmap(-1, size_bytes) as kept:  # new pages: an allocator may have some left from other tests
        kept.write(b"x" * size_bytes)
        assert resident_mb(os.getpid()) - before >= size_bytes / 1e6 * 0.9

"""What is confirmed is on the disk: seen in the calls of the system, and in copies of the files at any moment."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from meshq.runtime.store.folder import DATABASE
from tests.architecture.source import REPOSITORY
from tests.runtime.store.rows import numbers, opened
from tests.runtime.store.working import AT_ONCE

COPIES = 12 * int(os.environ.get("MESHQ_EXAMPLES", "1"))
WRITTEN = re.compile(r"pwrite64\(\d+<[^>]*-wal>")
SYNCED = re.compile(r"f(?:data)?sync\(\d+<[^>]*-wal>\)? *(?:<unfinished|= 0)")


def working(folder: Path, level: str, batches: int) -> list[str]:
    return [sys.executable, "-m", "tests.runtime.store.working", str(folder), level, str(batches)]


def traced(folder: Path, level: str) -> list[str]:
    """What the process asked of the system, until it ended."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed here: apt install strace")
    trace = folder / "trace"
    calls = "trace=pwrite64,fsync,fdatasync,write"
    command = ["strace", "-f", "-y", "-e", calls, "-o", str(trace), *working(folder / "data", level, 80)]
    run = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    if "ptrace" in run.stderr:
        pytest.skip("processes can't be traced here")
    assert run.returncode == 0, run.stderr
    return trace.read_text().splitlines()


def synced_before_each_word(trace: list[str]) -> list[bool]:
    """Of each ``kept``: whether the last write to the log was followed by a sync before it."""
    found: list[bool] = []
    written = synced = False
    for line in trace:
        if WRITTEN.search(line):
            written, synced = True, False
        elif SYNCED.search(line):
            synced = True
        elif '"kept ' in line:
            found.append(written and synced)
            written = synced = False
    return found


def test_each_confirmation_at_fsync_comes_after_a_sync_of_what_was_written(tmp_path: Path) -> None:
    found = synced_before_each_word(traced(tmp_path, "fsync"))
    assert found == [True] * (80 // AT_ONCE)


def test_the_trace_would_show_a_confirmation_without_a_sync(tmp_path: Path) -> None:
    found = synced_before_each_word(traced(tmp_path, "disk"))
    assert len(found) == 80 // AT_ONCE
    assert found.count(False) > found.count(True)


class Worker:
    """A process under load that is held now and then."""

    def __init__(self, folder: Path, level: str) -> None:
        self._process = subprocess.Popen(
            working(folder, level, 1 << 30), cwd=REPOSITORY, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        self._rest = b""
        self.kept = self.gone = 1

    def listen(self, lines: int) -> None:
        """Until it said so many more lines."""
        while lines > 0:
            lines -= self._hear()

    def hold(self) -> None:
        """Stop it wherever it is, and hear everything that it said before."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        os.set_blocking(self._out, False)
        try:
            while self._hear():
                pass
        except BlockingIOError:
            pass
        os.set_blocking(self._out, True)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _hear(self) -> int:
        data = os.read(self._out, 1 << 16)
        assert data, "the worker ended"
        *lines, self._rest = (self._rest + data).split(b"\n")
        for word, number in (line.split() for line in lines):
            setattr(self, word.decode(), int(number))
        return len(lines)


@pytest.mark.parametrize("level", ["disk", "fsync"])
def test_copies_of_the_files_at_any_moment_hold_whatever_was_confirmed_by_then(tmp_path: Path, level: str) -> None:
    rng, worker = Random(7), Worker(tmp_path / "data", level)
    held: list[tuple[Path, int, int]] = []
    try:
        for number in range(COPIES):
            worker.listen(rng.randint(1, 40))
            worker.hold()
            copy = tmp_path / f"copy-{number}"
            copy.mkdir()
            for ending in ("", "-wal"):
                shutil.copy(tmp_path / "data" / (DATABASE + ending), copy)
            held.append((copy, worker.gone, worker.kept))
            worker.go_on()
    finally:
        worker.end()
    for copy, start, stop in held:
        with opened(copy) as asker:
            assert asker.recovered.lost == 0
            assert set(range(start, stop)) <= set(numbers(asker.load()))
        shutil.rmtree(copy)

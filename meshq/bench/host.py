"""The host under a bench: what it is, and how much of it others used meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, Self

from meshq.bench.crew import BenchError
from meshq.machine.form import COMPILED
from meshq.names import RELEASE


def describe() -> dict[str, Any]:
    """What figures of this host depend on."""
    return {
        "meshq": RELEASE,
        "compiled": COMPILED,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": cores(),
        "data": tempfile.gettempdir(),
        "file_system": file_system(tempfile.gettempdir()),
    }


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def allow_files(count: int) -> None:
    """Let this process and those it starts open so many files, as far as the host allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes). Raises BenchError where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError as exc:
        raise BenchError(f"resident memory is read from /proc, as on Linux: {exc}") from exc


def file_system(folder: str) -> str:
    """The kind of file system that a folder is on, as ``ext4``; empty where the system does not tell."""
    path = os.path.realpath(folder)
    try:
        with open("/proc/mounts") as mounts:
            places = [line.split()[1:3] for line in mounts]
    except OSError:
        return ""
    above = [(place, kind) for place, kind in places if path == place or path.startswith(place.rstrip("/") + "/")]
    return max(reversed(above), key=lambda each: len(each[0]), default=("", ""))[1]


def data_place() -> str:
    """Where the data directories of a bench are, for people: what a disk is worth is a question to its file system."""
    folder = tempfile.gettempdir()
    kind = file_system(folder) or "unknown file system"
    memory = ", which is memory and no disk: set TMPDIR" if kind in ("tmpfs", "ramfs") else ""
    return f"data directories in {folder} ({kind}{memory})"


@dataclass(frozen=True, slots=True)
class _Ticks:
    """Seconds of processor time so far: of all cores, of what was busy, of this process and those it has waited for."""

    total_s: float
    busy_s: float
    own_s: float


class Bystanders:
    """A context; afterwards ``share`` is the part of all cores that processes of others took, the hypervisor included.

    Whatever ran within it must have been waited for. None where the system does not tell (it does on Linux).
    """

    share: float | None = None

    def __enter__(self) -> Self:
        self._before = _ticks()
        return self

    def __exit__(self, *exc_info: object) -> None:
        after, before = _ticks(), self._before
        if after is None or before is None or after.total_s <= before.total_s:
            return
        others_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
        self.share = round(max(0.0, others_s) / (after.total_s - before.total_s), 3)


def _ticks() -> _Ticks | None:
    try:
        with open("/proc/stat") as stat:
            words = stat.readline().split()
    except OSError:
        return None
    user, nice, system, idle, iowait, _irq, _softirq, steal = (int(word) for word in words[1:9])
    busy = user + nice + system + steal  # interrupts are left out: those of our own loopback count there as well
    own = os.times()
    return _Ticks((busy + idle + iowait) / _HZ, busy / _HZ, sum(own[:4]))


_HZ = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

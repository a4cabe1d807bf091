"""The processes of one run: nodes by the launcher, roles that publish and consume, brokers of others.

Decides how they are started and ended; no process outlives its crew, nor the process that started it. Ctrl-C may come
at any time: it waits while a process is started or ended, so that none is forgotten.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from meshq.errors import MeshError
from meshq.launcher import Launcher, NodeProcess
from meshq.runtime.keyfile import new_key, write_key_file
from meshq.wire.keyring import Keyring

SERVE_S: Final = 20.0
"""How long a broker of others may take until it serves."""


class BenchError(MeshError):
    """A bench could not be run; nothing was measured."""


@dataclass(frozen=True)
class Shelf:
    """Where the nodes of a run keep messages: at ``level`` ``memory`` and without a budget in memory alone."""

    level: str
    memory_bytes_max: int = 0
    """Above it messages go to the store; 0: what a node has by default."""

    @property
    def kept(self) -> bool:
        """Whether the nodes have data directories."""
        return self.level != "memory" or self.memory_bytes_max > 0

    def arguments(self, folder: Path | None) -> list[str]:
        """What a node with that data directory is started with."""
        if folder is None:
            return []
        budget = ["--memory-max", str(self.memory_bytes_max)] if self.memory_bytes_max else []
        return ["--data", str(folder), "--level", self.level, *budget]


MEMORY: Final = Shelf("memory")


class Role:
    """A process that plays one of ``meshq.bench.roles``: told what to do when it starts, and given one sign."""

    def __init__(self, name: str, given: dict[str, Any]) -> None:
        self._name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "meshq.bench.roles", name, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is this process's to pass on
        )

    def hear(self) -> dict[str, Any]:
        """The next thing it tells. Raises BenchError when it failed, or ended without a word."""
        assert self.process.stdout is not None, "a role speaks through a pipe"
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"{self._name} ended with status {self.process.wait()} before it told its figures")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise BenchError(f"{self._name}: {told['error']}")
        return told

    def sign(self) -> None:
        """Have it begin, if it waits to begin, or end."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stop(self) -> dict[str, Any]:
        """Have it end; what it tells then."""
        self.sign()
        return self.hear()


class Crew:
    """A context in which the processes of one run live."""

    def __init__(self) -> None:
        self.launcher = Launcher()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folders: list[str] = []
        self._data: dict[str, Path] = {}
        self._key: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with _undisturbed():
            self._end()

    def _end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        for process in self._processes:
            process.wait()
            self.launcher.guard.ended(process.pid)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self.launcher.close()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def node(self, name: str = "bench", shelf: Shelf = MEMORY) -> NodeProcess:
        """A node that is ready, a mesh of its own."""
        node = self._start(name, shelf)
        node.wait_ready()
        return node

    def mesh(self, count: int, shelf: Shelf = MEMORY, *, sealed: bool = False) -> list[NodeProcess]:
        """A mesh of so many nodes, each of which knows all others; ``sealed`` with a key of its own."""
        if sealed:
            file = Path(self.folder()) / "mesh.keys"
            write_key_file(file, Keyring([new_key()]), new=True)
            self._key = ["--key", str(file)]
        first = self.node("bench-1", shelf)
        nodes = [first, *(self._start(f"bench-{number}", shelf, first.mesh) for number in range(2, count + 1))]
        for node in nodes:
            node.wait_ready()
        for node in nodes:
            for other in nodes:
                if other is not node:
                    node.wait_event(_joined(other.name))
        return nodes

    def role(self, name: str, **given: Any) -> Role:
        """A process that plays this role."""
        with _undisturbed():
            role = Role(name, given)
            self._began(role.process)
        return role

    def ready(self, name: str, **given: Any) -> Role:
        """A process that plays this role and has said that it is ready."""
        role = self.role(name, **given)
        role.hear()
        return role

    def serve(self, command: Sequence[str], port: int) -> None:
        """A broker of others; returns when it serves ``port``. Raises BenchError with its log when it does not."""
        log = os.path.join(self.folder(), "log")
        with open(log, "wb") as said, _undisturbed():
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
            self._began(process)
        end = time.monotonic() + SERVE_S
        while not _serves(port):
            if process.poll() is not None or time.monotonic() > end:
                with open(log, errors="replace") as text:
                    raise BenchError(f"{command[0]} does not serve; the end of its log:\n{text.read()[-2000:]}")
            time.sleep(0.01)

    def folder(self) -> str:
        """A folder that goes with the crew."""
        self._folders.append(tempfile.mkdtemp(prefix="meshq-bench-"))
        return self._folders[-1]

    def data(self, node: str) -> Path:
        """The data directory of a node that has one."""
        return self._data[node]

    def data_bytes(self, node: str) -> int:
        """What the files in it come to."""
        return sum(file.stat().st_size for file in self.data(node).iterdir())

    def _start(self, name: str, shelf: Shelf, *seeds: str) -> NodeProcess:
        if shelf.kept:
            self._data[name] = Path(self.folder()) / name
        arguments = [*shelf.arguments(self._data.get(name)), *self._key]
        with _undisturbed():
            return self.launcher.start(name, *seeds, arguments=arguments, wait=False)

    def _began(self, process: subprocess.Popen[bytes]) -> None:
        self._processes.append(process)
        self.launcher.guard.begun(process.pid)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A Ctrl-C that comes within is heard at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C comes to the main thread only
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])


def free_port() -> int:
    """A TCP port of loopback that nobody uses."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serves(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _joined(name: str) -> Any:
    return lambda event: event["event"] == "MemberJoined" and event["name"] == name

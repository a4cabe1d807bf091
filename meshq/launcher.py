"""Node processes on this host, for the demo, benches and end-to-end tests.

Decides how ``meshq join`` processes are started, watched, hurt, started again and ended; what the nodes do
is the caller's affair. Synchronous and safe to use from any thread. No process outlives its launcher: leaving
the context kills what is left by process id, and a guard process does so when this process dies first.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import IO, Any, Final, Self

from meshq.errors import MeshError

READY_S: Final = 20.0
"""How long a node may take to its ready line: an interpreter's start on a busy host."""
WAIT_S: Final = 20.0
EVENTS_MAX: Final = 10_000
"""JSON lines remembered of one node; then the oldest go."""
LOG_LINES_MAX: Final = 1_000
TAIL_LINES: Final = 30
JOIN: Final = (sys.executable, "-m", "meshq", "join")

# Ends at the end of its input: reads "+pid" and "-pid", and kills the pids that were not taken back.
_GUARD: Final = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
pids = {}
for line in sys.stdin:
    (pids.setdefault if line[0] == "+" else pids.pop)(int(line[1:]), None)
for pid in pids:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
"""


class LaunchError(MeshError):
    """A node process did not do in time what was expected of it; the text ends with the tail of its log."""


class Guard:
    """Kills the processes that this one started when this one dies first. Safe to use from any thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._telling = threading.Lock()

    def begun(self, pid: int) -> None:
        """A process was started; to be killed if this one dies."""
        self._tell(f"+{pid}\n")

    def ended(self, pid: int) -> None:
        """It has ended and was waited for: its number may be another's soon."""
        self._tell(f"-{pid}\n")

    def close(self) -> None:
        """End the guard, which kills what was not told to have ended. Idempotent."""
        with self._telling:
            process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()

    def _tell(self, line: str) -> None:
        with self._telling:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True
                )
            assert self._process.stdin is not None
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


class NodeProcess:
    """One node by name, over all its starts. Made by Launcher.start."""

    def __init__(self, name: str, command: Sequence[str], ports: Mapping[str, int], launcher: Launcher) -> None:
        """``command`` without the ports; a port of 0 is settled by the first start and kept by later ones."""
        self.name = name
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS_MAX)
        """What the node said on standard output, JSON objects, of all its starts."""
        self.log: deque[str] = deque(maxlen=LOG_LINES_MAX)
        """Standard error, and what was no JSON."""
        self.heard = 0
        """How many events were heard so far, those included that are no longer remembered."""
        self.starts = 0
        self._command = list(command)
        self._ports = dict(ports)
        self._launcher = launcher
        self._said = threading.Condition()  # over an RLock: conditions may look at what was said
        self._ready: dict[str, Any] = {}
        self._readers: list[threading.Thread] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        state = "runs" if self.running else f"ended with {self.status}"
        return f"<NodeProcess {self.name} {state} {self._ready.get('mesh', '')}>"

    @property
    def mesh(self) -> str:
        """host:port of the mesh, from the ready line."""
        return str(self._ready.get("mesh", ""))

    @property
    def http(self) -> str:
        """host:port of HTTP, from the ready line."""
        return str(self._ready.get("http", ""))

    @property
    def pid(self) -> int:
        """The process id of the latest start."""
        return self._started().pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs or before it started."""
        return self._process.poll() if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process exists; a stopped one does."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when the process is gone."""
        self._signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """SIGSTOP: the process stands still until ``cont``."""
        self._signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM: a clean leave; ``wait`` for it."""
        self._signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """SIGINT: what Ctrl-C sends."""
        self._signal(signal.SIGINT)

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """The exit status, once everything it said has been read; LaunchError when it does not end in time."""
        process = self._started()
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired as exc:
            raise self._failure(f"did not end within {timeout_s:g} s") from exc
        for reader in self._readers:
            reader.join(timeout_s)
        self._launcher.guard.ended(process.pid)
        return status

    def restart(self, *arguments: str, timeout_s: float = READY_S) -> None:
        """Start again under the same name and ports, with ``arguments`` in addition; waits until it is ready.

        The earlier process must have ended. LaunchError as ``wait_ready``.
        """
        self.spawn(*arguments)
        self.wait_ready(timeout_s)

    def spawn(self, *arguments: str) -> None:
        """Start the process and return at once; ``wait_ready`` is due. LaunchError while an earlier one runs."""
        if self.running:
            raise self._failure("runs already")
        self._ready = {}
        self.starts += 1
        ports = [word for flag, port in self._ports.items() for word in (flag, str(port))]
        process = subprocess.Popen(
            [*self._command, *ports, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._launcher.environment,
            start_new_session=True,  # Ctrl-C at the terminal is the caller's to pass on
        )
        self._process = process
        self._launcher.guard.begun(process.pid)
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [self._read(process.stdout, self._hear), self._read(process.stderr, self.log.append)]

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Until the ready line of the latest start; LaunchError, with the log's tail, when it ends first or is late."""
        self._wait(lambda: bool(self._ready), "did not become ready", timeout_s)

    def said(self, since: int = 0) -> list[dict[str, Any]]:
        """The remembered events from number ``since`` (an earlier ``heard``) on."""
        with self._said:
            return list(self.events)[max(0, since - self.heard + len(self.events)) :]

    def wait_event(
        self, condition: Callable[[dict[str, Any]], bool], timeout_s: float = WAIT_S, *, since: int = 0
    ) -> dict[str, Any]:
        """The first event from number ``since`` on that meets ``condition``, waited for if it has not come yet.

        LaunchError when it does not come in time, or the node ends first.
        """
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found.extend(event for event in self.said(since) if condition(event))
            return bool(found)

        self._wait(look, "did not say what was waited for", timeout_s)
        return found[0]

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the log."""
        return "\n".join(list(self.log)[-lines:])

    def _wait(self, condition: Callable[[], bool], otherwise: str, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        with self._said:
            while not condition():
                if not any(reader.is_alive() for reader in self._readers):
                    raise self._failure(f"{otherwise}: it ended with status {self.wait(timeout_s)}")
                if not self._said.wait(min(0.1, end - time.monotonic())) and time.monotonic() >= end:
                    raise self._failure(f"{otherwise} within {timeout_s:g} s")

    def _read(self, pipe: IO[bytes], take: Callable[[str], object]) -> threading.Thread:
        def read() -> None:
            with pipe:
                for line in pipe:
                    take(line.decode(errors="replace").rstrip("\n"))

        thread = threading.Thread(target=read, name=f"log:{self.name}", daemon=True)
        thread.start()
        return thread

    def _hear(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self.log.append(line)
            return
        with self._said:
            self.events.append(event)
            self.heard += 1
            if event.get("event") == "ready":
                self._ready = event
                self._settle_ports(event)
            self._said.notify_all()

    def _settle_ports(self, ready: dict[str, Any]) -> None:
        for flag, key in (("--port", "mesh"), ("--http-port", "http")):
            port = str(ready.get(key, "")).rpartition(":")[2]
            if flag in self._ports and port.isdigit():
                self._ports[flag] = int(port)

    def _signal(self, number: signal.Signals) -> None:
        self._started().send_signal(number)  # nothing happens when it has ended: its status is known then

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise LaunchError(f"node {self.name} was not started")
        return self._process

    def _failure(self, what: str) -> LaunchError:
        tail = self.log_tail()
        said = f"; the end of its log:\n{tail}" if tail else "; its log is empty"
        return LaunchError(f"node {self.name} {what}{said}")


class Launcher:
    """A context in which node processes live. Leaving it kills every one that still runs."""

    def __init__(
        self,
        *,
        command: Sequence[str] = JOIN,
        bind: str = "127.0.0.1",
        arguments: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``arguments`` go to every node, ``environment`` replaces variables of this process's for all of them."""
        self.nodes: dict[str, NodeProcess] = {}
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._command = [*command, "--json", "--bind", bind, *arguments]
        self.guard = Guard()
        """What ends the processes when this one dies first; those beside the nodes may be told to it as well."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(
        self,
        name: str,
        *seeds: str,
        port: int = 0,
        http_port: int = 0,
        arguments: Iterable[str] = (),
        wait: bool = True,
    ) -> NodeProcess:
        """Start a node that joins ``seeds``; returns when it is ready, or at once without ``wait``.

        Port 0 takes any free one. Without ``--data`` among the arguments it keeps messages in memory only.
        Raises LaunchError, with the node's log, when it does not become ready.
        """
        if name in self.nodes:
            raise LaunchError(f"node {name} was started before: restart it")
        command = [*self._command, "--name", name, *arguments]
        if "--data" not in command:
            command.append("--memory")
        command += seeds
        node = NodeProcess(name, command, {"--port": port, "--http-port": http_port}, self)
        self.nodes[name] = node
        node.spawn()
        if wait:
            node.wait_ready()
        return node

    def start_mesh(self, *names: str, arguments: Iterable[str] = ()) -> list[NodeProcess]:
        """Start nodes that form one mesh: the first, then all others at once, with the first as their seed."""
        shared = tuple(arguments)
        first = self.start(names[0], arguments=shared)
        rest = [self.start(name, first.mesh, arguments=shared, wait=False) for name in names[1:]]
        for node in rest:
            node.wait_ready()
        return [first, *rest]

    def close(self) -> None:
        """Kill every process that still runs, stopped ones too, and wait for them. Idempotent."""
        running = [node for node in self.nodes.values() if node.running]
        for node in running:
            node._signal(signal.SIGKILL)
        for node in running:
            node.wait()
        self.guard.close()

    def logs(self) -> str:
        """The tail of every node's log, for a failure's report."""
        return "\n".join(f"--- {name}\n{node.log_tail()}" for name, node in self.nodes.items())

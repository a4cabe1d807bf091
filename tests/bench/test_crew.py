"""The processes of a bench end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from meshq.bench.crew import BenchError, Crew, free_port

# A node, a role and a server, told by their ids; then wait for the signal.
CODE = """
import signal, sys
from meshq.bench.crew import Crew, free_port
with Crew() as crew:
    port = free_port()
    crew.serve([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)], port)
    role = crew.ready("consume", node=crew.node().mesh, channels=["c"], each=False)
    print(*(each.pid for each in crew._processes), crew.launcher.nodes["bench"].pid, flush=True)
    role.hear()
"""


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_keeps_running_when_a_bench_is_ended_by_a_signal(number: signal.Signals) -> None:
    bench = subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert bench.stdout is not None
    pids = [int(word) for word in bench.stdout.readline().split()]
    assert len(pids) == 3
    bench.send_signal(number)
    bench.communicate(timeout=20)
    end = time.monotonic() + 20
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < end, pids
        time.sleep(0.02)


def test_a_role_that_fails_says_why() -> None:
    with Crew() as crew, pytest.raises(BenchError, match=r"consume: .*127\.0\.0\.1"):
        crew.ready("consume", node=f"127.0.0.1:{free_port()}", channels=["c"], each=False)


def test_a_server_that_does_not_start_shows_its_log() -> None:
    with Crew() as crew, pytest.raises(BenchError, match="no such luck"):
        crew.serve([sys.executable, "-c", "raise SystemExit('no such luck')"], free_port())

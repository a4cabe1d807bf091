"""The launcher's own rules, on a stand-in for the node; the last test takes real ones."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshq.launcher import Launcher, LaunchError, NodeProcess

STAND_IN = (sys.executable, "-I", "-S", "-u", str(Path(__file__).with_name("node.py")))


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher(command=STAND_IN) as running:
        yield running


def state(pid: int) -> str:
    """The kernel's letter for the process: T when it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until_state(node: NodeProcess, wanted: str) -> None:
    end = time.monotonic() + 10
    while (state(node.pid) == "T") != (wanted == "T"):
        assert time.monotonic() < end
        time.sleep(0.001)


def exists(pid: int) -> bool:
    """Whether it runs; one that only waits to be noticed by its parent does not."""
    try:
        return state(pid) != "Z"
    except FileNotFoundError:
        return False


def test_a_started_node_is_ready_and_its_addresses_are_known(launcher: Launcher) -> None:
    node = launcher.start("a", "10.0.0.1:4155", port=4711)
    assert (node.mesh, node.http, node.running, node.status) == ("127.0.0.1:4711", "127.0.0.1:8", True, None)
    told = " ".join(node.wait_event(lambda event: event["event"] == "arguments")["all"])
    assert told == "--json --bind 127.0.0.1 --name a --memory 10.0.0.1:4155 --port 4711 --http-port 0"
    assert "no JSON at all" in node.log


def test_a_node_that_ends_before_it_is_ready_shows_its_log(launcher: Launcher) -> None:
    with pytest.raises(LaunchError, match=r"node a did not become ready: it ended with status 3.*\nport 5 is taken"):
        launcher.start("a", arguments=["--fail", "1"])


def test_a_node_that_says_nothing_is_given_up_in_time(launcher: Launcher) -> None:
    node = launcher.start("a", arguments=["--mute", "1"], wait=False)
    with pytest.raises(LaunchError, match=r"did not become ready within 0\.05 s"):
        node.wait_ready(0.05)
    assert node.running


def test_a_killed_node_starts_again_under_its_name_and_ports(launcher: Launcher) -> None:
    node = launcher.start("a")
    before, mesh = node.pid, node.mesh
    node.kill()
    heard = node.heard
    assert (node.running, node.status) == (False, -signal.SIGKILL)
    node.restart()
    assert (node.running, node.mesh, node.starts) == (True, mesh, 2)
    node.wait_event(lambda event: event["event"] == "ready", since=heard)
    assert len([event for event in node.said() if event["event"] == "ready"]) == 2
    assert node.pid != before


def test_a_running_node_is_not_started_twice(launcher: Launcher) -> None:
    node = launcher.start("a")
    with pytest.raises(LaunchError, match="runs already"):
        node.restart()
    with pytest.raises(LaunchError, match="started before"):
        launcher.start("a")


def test_a_stopped_node_stands_still_until_it_goes_on(launcher: Launcher) -> None:
    node = launcher.start("a")
    node.stop()
    until_state(node, "T")
    assert node.running
    node.cont()
    until_state(node, "S")


def test_a_terminated_node_has_the_time_to_leave_and_is_heard_to_the_end(launcher: Launcher) -> None:
    node = launcher.start("a")
    node.terminate()
    assert node.wait() == 0
    assert node.events[-1] == {"event": "stopped"}
    assert node.log_tail(1) == "left in peace"
    node.kill()  # nothing left to kill


def test_a_node_that_does_not_end_is_told_in_time(launcher: Launcher) -> None:
    node = launcher.start("a")
    node.interrupt()  # which the stand-in ignores
    with pytest.raises(LaunchError, match=r"did not end within 0\.05 s"):
        node.wait(0.05)


def test_the_others_of_a_mesh_get_the_first_as_their_seed(launcher: Launcher) -> None:
    first, *rest = launcher.start_mesh("a", "b", "c")
    for node in rest:
        assert first.mesh in node.wait_event(lambda event: event["event"] == "arguments")["all"]


def test_leaving_kills_every_process_also_a_stopped_one() -> None:
    with Launcher(command=STAND_IN) as launcher:
        nodes = launcher.start_mesh("a", "b")
        nodes[1].stop()
        pids = [node.pid for node in nodes]
        guard = launcher.guard._process
    assert not any(exists(pid) for pid in pids)
    assert guard is not None
    assert guard.returncode == 0


def test_no_node_outlives_a_launcher_that_is_killed() -> None:
    code = (
        "import sys, os, signal\nfrom meshq.launcher import Launcher\n"
        f"launcher = Launcher(command={STAND_IN!r})\n"
        "print(launcher.start('a').pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert dead.returncode == -signal.SIGKILL
    pid = int(dead.stdout)
    end = time.monotonic() + 10
    while exists(pid):
        assert time.monotonic() < end, "the guard did not kill it"
        time.sleep(0.005)


def test_real_nodes_join_leave_and_come_back() -> None:
    with Launcher() as launcher:
        a, b = launcher.start_mesh("a", "b")
        assert a.mesh != b.mesh
        a.wait_event(lambda event: event["event"] == "MemberJoined" and event["name"] == "b")
        b.terminate()
        assert b.wait() == 0
        a.wait_event(lambda event: event["event"] == "MemberLeft")
        mesh = b.mesh
        b.restart()
        assert b.mesh == mesh

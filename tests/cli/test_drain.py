"""``meshq drain``: what it says, and the status by which a script knows whether anything stays behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from meshq import blocking
from meshq.launcher import Launcher


@pytest.mark.parametrize(
    ("bodies", "status", "said"),
    [([], 0, "leaving: every message is finished"), ([b"kept"], 1, "leaving: 1 message not finished stays behind")],
)
def test_a_drain_that_leaves_messages_behind_ends_with_one(bodies: list[bytes], status: int, said: str) -> None:
    with Launcher() as launcher:
        node = launcher.start("lonely")
        with blocking.connect(node.mesh) as mesh:
            for body in bodies:
                mesh.publish("orders", body)
        command = [sys.executable, "-m", "meshq", "drain", "--timeout", "0", "--node", node.mesh]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, said in ended.stdout) == (status, True), ended.stderr

"""Lines of text through three node processes by the command line: nothing missing, and the work is shared.

The acceptance run is this with a dictionary of 100,000 words: MESHQ_TEST_LINES names the file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from meshq import blocking
from meshq.launcher import Launcher

COMMAND = [sys.executable, "-m", "meshq"]
WAIT_S = 60.0


def test_two_consumers_share_a_channel_and_a_third_gets_all_of_another(tmp_path: Path) -> None:
    data = _lines()
    wanted = Counter(line for line in data.split(b"\n") if line)
    with Launcher() as launcher:
        first, second, third = nodes = launcher.start_mesh("lines-1", "lines-2", "lines-3")
        places = ((second, "x"), (third, "x"), (first, "y"))
        consumers = [_consume(node.mesh, channel, tmp_path / f"{node.name}") for node, channel in places]
        for node in nodes:
            for channel in "xy":
                node.wait_event(partial(_made, channel))
        _until_served(first.mesh, {"x": {"lines-2", "lines-3"}, "y": {"lines-1"}})
        publish = [*COMMAND, "pub", "lines", "-", "--node", first.mesh]
        subprocess.run(publish, input=data, check=True, timeout=WAIT_S, stdout=subprocess.DEVNULL)
        assert [consumer.wait(WAIT_S) for consumer in consumers] == [0, 0, 0]
    got = [Counter((tmp_path / node.name).read_bytes().splitlines()) for node, _ in places]
    assert got[0] + got[1] == wanted
    assert got[2] == wanted
    assert min(got[0].total(), got[1].total()) >= 0.1 * wanted.total()  # a busy host may serve one of them late


def _made(channel: str, event: dict[str, Any]) -> bool:
    return event["event"] == "ChannelCreated" and bool(event["channel"] == channel)


def _until_served(node: str, wanted: dict[str, set[str]]) -> None:
    """Until the node knows of consumers of each channel at those nodes: one may start long after another."""
    end = time.monotonic() + WAIT_S
    with blocking.connect(node) as mesh:
        while time.monotonic() < end:
            channels = [channel for topic in mesh.topics() for channel in topic["channels"]]
            if {channel["channel"]: set(channel["consumers"]) for channel in channels} == wanted:
                return
            time.sleep(0.05)
    raise AssertionError(f"{channels} are not served as they should be: {wanted}")


def _lines() -> bytes:
    """The file that was named, or 20,000 lines with empty ones and repeated ones among them."""
    if "MESHQ_TEST_LINES" in os.environ:
        return Path(os.environ["MESHQ_TEST_LINES"]).read_bytes()
    return b"".join(b"\n" if number % 100 == 0 else b"line %d\n" % (number % 15_000) for number in range(20_000))


def _consume(node: str, channel: str, output: Path) -> subprocess.Popen[bytes]:
    command = [*COMMAND, "sub", "lines", channel, "--idle-exit", "5", "--node", node]
    with output.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stdin=subprocess.DEVNULL)

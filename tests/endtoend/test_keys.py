"""Real nodes whose key is changed while messages cross them: nobody is suspected, nothing lost, the old key refused.

Five nodes, with figures: ``python -m tests.endtoend.test_keys --nodes 5``.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import meshq
from meshq.cli.exits import REFUSED
from meshq.client.keys import KeyReport
from meshq.errors import Unconfirmed
from meshq.launcher import Launcher, NodeProcess
from meshq.runtime.keyfile import new_key, read_key_file, write_key_file
from meshq.runtime.loop import run as run_loop
from meshq.wire.keyring import Keyring
from tests.client.nodes import until

WAIT_S: Final = 60.0


class Traffic:
    """A publisher at one node and a consumer at another, until told to end."""

    def __init__(self, source: NodeProcess, sink: NodeProcess) -> None:
        self._source = source
        self._sink = sink
        self.over = asyncio.Event()
        self.confirmed: list[bytes] = []
        self.got: dict[bytes, int] = {}
        self.longest_s = 0.0
        """Between a publish and its confirmation."""

    async def publish(self) -> None:
        """A message after the other."""
        async with meshq.connect(self._source.mesh) as mesh:
            while not self.over.is_set():
                body = b"%d" % len(self.confirmed)
                began = time.perf_counter()
                with suppress(Unconfirmed):
                    await mesh.publish("letters", body, retry=True)
                self.longest_s = max(self.longest_s, time.perf_counter() - began)
                self.confirmed.append(body)
                await asyncio.sleep(0.005)

    async def consume(self) -> None:
        """Whatever comes."""
        async with meshq.connect(self._sink.mesh) as mesh, mesh.subscribe("letters", "readers") as letters:
            async for message in letters:
                async with message:
                    self.got[message.body] = self.got.get(message.body, 0) + 1


async def rotate(nodes: list[NodeProcess], files: list[Path]) -> Traffic:
    """Change the key of all nodes while messages go from the last to the first; returns the traffic, all arrived."""
    traffic, first = Traffic(nodes[-1], nodes[0]), nodes[0]
    old, new = read_key_file(files[0]).in_use.name, new_key()
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
        consumer = tasks.create_task(traffic.consume())
        publisher = tasks.create_task(traffic.publish())
        await _some_more(traffic)
        async with meshq.connect(first.mesh, key=files[0]) as boss:
            await boss.keys.add(new)
            await _some_more(traffic)
            await boss.keys.use(new.name)
            await _some_more(traffic)
            removed = await boss.keys.remove(old)
        await _some_more(traffic)
        await _some_more(traffic)
        traffic.over.set()
        await publisher
        await until(lambda: len(traffic.got) == len(traffic.confirmed))
        consumer.cancel()
    assert removed == KeyReport({node.name: [new.name] for node in nodes}, [])
    assert [read_key_file(file).keys for file in files] == [(new,)] * len(files)
    return traffic


def _joined(name: str, event: dict[str, Any]) -> bool:
    return bool(event["event"] == "MemberJoined" and event["name"] == name)


async def _some_more(traffic: Traffic) -> None:
    """Until 200 more messages have come: in as long as streams of a removed key live."""
    wanted = len(traffic.got) + 200
    await until(lambda: len(traffic.got) >= wanted)


def play(count: int, folder: Path) -> tuple[Traffic, list[str]]:
    """A rotation among ``count`` nodes, then one with the old key; returns the traffic and what was said of it."""
    files, ring = [folder / f"keys-{number}" for number in range(count)], Keyring([new_key()])
    for file in [*files, folder / "old"]:
        write_key_file(file, ring)
    old = ring.in_use.name
    with Launcher() as launcher:
        nodes: list[NodeProcess] = []
        for number, file in enumerate(files):
            seeds = [nodes[0].mesh] if nodes else []
            nodes.append(launcher.start(f"n{number}", *seeds, arguments=["--key", str(file)], wait=not nodes))
        for node in nodes:
            node.wait_ready()
            for other in nodes:
                if other is not node:
                    node.wait_event(partial(_joined, other.name))
        traffic = run_loop(rotate(nodes, files))
        events = [event for node in nodes for event in node.said()]
        suspected = [event for event in events if event["event"] in ("MemberSuspected", "MemberFailed")]
        assert not suspected, suspected
        late = launcher.start("late", nodes[0].mesh, arguments=["--key", str(folder / "old")], wait=False)
        assert late.wait() == REFUSED
        said = [
            late.log_tail(),
            nodes[0].wait_event(lambda event: event["event"] == "Trouble" and old in event["text"])["text"],
        ]
    assert set(traffic.got) == set(traffic.confirmed)
    return traffic, said


def test_a_key_is_changed_under_traffic_and_the_old_one_is_refused(tmp_path: Path) -> None:
    _, (inside, outside) = play(3, tmp_path)
    assert "is not known here" in inside
    assert "is not known here" in outside


def main() -> None:
    """The same by hand, with what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5)
    with tempfile.TemporaryDirectory() as folder:
        traffic, said = play(parser.parse_args().nodes, Path(folder))
    again = sum(traffic.got.values()) - len(traffic.got)
    print(f"{len(traffic.confirmed):,} confirmed, all came, {again} of them twice; ", end="")
    print(f"longest wait for a confirmation {traffic.longest_s * 1000:.0f} ms; nobody suspected")
    print("the node with the old key was told, and the mesh's log says:", *said, sep="\n  ")


if __name__ == "__main__":
    main()

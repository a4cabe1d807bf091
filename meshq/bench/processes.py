"""Runs the processes of a bench: a node by the launcher, and roles beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Self

from meshq.launcher import Launcher, NodeProcess

ROLE_S = 300.0
"""No bench takes longer."""


class Role:
    """A process of ``meshq.bench.roles`` at a node; a context that ends it."""

    def __init__(self, name: str, node: NodeProcess, *numbers: int) -> None:
        self._name = name
        command = [sys.executable, "-m", "meshq.bench.roles", name, node.mesh, *map(str, numbers)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def hear(self) -> dict[str, Any]:
        """The next thing it tells. Raises RuntimeError when it ended without a word: its error is on the terminal."""
        assert self._process.stdout is not None, "a role speaks through a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with status {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        return told


def throughput(messages: int, size_bytes: int, batch: int, outstanding: int) -> dict[str, Any]:
    """Messages through one node: first publish call to last finish."""
    messages -= messages % batch
    with Launcher() as launcher:
        node = launcher.start("bench")
        with Role("consume-leases", node, messages) as consumer:
            consumer.hear()
            with Role("publish-batches", node, messages, size_bytes, batch, outstanding) as producer:
                published = producer.hear()
                consumed = consumer.hear()
    seconds = consumed["ended_s"] - published["began_s"]
    return {
        "messages": messages,
        "size_bytes": size_bytes,
        "batch": batch,
        "outstanding": outstanding,
        "seconds": round(seconds, 3),
        "messages_per_s": round(messages / seconds),
        "published_per_s": round(messages / (published["ended_s"] - published["began_s"])),
        "messages_per_lease": round(messages / consumed["leases"], 1),
        "finished": consumed["finished"],
    }


def latency(messages: int, size_bytes: int, per_s: int) -> dict[str, Any]:
    """From the call of publish to the message at its consumer, in milliseconds."""
    with Launcher() as launcher:
        node = launcher.start("bench")
        with Role("consume-messages", node, messages) as consumer:
            consumer.hear()
            with Role("publish-paced", node, messages, size_bytes, per_s) as producer:
                confirm = producer.hear()["confirm"]
                told = consumer.hear()
    return {"per_s": per_s, "size_bytes": size_bytes, **told, "confirm": confirm}

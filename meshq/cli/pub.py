"""``meshq pub``: messages from the command line or, a line each, from standard input."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from meshq.cli import client, out
from meshq.cli.exits import WrongUse
from meshq.cli.lines import Lines
from meshq.cli.worker import Worker
from meshq.client import Mesh, Receipt, connect
from meshq.config import BrokerConfig
from meshq.errors import MeshError, PartlyPublished, Unconfirmed
from meshq.names import LEVELS

STDIN: Final = 0
BATCH_MESSAGES: Final = 256
OUTSTANDING: Final = 32
"""Batches published and not yet confirmed; what they hold is what the command may have in memory."""
CHUNK_BYTES: Final = 256 * 1024
PROGRESS_S: Final = 0.2


def pub(
    nodes: Sequence[str] | None,
    topic: str,
    bodies: Sequence[str],
    wishes: dict[str, Any],
    *,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Publish ``bodies``, or standard input for a single ``-``; prints what was confirmed and what is in doubt.

    ``wishes`` are keywords of ``Mesh.publish_many``.
    """
    if wishes["id"] and list(bodies) == ["-"]:
        raise WrongUse("--id is for messages given as arguments: how standard input is cut into publishes may differ")
    if wishes["level"] not in ("", *LEVELS):
        raise WrongUse(f"--level {wishes['level']}: give {', '.join(LEVELS)}")
    work = _Publishing(topic, wishes, timeout_s)
    done = False
    try:
        client.run(lambda: work.run(client.addresses(nodes), bodies))
        done = True
    finally:
        work.report(as_json, done)


class _Publishing:
    """One run of the command and its counts."""

    def __init__(self, topic: str, wishes: dict[str, Any], timeout_s: float) -> None:
        self._topic = topic
        self._wishes = wishes
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(OUTSTANDING)
        self._lines = Lines(BrokerConfig().message_bytes_max)
        self._began = time.monotonic()
        self._shown = 0.0
        self._progress = sys.stderr.isatty()
        self._connected = False
        self.confirmed = 0
        self.unconfirmed = 0
        """Sent, but the answer never came."""
        self.level = ""
        self.duplicate = False

    async def run(self, nodes: list[str], bodies: Sequence[str]) -> None:
        """Connect, publish everything, wait for every confirmation. Raises MeshError at the first refusal."""
        async with connect(*nodes, key=client.key()) as mesh:
            self._connected = True
            self._began = time.monotonic()
            if list(bodies) == ["-"]:
                await self._stream(mesh)
            else:
                await self._publish(mesh, [os.fsencode(body) for body in bodies])

    async def _stream(self, mesh: Mesh) -> None:
        reader = Worker("stdin")
        try:
            async with asyncio.TaskGroup() as group:
                while chunk := await reader.call(lambda: os.read(STDIN, CHUNK_BYTES)):
                    await self._spread(group, mesh, self._lines.feed(chunk))
                await self._spread(group, mesh, self._lines.end())
        except* MeshError as found:
            raise _first(found) from None

    async def _spread(self, group: asyncio.TaskGroup, mesh: Mesh, bodies: list[bytes]) -> None:
        for start in range(0, len(bodies), BATCH_MESSAGES):
            await self._slots.acquire()
            group.create_task(self._publish_slot(mesh, bodies[start : start + BATCH_MESSAGES]), name="publish")

    async def _publish_slot(self, mesh: Mesh, bodies: list[bytes]) -> None:
        try:
            await self._publish(mesh, bodies)
        finally:
            self._slots.release()

    async def _publish(self, mesh: Mesh, bodies: list[bytes]) -> None:
        publishing = mesh.publish_many(self._topic, bodies, **self._wishes, timeout_s=self._timeout_s)
        answer = asyncio.create_task(publishing, name="answer")
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:
            await mesh.close()  # gives what was sent a second to be answered, and sends nothing more
            await asyncio.wait((answer,))
            raise
        finally:
            self._count(answer, len(bodies))

    def _count(self, answer: asyncio.Task[Receipt], messages: int) -> None:
        match answer.exception():
            case None:
                receipt = answer.result()
                self.confirmed += receipt.count
                self.level = receipt.level
                self.duplicate = receipt.duplicate
                self._show_progress()
            case Unconfirmed():
                self.unconfirmed += messages
            case PartlyPublished(confirmed=confirmed, __cause__=cause):
                self.confirmed += confirmed
                self.unconfirmed += messages - confirmed if isinstance(cause, Unconfirmed) else 0

    def _show_progress(self) -> None:
        now = time.monotonic()
        if self._progress and now - self._shown > PROGRESS_S:
            self._shown = now
            print(f"\r{self.confirmed:,} confirmed", end="", file=sys.stderr, flush=True)

    def report(self, as_json: bool, done: bool) -> None:
        """Say what was confirmed; people need not be told that a refused publish was not."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        if not self._connected or not (done or self.confirmed or self.unconfirmed or as_json):
            return
        seconds = time.monotonic() - self._began
        empty = self._lines.empty
        if as_json:
            rate = round(self.confirmed / seconds) if seconds else 0
            counts = {"confirmed": self.confirmed, "unconfirmed": self.unconfirmed, "empty": empty}
            kept = {"level": self.level, "duplicate": self.duplicate}
            spent = {"seconds": round(seconds, 3), "messages_per_s": rate}
            out.document({"topic": self._topic, **counts, **kept, **spent})
            return
        skipped = f"; {empty:,} empty line{'s' if empty > 1 else ''} left out" if empty else ""
        held = ", held in memory only" if self.level == "memory" else ""
        known = ", published before under this id" if self.duplicate else ""
        print(f"{self.confirmed:,} confirmed{held}{known}{skipped}{self._doubt()}")

    def _doubt(self) -> str:
        if not self.unconfirmed:
            return ""
        more = " more" if self.confirmed else ""
        were = "was" if self.unconfirmed == 1 else "were"
        return f"; {self.unconfirmed:,}{more} {were} sent and may or may not be published"


def _first(group: BaseExceptionGroup[MeshError]) -> MeshError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, MeshError), found
    return found

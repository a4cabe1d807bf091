"""``meshq sub``: a channel's messages on standard output, finished after they are written."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from meshq.cli import client, out
from meshq.cli.start import ONCE, read_start
from meshq.cli.worker import Worker, write_all
from meshq.client import Lease, connect
from meshq.errors import MeshError

STDOUT = 1


def sub(
    nodes: Sequence[str] | None,
    topic: str,
    channel: str,
    *,
    count: int | None,
    idle_s: float | None,
    max_in_flight: int,
    start: str | None,
    json_lines: bool,
) -> None:
    """Consume until ``count`` messages, ``idle_s`` without one, a signal, or a reader that is gone.

    What was not written by then goes back to the channel.
    """
    if sys.stdout is None:
        raise MeshError("standard output is closed: messages would go nowhere")
    work = _Consuming(topic, channel, count, idle_s, json_lines, read_start(start))
    sys.stdout.flush()
    with client.talkative():
        client.run(lambda: work.run(client.addresses(nodes), max_in_flight))


class _Consuming:
    """One run of the command."""

    def __init__(
        self,
        topic: str,
        channel: str,
        count: int | None,
        idle_s: float | None,
        json_lines: bool,
        start: str | None,
    ) -> None:
        self._topic = topic
        self._channel = channel
        self._left = count
        self._idle_s = idle_s
        self._start = start
        self._render = _json_lines if json_lines else _shown_lines if os.isatty(STDOUT) else _plain_lines
        self._writer = Worker("stdout")
        self._talks = sys.stderr.isatty()
        self.written = 0

    async def run(self, nodes: list[str], max_in_flight: int) -> None:
        """Consume to the end that was asked for."""
        if self._left is not None:
            max_in_flight = min(max_in_flight, self._left)
        async with (
            connect(*nodes, key=client.key()) as mesh,
            mesh.subscribe(self._topic, self._channel, max_in_flight=max_in_flight, start=self._start) as messages,
        ):
            answered, asked = messages.barrier
            self._say(
                f"subscribed to {self._topic}/{self._channel} at {mesh.node_name} ({answered} of {asked} nodes know)"
            )
            if self._start is not None and not messages.created:
                out.say(f"{self._topic}/{self._channel} exists: {ONCE}")
            try:
                await self._consume(messages.leases())
            except TimeoutError:
                self._say(f"no message for {self._idle_s:g} s")
            except BrokenPipeError:
                self._say("nobody reads any more")
        self._say(out.many(self.written, "message"))

    async def _consume(self, leases: Any) -> None:
        while self._left is None or self._left > 0:
            async with asyncio.timeout(self._idle_s):
                lease = await anext(leases, None)
            if lease is None:
                return
            async with lease:
                await self._write(lease)

    async def _write(self, lease: Lease) -> None:
        wanted = len(lease) if self._left is None else min(self._left, len(lease))
        data = self._render(lease, wanted)
        try:
            await self._writer.call(lambda: write_all(STDOUT, data))
        except OSError:
            lease.give_back()
            raise
        self.written += wanted
        if self._left is not None:
            self._left -= wanted
        for message in lease[wanted:]:
            message.give_back()

    def _say(self, text: str) -> None:
        if self._talks:
            out.say(text)


def _shown_lines(lease: Lease, count: int) -> bytes:
    """For a terminal, which a body must not command: what is no text or moves the cursor is an escape, tabs stay."""
    return b"".join(b"\t".join(map(_escaped, body.split(b"\t"))) + b"\n" for body in lease.bodies[:count])


def _escaped(data: bytes) -> bytes:
    return out.printable(data).encode()


def _plain_lines(lease: Lease, count: int) -> bytes:
    return b"\n".join([*lease.bodies[:count], b""])


def _json_lines(lease: Lease, count: int) -> bytes:
    return b"".join(json.dumps(_document(message), separators=(",", ":")).encode() + b"\n" for message in lease[:count])


def _document(message: Any) -> dict[str, Any]:
    document = {"id": message.id, "attempts": message.attempts, "timestamp_ns": message.timestamp_ns}
    if message.headers:
        document["headers"] = dict(message.headers)
    try:
        return {**document, "body": message.body.decode()}
    except UnicodeDecodeError:
        return {**document, "body_base64": base64.b64encode(message.body).decode()}

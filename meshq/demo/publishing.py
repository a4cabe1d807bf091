"""The demo's producers: half of the messages by the Python API, half by HTTP, at a pace for watching."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

from meshq.client import Mesh
from meshq.demo.ledger import Ledger, body
from meshq.demo.stage import NodeView, Stage
from meshq.errors import MeshError

TOPIC: Final = "orders"
LEVEL: Final = "disk"
BATCH: Final = 50
RETRY_S: Final = 0.05

Send = Callable[[list[bytes]], Awaitable[str]]
"""Publishes bodies; the name of the node that confirmed them, empty when none did."""


async def publish(stage: Stage, send: Send, numbers: range, seconds: float) -> None:
    """Publish these messages in batches spread over ``seconds``; a batch without a confirmation is published again."""
    ledger: Ledger = stage.ledger
    began = time.monotonic()
    for start in range(0, len(numbers), BATCH):
        due = began + seconds * start / len(numbers)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        batch = numbers[start : start + BATCH]
        bodies = [body(number) for number in batch]
        ledger.publish(len(bodies))
        while not (origin := await send(bodies)):  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)
        ledger.confirm(batch, origin)
        stage.nodes[origin].published.add(len(bodies))


def by_api(mesh: Mesh) -> Send:
    """Through the Python API: a call for many, or one call for each, which share batches."""
    single = False

    async def send(bodies: list[bytes]) -> str:
        nonlocal single
        single = not single
        try:
            if single:
                receipts = await asyncio.gather(*(mesh.publish(TOPIC, each, level=LEVEL) for each in bodies))
                return receipts[-1].node
            return (await mesh.publish_many(TOPIC, bodies, level=LEVEL)).node
        except MeshError:
            return ""

    return send


def by_http(session: aiohttp.ClientSession, node: NodeView) -> Send:
    """Through HTTP: /mpub, a line each. Waits for its own node."""
    url = f"http://{node.http}/mpub?topic={TOPIC}"

    async def send(bodies: list[bytes]) -> str:
        try:
            async with session.post(url, data=b"\n".join(bodies)) as answer:
                await answer.read()
                return node.name if answer.status == 200 else ""
        except aiohttp.ClientError:
            return ""

    return send

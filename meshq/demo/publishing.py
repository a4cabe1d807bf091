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
BATCH: Final = 50
RETRY_S: Final = 0.05

Send = Callable[[list[bytes]], Awaitable[bool]]
"""Publishes bodies; whether they were confirmed."""


async def publish(stage: Stage, node: NodeView, send: Send, numbers: range, seconds: float) -> None:
    """Publish these messages in batches spread over ``seconds``; a batch that is refused is tried again."""
    ledger: Ledger = stage.ledger
    began = time.monotonic()
    for start in range(0, len(numbers), BATCH):
        due = began + seconds * start / len(numbers)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        batch = numbers[start : start + BATCH]
        bodies = [body(number) for number in batch]
        ledger.publish(len(bodies))
        while not await send(bodies):  # noqa: ASYNC110
            await asyncio.sleep(RETRY_S)
        ledger.confirm(batch)
        node.published.add(len(bodies))


def by_api(mesh: Mesh) -> Send:
    """Through the Python API: a call for many, or one call for each, which share batches."""
    single = False

    async def send(bodies: list[bytes]) -> bool:
        nonlocal single
        single = not single
        try:
            if single:
                await asyncio.gather(*(mesh.publish(TOPIC, each) for each in bodies))
            else:
                await mesh.publish_many(TOPIC, bodies)
        except MeshError:
            return False
        return True

    return send


def by_http(session: aiohttp.ClientSession, address: str) -> Send:
    """Through HTTP: /mpub, a line each."""
    url = f"http://{address}/mpub?topic={TOPIC}"

    async def send(bodies: list[bytes]) -> bool:
        try:
            async with session.post(url, data=b"\n".join(bodies)) as answer:
                await answer.read()
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    return send

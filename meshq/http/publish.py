"""POST /pub and /mpub: checks in nsqd's order, then the publish of the Python API.

Concurrent requests share batches because they publish through one mesh. Holds no broker rule: what the
node refuses becomes a status here.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from meshq.client import Mesh
from meshq.config import BrokerConfig
from meshq.errors import InvalidName
from meshq.http.requests import Body, Refusal, Room, flag, ok, query
from meshq.names import LANES, LEVELS, check_topic

DEFER_MS_MAX: Final = 3_600_000
"""nsqd's max-req-timeout; the Python API takes longer delays."""
FULL_TIMEOUT_S: Final = 1.0
"""How long a request waits at a full node; a held request holds its body, so shorter than the API's 5 s."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


class Publisher:
    """The two publishing handlers of one door."""

    def __init__(self, mesh: Mesh, limits: BrokerConfig, room: Room) -> None:
        self._mesh = mesh
        self._limits = limits
        self._room = room

    async def pub(self, request: web.Request) -> web.Response:
        """One message: the body, as it is."""
        async with Body(request, self._room, self._limits.message_bytes_max, "MSG_TOO_BIG") as body:
            if not body:
                raise Refusal(400, "MSG_EMPTY")
            arguments = query(request)
            topic = topic_of(arguments)
            delay_s, wishes = _delay_s(arguments), _wishes(arguments)
            await self._mesh.publish(topic, body, delay_s=delay_s, **wishes, timeout_s=FULL_TIMEOUT_S)
        return ok()

    async def mpub(self, request: web.Request) -> web.Response:
        """Many messages: a line each, or counted and sized with ``binary``."""
        async with Body(request, self._room, self._limits.publish_bytes_max, "BODY_TOO_BIG") as body:
            arguments = query(request)
            topic = topic_of(arguments)
            bodies = self._parts(body, flag(arguments, "binary", False))
            if bodies:
                await self._mesh.publish_many(topic, bodies, **_wishes(arguments), timeout_s=FULL_TIMEOUT_S)
        return ok()

    def _parts(self, body: bytes, binary: bool) -> list[bytes]:
        if binary:
            return counted(body, self._limits)
        parts = [line for line in body.split(b"\n") if line]
        if any(len(part) > self._limits.message_bytes_max for part in parts):
            raise Refusal(413, "MSG_TOO_BIG")
        return parts


def topic_of(arguments: dict[str, str], code: str = "INVALID_TOPIC") -> str:
    """The argument ``topic``; raises Refusal MISSING_ARG_TOPIC, or ``code`` for a bad name."""
    topic = arguments.get("topic")
    if topic is None:
        raise Refusal(400, "MISSING_ARG_TOPIC")
    try:
        return check_topic(topic)
    except InvalidName as exc:
        raise Refusal(400, code) from exc


def counted(body: bytes, limits: BrokerConfig) -> list[bytes]:
    """The messages of ``[4-byte count]([4-byte size][body])*``; what follows them is ignored, as nsqd does.

    Raises Refusal 413 BAD_BODY for the count, BAD_MESSAGE for a message.
    """
    count = int.from_bytes(body[:4], "big")
    if len(body) < 4 or not 0 < count <= (limits.publish_bytes_max - 4) // 5:
        raise Refusal(413, "BAD_BODY")
    parts: list[bytes] = []
    at = 4
    for _ in range(count):
        size = int.from_bytes(body[at : at + 4], "big")
        at += 4
        if not 0 < size <= limits.message_bytes_max or at + size > len(body):
            raise Refusal(413, "BAD_MESSAGE")
        parts.append(body[at : at + size])
        at += size
    return parts


def _wishes(arguments: dict[str, str]) -> dict[str, Any]:
    """What nsqd has no words for, as keywords of ``Mesh.publish``; raises Refusal."""
    level, priority, channels = arguments.get("level", ""), arguments.get("priority", "0"), arguments.get("channels")
    if level not in ("", *LEVELS):
        raise Refusal(400, "INVALID_LEVEL")
    if priority not in map(str, range(LANES)):
        raise Refusal(400, "INVALID_PRIORITY")
    return {
        "ttl_s": _ttl_s(arguments),
        "id": arguments.get("id", ""),
        "key": arguments.get("key", ""),
        "level": level,
        "priority": int(priority),
        "channels": None if channels is None else channels.split(","),
    }


def _delay_s(arguments: dict[str, str]) -> float:
    text = arguments.get("defer")
    if text is None:
        return 0.0
    if not _INTEGER.fullmatch(text) or not 0 <= int(text) <= DEFER_MS_MAX:
        raise Refusal(400, "INVALID_DEFER")
    return int(text) / 1000


def _ttl_s(arguments: dict[str, str]) -> float:
    """The argument ``ttl``, in milliseconds as ``defer`` is; 0: none."""
    text = arguments.get("ttl", "0")
    if not _INTEGER.fullmatch(text) or int(text) < 0:
        raise Refusal(400, "INVALID_TTL")
    return int(text) / 1000

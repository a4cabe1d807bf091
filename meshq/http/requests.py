"""What is read of a request: its query as nsqd reads it, its body within a limit, and its refusal.

Leaves to the handlers what the arguments mean.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

JSON_TYPE: Final = "application/json; charset=utf-8"
NSQ_HEADERS: Final = {"X-NSQ-Content-Type": "nsq; version=1.0"}
BODY_TIMEOUT_S: Final = 30.0
"""A body that takes longer than this to arrive costs its sender the connection."""

_BROKEN_QUERY = re.compile(r"%(?![0-9a-fA-F]{2})|;")


class Refusal(Exception):
    """The request is refused with ``status`` and nsqd's error body for ``code``; nothing was done."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Room:
    """The bytes of bodies that all requests together may hold; a request beyond it is refused, not queued."""

    __slots__ = ("size_bytes", "used_bytes")

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.used_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Count these bytes in; raises Refusal 503 FULL when they do not fit, and counts nothing then."""
        if self.used_bytes + size_bytes > self.size_bytes:
            raise Refusal(503, "FULL")
        self.used_bytes += size_bytes

    def give(self, size_bytes: int) -> None:
        """Count these bytes out."""
        self.used_bytes -= size_bytes


class Body:
    """One request's body while it is needed; ``async with`` reads it, leaving frees its room.

    Raises Refusal 413 ``code`` as soon as it is known to be over ``bytes_max``; no more than that is held.
    """

    __slots__ = ("_bytes_max", "_code", "_held_bytes", "_request", "_room")

    def __init__(self, request: web.Request, room: Room, bytes_max: int, code: str) -> None:
        self._request = request
        self._room = room
        self._bytes_max = bytes_max
        self._code = code
        self._held_bytes = 0

    async def __aenter__(self) -> bytes:
        if (self._request.content_length or 0) > self._bytes_max:
            raise Refusal(413, self._code)
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await self._read()
        except TimeoutError as exc:
            self._free()
            raise Refusal(408, "BODY_TIMEOUT") from exc
        except BaseException:
            self._free()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        self._free()

    async def _read(self) -> bytes:
        chunks: list[bytes] = []
        async for chunk in self._request.content.iter_any():
            self._room.take(len(chunk))
            self._held_bytes += len(chunk)
            if self._held_bytes > self._bytes_max:
                raise Refusal(413, self._code)
            chunks.append(chunk)
        return b"".join(chunks)

    def _free(self) -> None:
        self._room.give(self._held_bytes)
        self._held_bytes = 0


def query(request: web.Request) -> dict[str, str]:
    """The arguments of the query string, the first of each name; raises Refusal 400 INVALID_REQUEST.

    Read from the raw path, since aiohttp mends a broken escape where nsqd refuses it.
    """
    text = request.raw_path.partition("?")[2]
    if not text:
        return {}
    if _BROKEN_QUERY.search(text):
        raise Refusal(400, "INVALID_REQUEST")
    arguments: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        arguments.setdefault(name, value)
    return arguments


def flag(arguments: dict[str, str], name: str, default: bool) -> bool:
    """nsqd's reading of a switch: only ``false`` and ``0`` are no, any other word is yes."""
    value = arguments.get(name)
    if value is None:
        return default
    return value not in ("false", "0")


def ok(text: str = "OK") -> web.Response:
    """A plain answer."""
    return web.Response(text=text, headers=NSQ_HEADERS)


def nothing() -> web.Response:
    """An answer without a body, as nsqd's changes give it."""
    return web.Response(headers=NSQ_HEADERS)


def document(text: str, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=text.encode(), status=status, headers={"Content-Type": JSON_TYPE, **NSQ_HEADERS})

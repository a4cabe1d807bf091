"""GET /ping, /info and /stats: what a node says of itself, in nsqd's shapes."""

from __future__ import annotations

import gc
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from meshq.client import Mesh
from meshq.http import nsqstats
from meshq.http.requests import NSQ_HEADERS, document, flag, query


class Views:
    """The reading handlers of one door."""

    def __init__(self, mesh: Mesh, *, version: str, advertised: str, http_port: int, nsq_port: int) -> None:
        self._mesh = mesh
        self._version = version
        self._advertised = advertised
        self._http_port = http_port
        self._nsq_port = nsq_port
        self._started_s = time.time()

    async def ping(self, request: web.Request) -> web.Response:
        """OK while the node can do its work; as nsqd says it, 500 and NOK with the reason when it can't, 503 when it is
        about to leave."""
        answer = await self._mesh.ask("ping")
        health = answer["health"]
        if answer.get("draining"):
            return web.Response(text="NOK - draining", status=503)
        if health == "OK":
            return web.Response(text=health)
        return web.Response(text=f"NOK - {health}", status=500)

    async def info(self, request: web.Request) -> web.Response:
        """The node's addresses and limits."""
        return document(
            _dumps(
                {
                    "version": self._version,
                    "broadcast_address": self._advertised,
                    "hostname": socket.gethostname(),
                    "http_port": self._http_port,
                    "tcp_port": self._nsq_port,
                    "start_time": int(self._started_s),
                    "max_heartbeat_interval": 60_000_000_000,
                    "max_output_buffer_size": 65_536,
                    "max_output_buffer_timeout": 30_000_000_000,
                    "max_deflate_level": 6,
                }
            )
        )

    async def stats(self, request: web.Request) -> web.Response:
        """Topics and channels with their counters."""
        arguments = query(request)
        figures = await self._mesh.stats(arguments.get("topic") or None)
        topics = nsqstats.topics_of(
            figures, arguments.get("topic", ""), arguments.get("channel", ""), flag(arguments, "include_clients", True)
        )
        memory = _memory() if flag(arguments, "include_mem", True) else None
        if arguments.get("format") == "json":
            return document(_dumps(self._document(topics, memory, figures["health"])))
        uptime_s = time.time() - self._started_s
        return web.Response(
            text=nsqstats.text(self._version, self._started_s, uptime_s, topics, memory), headers=NSQ_HEADERS
        )

    def _document(
        self, topics: list[dict[str, Any]] | None, memory: dict[str, int] | None, health: str
    ) -> dict[str, Any]:
        found = {
            "version": self._version,
            "health": health if health == "OK" else f"NOK - {health}",
            "start_time": int(self._started_s),
            "topics": topics,
        }
        if memory is not None:
            found["memory"] = memory
        return {**found, "producers": None}


def _memory() -> dict[str, int]:
    """nsqd's names with what Python knows: resident bytes and collections; there are no pauses to tell."""
    return {
        "heap_objects": 0,
        "heap_idle_bytes": 0,
        "heap_in_use_bytes": _resident_bytes(),
        "heap_released_bytes": 0,
        "gc_pause_usec_100": 0,
        "gc_pause_usec_99": 0,
        "gc_pause_usec_95": 0,
        "next_gc_bytes": 0,
        "gc_total_runs": sum(int(generation["collections"]) for generation in gc.get_stats()),
    }


def _resident_bytes() -> int:
    """What the process holds in memory now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))

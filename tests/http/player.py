"""Plays what a real nsqd 1.3.0 was asked, and compares our answers with its own.

The captures hold requests and answers, recorded from nsqd over loopback. Masks stand for what differs from
run to run. What meshq does not do, or does otherwise on purpose, is named in ``OTHERWISE``.
"""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

CAPTURES = Path(__file__).parent / "captures"

OTHERWISE = {
    "/config": "nsqd's options are not ours",
    "/config/": "nsqd's options are not ours",
    "/config/log_level": "nsqd's options are not ours",
    "/debug/pprof": "Go's profiles",
    "/ping/": "no redirect to the right spelling: 404",
    "/pub/?topic=t": "no redirect to the right spelling: 404",
    "/PING": "no redirect to the right spelling: 404",
    "//ping": "no redirect to the right spelling: 404",
    **{
        f"/stats?format=json&include_mem=false&include_clients=false&topic={topic}": "publishing nothing makes no topic"
        for topic in ("hm3", "hmbig", "hmbig2", "hb2")
    },
}
_REPEATED = re.compile(r"\{([0-9a-f]+)\*([0-9]+)\}")
_OWN = ("version", "hostname", "http_port", "tcp_port", "message_bytes")
_COMPARED = ("X-Nsq-Content-Type", "Content-Type", "Allow")


def conversations() -> list[Any]:
    """Every recorded conversation of one node with default limits."""
    found = []
    for name in ("nsqd_basics", "nsqd_publish", "nsqd_topics_channels"):
        for conversation in json.loads((CAPTURES / f"{name}.json").read_text())["conversations"]:
            if not any("max-" in flag for flag in conversation["server"]["flags"]):
                found.append(conversation)
    return found


async def play(session: aiohttp.ClientSession, base: str, conversation: dict[str, Any]) -> list[str]:
    """Send every request; what differs from nsqd's answer, in words."""
    differences = []
    for step in conversation["steps"]:
        if "http" in step and step["http"]["path"] not in OTHERWISE:
            differences += await _step(session, base, step)
    return differences


async def _step(session: aiohttp.ClientSession, base: str, step: dict[str, Any]) -> list[str]:
    asked, wanted = step["http"], step["response"]
    body = _bytes(asked.get("body_hex", ""))
    url = URL(base + asked["path"].replace("$", "%24"), encoded=True)
    data: Any = _chunks(body) if asked.get("chunked") else BytesIO(body)
    async with session.request(
        asked["method"], url, data=data, headers=asked.get("headers"), allow_redirects=False
    ) as response:
        what = f"{asked['method']} {asked['path']} {asked.get('say', '')[:40]}"
        differences = []
        if response.status != wanted["status"]:
            differences.append(f"{what}: {response.status} for {wanted['status']}: {await response.text()}")
        for name in _COMPARED:
            if response.headers.get(name) != wanted["headers"].get(name):
                differences.append(f"{what}: {name} {response.headers.get(name)!r} for {wanted['headers'].get(name)!r}")
        text = await response.text()
        if not _same(text, wanted["body"]):
            differences.append(f"{what}: {text!r} for {wanted['body']!r}")
        return differences


async def _chunks(body: bytes) -> Any:
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(_REPEATED.sub(lambda found: found[1] * int(found[2]), text))


def _same(text: str, wanted: str) -> bool:
    if not wanted.startswith("{"):
        return text == wanted
    return _matches(json.loads(text), json.loads(wanted))


def _matches(value: Any, wanted: Any) -> bool:
    """Equal, but for masks and the version, with the same keys in the same order."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict) or list(value) != list(wanted):
            return False
        return all(name in _OWN or _matches(value[name], each) for name, each in wanted.items())
    if isinstance(wanted, list):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(_matches, value, wanted))
    if wanted in ("{int}", "{num}"):
        return isinstance(value, int | float)
    return bool(value == wanted)

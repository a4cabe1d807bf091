"""Lists that are too long for one answer: members, topics and statistics, put together from pages.

Decides how pages become one answer. Where a page ends is the node's (``engine.pages``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from meshq.client.questions import MemberView, Questions, TopicView
from meshq.errors import RemoteProtocolError


class Pages:
    """Asks until it has them all; ``timeout_s`` is for each page."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def members(self, timeout_s: float) -> list[MemberView]:
        """Every member."""
        return [
            row async for page in self._ask("members", {}, timeout_s, _has_rows("members")) for row in page["members"]
        ]

    async def topics(self, topic: str | None, timeout_s: float) -> list[TopicView]:
        """Every topic, or that one."""
        pages = self._ask("topics", _only(topic), timeout_s, _has_rows("topics"))
        return [row async for page in pages for row in page["topics"]]

    async def stats(self, topic: str | None, timeout_s: float) -> dict[str, Any]:
        """The node's statistics, with the counters of the first page."""
        return _joined([page async for page in self._ask("stats", _only(topic), timeout_s, _has_rows("topics"))])

    async def mesh_stats(self, topic: str | None, timeout_s: float) -> dict[str, Any]:
        """Those of all nodes; who missed a page is missing."""
        arguments = {**_only(topic), "mesh": True}
        pages = [page async for page in self._ask("stats", arguments, timeout_s, _has_nodes)]
        whole = [name for name in pages[0]["nodes"] if all(name in page["nodes"] for page in pages)]
        missing = {name: None for page in pages for name in (*page["missing"], *page["nodes"]) if name not in whole}
        nodes = {name: _joined([page["nodes"][name] for page in pages]) for name in whole}
        return {"nodes": nodes, "missing": list(missing)}

    async def _ask(
        self, kind: str, arguments: dict[str, Any], timeout_s: float, fits: Callable[[Any], bool]
    ) -> AsyncIterator[dict[str, Any]]:
        after = ""
        while True:
            page = await self._questions.ask(kind, {**arguments, "after": after}, timeout_s)
            if not (fits(page) and type(page.get("next")) is str):
                raise RemoteProtocolError(f"the node's answer to {kind!r} is of another release")
            yield page
            after = page["next"]
            if not after:
                return


def _has_rows(key: str) -> Callable[[Any], bool]:
    return lambda page: isinstance(page, dict) and isinstance(page.get(key), list)


def _has_nodes(page: Any) -> bool:
    nodes = page.get("nodes") if _has_rows("missing")(page) else None
    return isinstance(nodes, dict) and all(map(_has_rows("topics"), nodes.values()))


def _only(topic: str | None) -> dict[str, Any]:
    return {"topic": topic} if topic else {}


def _joined(pages: list[dict[str, Any]]) -> dict[str, Any]:
    topics = [topic for page in pages for topic in page["topics"]]
    return {name: value for name, value in pages[0].items() if name != "next"} | {"topics": topics}

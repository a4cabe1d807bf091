"""Answers of many rows, a page at a time: whoever asks gets on with ``after``, the name that the last page ended with.

Decides how much a page holds, so that it fits a frame, and where the pages of several nodes end together. Which rows
there are, and what they say, is ``views``'; putting pages together is the client's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from meshq.errors import RemoteProtocolError

VALUES_MAX: Final = 100_000
"""Values of a page, from all nodes that are asked together; a frame holds 262,144 (``wire.strict``)."""


def after_of(arguments: dict[str, Any]) -> str:
    """Where the page begins: behind this name; empty for the first. Raises RemoteProtocolError (BAD_ARGUMENT)."""
    return _text(arguments, "after")


def only_of(arguments: dict[str, Any]) -> str:
    """The one topic that is asked for; empty for all. Raises RemoteProtocolError (BAD_ARGUMENT)."""
    return _text(arguments, "topic")


def page(rows: Iterable[dict[str, Any]], named: str, values_max: int) -> tuple[list[Any], str]:
    """The rows that fit, one at least, and the name (key ``named``) of the last of them; empty when no more follow.

    ``rows`` may make them as they are taken: what does not fit is made once more for the next page, no more.
    """
    taken: list[dict[str, Any]] = []
    values = 0
    for row in rows:
        values += _values(row)
        if taken and values > values_max:
            return taken, str(taken[-1][named])
        taken.append(row)
    return taken, ""


def gather_stats(results: dict[str, Any], missing: list[str], _: dict[str, Any]) -> dict[str, Any]:
    """The statistics of all nodes by name, up to where the first of their pages ends."""
    told = {name: stats for name, stats in results.items() if _is_page(stats)}
    end = min((stats["next"] for stats in told.values() if stats["next"]), default="")
    nodes = {name: stats | {"topics": _until(end, stats["topics"]), "next": end} for name, stats in told.items()}
    return {"nodes": nodes, "missing": [*missing, *(name for name in results if name not in told)], "next": end}


def _until(end: str, topics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [topic for topic in topics if not end or topic["topic"] <= end]


def _is_page(value: Any) -> bool:
    """Whether a member's answer has the shape that this version gives."""
    if not (isinstance(value, dict) and type(value.get("next")) is str and isinstance(value.get("topics"), list)):
        return False
    return all(isinstance(topic, dict) and type(topic.get("topic")) is str for topic in value["topics"])


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    if type(value) is not str:
        raise RemoteProtocolError(f"{name} is a name", code="BAD_ARGUMENT")
    return value


def _values(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(_values, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_values, value))
    return 1

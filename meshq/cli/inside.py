"""``peek`` and ``why``: what stands in a channel, and what holds it up, as a table or as one JSON document."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from meshq.cli import out
from meshq.cli.views import ask

NOTHING: Final = "NONE"
"""The finding that nothing waits."""
_COLUMNS: Final = ("ID", "STATE", "WHERE", "AGE", "ATTEMPTS", "BYTES", "BODY")


def peek(nodes: Sequence[str] | None, topic: str, channel: str, *, limit: int, whole: bool, as_json: bool) -> None:
    """Some messages of each state, and how many there are."""
    found: Mapping[str, Any] = ask(
        nodes, lambda mesh: mesh.peek(topic, channel or None, limit=limit, whole_bodies=whole)
    )
    if as_json:
        out.document({**found, "messages": [_document(one) for one in found["messages"]]})
        return
    if found["messages"]:
        out.table(
            _COLUMNS,
            [_row(one) for one in found["messages"]],
            right=("AGE", "ATTEMPTS", "BYTES"),
            cut=("WHERE", "BODY"),
        )
    counts = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in found["counts"].items())
    retained = f", {found['retained']:,} retained" if found.get("retained") else ""
    print(f"{counts}{retained}; {len(found['messages'])} shown")
    _say_missing(found["missing"])


def why(nodes: Sequence[str] | None, topic: str, channel: str, *, as_json: bool) -> None:
    """A block for each channel: what was found, worst first, and what to do."""
    found: Mapping[str, Any] = ask(nodes, lambda mesh: mesh.why(topic, channel or None))
    if as_json:
        out.document(found)
        return
    print("\n\n".join(_block(topic, answer) for answer in found["answers"]))


def _block(topic: str, answer: Mapping[str, Any]) -> str:
    """What was found of one channel. That nothing waits is not said below a reason why something may."""
    about = f"{topic} {answer['channel']}: " if answer["channel"] else ""
    worst, *others = answer["findings"]
    said = [worst, *(finding for finding in others if finding["why"] != NOTHING)]
    return "\n".join(f"{about}{finding['text']}\n    {finding['next']}" for finding in said)


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    body = out.printable(one.get("body", b""))
    if len(one.get("body", b"")) < one.get("bytes", 0):
        body += " ..."
    headers = " ".join(f"{name}={value}" for name, value in one.get("headers", {}).items())
    error = f"({one['last_error']})" if one.get("last_error") else ""
    return (
        one["id"],
        one["state"].replace("_", " "),
        _where(one),
        out.span(one.get("age_s")),
        str(one["attempts"]),
        out.number(one.get("bytes")),
        " ".join(part for part in (body, headers and f"[{out.printable(headers.encode())}]", error) if part),
    )


def _where(one: Mapping[str, Any]) -> str:
    """Where a message is: at the node of its consumer, or at its origin and until when."""
    if one["at"]:
        return f"at {one['at']}"
    where = one["origin"]
    if one["on_disk"]:
        where += ", on disk"
    if one.get("held_back"):
        where += ", behind its key"
    return f"{where}, due in {out.span(one['due_s'])}" if "due_s" in one else where


def _document(one: Mapping[str, Any]) -> dict[str, Any]:
    if "body" not in one:
        return dict(one)
    rest = {name: value for name, value in one.items() if name != "body"}
    try:
        return {**rest, "body": one["body"].decode()}
    except UnicodeDecodeError:
        return {**rest, "body_base64": base64.b64encode(one["body"]).decode()}


def _say_missing(missing: Sequence[str]) -> None:
    if missing:
        holds = "it holds" if len(missing) == 1 else "they hold"
        out.say(f"meshq: no answer from {', '.join(missing)}: what {holds} is not shown")

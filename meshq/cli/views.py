"""``members``, ``topics``, ``stats``, ``config``, ``version``: what is, as a table or as one JSON document."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from meshq.cli import client, out
from meshq.cli.sources import load
from meshq.errors import MeshError
from meshq.machine.form import COMPILED, FORM
from meshq.machine.settings import shown
from meshq.names import RELEASE, dead_topic, is_dead_topic

T = TypeVar("T")

_COUNTS: Final = ("depth", "in_flight", "deferred", "finished", "requeued", "timed_out", "redelivered", "consumers")


def members(nodes: Sequence[str] | None, *, as_json: bool) -> None:
    """Every member that the node knows, itself first."""
    found = ask(nodes, lambda mesh: mesh.members())
    if as_json:
        out.document(found)
        return
    more = [column for column in ("zone", "version") if len({each[column] for each in found}) > 1]
    columns = ("NODE", "STATE", "SINCE", "RTT", "LAG", "INC", "EPOCH", "MESH", *(name.upper() for name in more))
    out.table(
        columns, [(*_member(each), *(each[name] or "-" for name in more)) for each in found], cut=("NODE", "ZONE")
    )


def topics(nodes: Sequence[str] | None, *, as_json: bool) -> None:
    """The catalog: a line for each channel, and for each topic that has none."""
    found = ask(nodes, lambda mesh: mesh.topics())
    if as_json:
        out.document(found)
        return
    rows = [row for topic in found for row in _topic_rows(topic)]
    if not rows:
        print("no topics yet: `meshq pub TOPIC BODY` makes one")
        return
    out.table(("TOPIC", "CHANNEL", "CONSUMERS", "SETTINGS"), rows)


def channels(nodes: Sequence[str] | None, topic: str, *, as_json: bool) -> None:
    """The channels of ``topic``, or of all: a line for each."""
    named = ask(nodes, lambda mesh: mesh.topics(topic or None))
    if topic and not named:
        raise MeshError(f"there is no topic {topic} (`meshq topics` lists them)", code="NOT_FOUND")
    every = [{"topic": each["topic"], **channel} for each in named for channel in each["channels"]]
    if as_json:
        out.document(every)
    elif every:
        rows = [
            (each["topic"], each["channel"], _consumers(each["consumers"]), shown(each["settings"])) for each in every
        ]
        out.table(("TOPIC", "CHANNEL", "CONSUMERS", "SETTINGS"), rows)
    else:
        print(f"no channels{f' of {topic}' if topic else ''} yet: `meshq sub TOPIC CHANNEL` makes one")


def stats(nodes: Sequence[str] | None, *, local: bool, as_json: bool) -> None:
    """The messages of each channel, over all nodes; those that did not answer are named."""
    found = ask(nodes, lambda mesh: mesh.stats(mesh=not local))
    if as_json:
        out.document(found)
        return
    asked: Mapping[str, Any] = {found["node"]: found} if local else found["nodes"]
    rows = summed(asked.values())
    if rows:
        out.table(
            ("TOPIC", "CHANNEL", *(name.upper().replace("_", " ") for name in _COUNTS), "WHY"),
            [
                (topic, channel, *(out.number(counts[name]) for name in _COUNTS), why)
                for topic, channel, counts, why in rows
            ],
            right=[name.upper().replace("_", " ") for name in _COUNTS],
            cut=("TOPIC", "CHANNEL", "WHY"),
        )
    else:
        print("no topics yet: `meshq pub TOPIC BODY` makes one")
    for topic, (messages, size_bytes) in retained(asked.values()).items():
        print(f"{topic} retains {out.many(messages, 'finished message')}, {size_bytes / 1e6:,.1f} MB")
    memory = sum(each["memory_bytes"] for each in asked.values())
    levels = ", ".join(sorted({each["level"] for each in asked.values()}))
    print(f"\n{len(asked)} node{'s' if len(asked) != 1 else ''}, level {levels}, {memory / 1e6:,.1f} MB in memory")
    for name, each in sorted(asked.items()):
        if each["health"] != "OK":
            out.say(f"meshq: {name}: the store has trouble: {each['health']}")
    if not local:
        _say_missing(found["missing"])


def dead_letters(nodes: Sequence[str] | None, *, as_json: bool) -> None:
    """How many dead letters each topic has, over all nodes that answered; none where there are none."""
    found = ask(nodes, lambda mesh: mesh.stats(mesh=True))
    counts = dead(found["nodes"].values())
    if as_json:
        out.document([{"topic": topic, "dead_letters": count} for topic, count in counts.items()])
    elif counts:
        rows = [(topic, out.number(count)) for topic, count in counts.items()]
        out.table(("TOPIC", "DEAD LETTERS"), rows, right=("DEAD LETTERS",))
    else:
        print("no dead letters")
    _say_missing(found["missing"])


def dead(nodes: Any) -> dict[str, int]:
    """The topics that have dead letters, and how many; of a topic that is gone under the name that keeps them."""
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for topic in (topic for node in nodes for topic in node["topics"]):
        name = topic["topic"]
        if not is_dead_topic(name):
            names[dead_topic(name)] = name
        elif topic["messages"]:
            counts[name] = counts.get(name, 0) + topic["messages"]
    return dict(sorted((names.get(name, name), count) for name, count in counts.items()))


def retained(nodes: Any) -> dict[str, tuple[int, int]]:
    """The topics that keep finished messages: how many on all nodes, and their bytes."""
    kept: dict[str, tuple[int, int]] = {}
    for topic in (topic for node in nodes for topic in node["topics"]):
        if topic.get("retained"):
            messages, size_bytes = kept.get(topic["topic"], (0, 0))
            kept[topic["topic"]] = (messages + topic["retained"], size_bytes + topic["retained_bytes"])
    return dict(sorted(kept.items()))


def summed(nodes: Any) -> list[tuple[str, str, dict[str, int], str]]:
    """The channels of all nodes with their counts added up and the reasons why they wait, by name.

    A topic without channels has a dash for its channel and its messages for its depth.
    """
    totals: dict[tuple[str, str], dict[str, int]] = {}
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for node in nodes:
        for topic in node["topics"]:
            for key, counts, why in _channels(topic):
                total = totals.setdefault(key, dict.fromkeys(_COUNTS, 0))
                for name in _COUNTS:
                    total[name] += counts.get(name, 0)
                if why:
                    reasons.setdefault(key, {})[why] = None
    with_channels = {topic for topic, channel in totals if channel != "-"}
    return [
        (topic, channel, totals[topic, channel], ", ".join(reasons.get((topic, channel), ())))
        for topic, channel in sorted(totals)
        if channel != "-" or topic not in with_channels
    ]


def config(flags: Mapping[str, Any], file: Path | None, *, as_json: bool) -> None:
    """The effective settings and where each comes from."""
    found = load(flags, file)
    found.config()
    if as_json:
        out.document({name: {"value": each.value, "source": each.source} for name, each in found.items()})
        return
    out.table(
        ("SETTING", "VALUE", "FROM"),
        [(name, _shown(each.value), each.source) for name, each in found.items()],
        cut=("VALUE",),
    )


def version(*, as_json: bool) -> None:
    """The release of this program."""
    if as_json:
        out.document({"version": RELEASE, "compiled": COMPILED})
    else:
        print(f"meshq {RELEASE} ({FORM})")


def ask(nodes: Sequence[str] | None, question: Callable[[Any], Awaitable[T]]) -> T:
    """What ``question`` has to tell, asked of a client of one of ``nodes``."""

    async def main() -> T:
        from meshq.client import connect

        async with connect(*client.addresses(nodes), key=client.key()) as mesh:
            return await question(mesh)

    return client.run(main)


def _member(view: Mapping[str, Any]) -> tuple[str, ...]:
    """A member's row: its epoch as the local time at which it started, zone and version only where they differ."""
    rtt_ms, lag_ms = view.get("rtt_ms"), view.get("lag_ms")
    return (
        view["name"],
        view["state"],
        out.span(view["since_s"]),
        "self" if view["self"] else "-" if rtt_ms is None else f"{rtt_ms:.1f} ms",
        "-" if lag_ms is None else f"{lag_ms / 1000:g} s",
        str(view["incarnation"]),
        time.strftime("%m-%d %H:%M:%S", time.localtime(view["epoch_ms"] / 1000)),
        _address(view["host"], view["port"]),
    )


def _topic_rows(topic: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """A line for each channel; one for the topic itself when it has none, or is set."""
    name, own = topic["topic"], shown(topic["settings"])
    kept = "" if topic["channels"] else "keeps its messages until it has a channel"
    rows = [(name, "-", kept, own)] if kept or own else []
    return rows + [
        (name, each["channel"], _consumers(each["consumers"]), shown(each["settings"])) for each in topic["channels"]
    ]


def _consumers(consumers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(consumers.items())) or "none"


def _channels(topic: Mapping[str, Any]) -> list[tuple[tuple[str, str], Mapping[str, int], str]]:
    name = topic["topic"]
    if not topic["channels"]:
        return [((name, "-"), {"depth": topic["messages"]}, "no channel yet")]
    return [((name, each["channel"]), each, _reason(each.get("why", ""))) for each in topic["channels"]]


def _reason(why: str) -> str:
    """Why a channel's messages wait at one node; nothing when none do, or when they are elsewhere."""
    return "" if why in ("NONE", "NO_TOPIC") else why.lower().replace("_", " ")


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _say_missing(missing: Sequence[str]) -> None:
    if missing:
        holds = "it holds" if len(missing) == 1 else "they hold"
        out.say(f"meshq: no answer from {', '.join(missing)}: what {holds} is not counted")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value) or "-"

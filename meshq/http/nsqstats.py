"""A node's figures in the shapes of nsqd's ``/stats``: JSON and text. Pure: figures in, text out.

What meshq does not have reads as nothing: no backend depth while messages are in memory only, no
latency percentiles, no list of producers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_COUNTS = ("depth", "in_flight", "deferred", "finished", "requeued", "timed_out")
_NO_LATENCY = {"count": 0, "percentiles": None}


def topics_of(stats: Mapping[str, Any], topic: str, channel: str, clients: bool) -> list[dict[str, Any]] | None:
    """nsqd's topics, by name; filtered as nsqd filters: an unknown topic gives None, a channel nobody has, []."""
    found = [entry for entry in stats["topics"] if topic in ("", entry["topic"])]
    if topic and not found:
        return None
    topics = [_topic(entry, channel, clients) for entry in sorted(found, key=lambda entry: str(entry["topic"]))]
    return [entry for entry in topics if entry["channels"] or not channel]


def _topic(entry: Mapping[str, Any], channel: str, clients: bool) -> dict[str, Any]:
    channels = sorted(entry["channels"], key=lambda each: str(each["channel"]))
    return {
        "topic_name": entry["topic"],
        "channels": [_channel(each, clients) for each in channels if channel in ("", each["channel"])],
        # nsqd's topic holds only what no channel has taken yet.
        "depth": 0 if channels else entry["messages"],
        "backend_depth": 0,
        "message_count": entry["published"],
        "message_bytes": entry["bytes"],  # what the node holds now, lengths included
        "paused": entry.get("paused", False),
        "e2e_processing_latency": _NO_LATENCY,
    }


def _channel(entry: Mapping[str, Any], clients: bool) -> dict[str, Any]:
    # A channel of which this node only has consumers has no counts here: its messages are elsewhere.
    counts = {
        name: entry.get(name, 0) for name in ("depth", "in_flight", "deferred", "finished", "requeued", "timed_out")
    }
    return {
        "channel_name": entry["channel"],
        "depth": counts["depth"],
        "backend_depth": 0,
        "in_flight_count": counts["in_flight"],
        "deferred_count": counts["deferred"],
        "message_count": counts["depth"] + counts["in_flight"] + counts["deferred"] + counts["finished"],
        "requeue_count": counts["requeued"],
        "timeout_count": counts["timed_out"],
        "client_count": entry["consumers"],
        "clients": [] if clients else None,
        "paused": entry.get("paused", False),
        "e2e_processing_latency": _NO_LATENCY,
    }


def text(
    version: str,
    started_s: float,
    uptime_s: float,
    topics: list[dict[str, Any]] | None,
    memory: Mapping[str, int] | None,
) -> str:
    """The text form, line for line like nsqd's."""
    started = datetime.fromtimestamp(int(started_s), UTC).isoformat().replace("+00:00", "Z")
    lines = [f"meshq v{version}", f"start_time {started}", f"uptime {duration(uptime_s)}", "", "Health: OK", ""]
    if memory is not None:
        lines += ["Memory:", *(f"   {name:<25}\t{value}" for name, value in memory.items()), ""]
    lines += ["Topics:"] if topics else ["Topics: None"]
    for topic in topics or ():
        lines += _topic_lines(topic)
    return "\n".join([*lines, *([] if topics else [""]), "Producers: None", ""])


def _topic_lines(topic: Mapping[str, Any]) -> list[str]:
    return [
        f"{_mark(topic)}[{topic['topic_name']:<15}] depth: {topic['depth']:<5} be-depth: {topic['backend_depth']:<5} "
        f"msgs: {topic['message_count']:<8} e2e%: ",
        *(_channel_line(channel) for channel in topic["channels"]),
        "",
    ]


def _channel_line(channel: Mapping[str, Any]) -> str:
    return (
        f"   {_mark(channel)}[{channel['channel_name']:<25}] "
        f"depth: {channel['depth']:<5} be-depth: {channel['backend_depth']:<5} "
        f"inflt: {channel['in_flight_count']:<4} def: {channel['deferred_count']:<4} "
        f"re-q: {channel['requeue_count']:<5} timeout: {channel['timeout_count']:<5} "
        f"msgs: {channel['message_count']:<8} e2e%: "
    )


def _mark(paused: Mapping[str, Any]) -> str:
    return "*P " if paused["paused"] else "   "


def duration(seconds: float) -> str:
    """A time span as Go prints it: ``1h2m3.5s``."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{rest:.9f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{int(hours)}h{int(minutes)}m{text}"
    return f"{int(minutes)}m{text}" if minutes else text

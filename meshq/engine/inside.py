"""Looking inside: ``peek`` and ``why``, as one node answers them, and what the answers of all nodes are together.

Decides how much an answer may hold: a peek is shared out among the nodes of the mesh, so that all of it fits a frame.
Which messages are shown is ``broker.peek``'s, what facts mean is ``engine.why``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, Final

from meshq.broker.broker import Broker
from meshq.broker.peek import DEFERRED, ENTRY_BYTES, IN_FLIGHT, QUEUED, Glance
from meshq.config import Config
from meshq.engine import why
from meshq.engine.links import Links
from meshq.engine.questions import Answerer, Gatherer
from meshq.errors import InvalidName, MeshError, RemoteProtocolError
from meshq.membership.member import State
from meshq.membership.membership import Membership
from meshq.names import check_channel, check_topic
from meshq.routing.routing import Routing
from meshq.wire import strict

MESSAGES_MAX: Final = 1000
BYTES_MAX: Final = 1 << 20
"""What a peek's answer holds at most, from all nodes together."""
DEAD_MAX: Final = 20
"""So many dead members are told of: those that died last."""
STATES: Final = (IN_FLIGHT, QUEUED, DEFERRED)


class Inside:
    """Answers two questions about one node."""

    def __init__(
        self,
        config: Config,
        membership: Membership,
        routing: Routing,
        broker: Broker,
        links: Links,
        refusing: Callable[[], str],
    ) -> None:
        """``refusing``: the code with which publishes are refused; empty when they are not."""
        self._config = config
        self._membership = membership
        self._routing = routing
        self._broker = broker
        self._links = links
        self._refusing = refusing
        self.kinds: dict[str, Answerer] = {"peek": self.peek, "why": self.why}

    def peek(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """This node's messages of a channel, or of a topic that has none."""
        topic, channel = _names(arguments)
        limit, whole = arguments.get("limit", 10), arguments.get("body") is True
        if type(limit) is not int or not 1 <= limit <= MESSAGES_MAX:
            raise RemoteProtocolError(f"limit is 1 to {MESSAGES_MAX}", code="BAD_ARGUMENT")
        share_bytes = BYTES_MAX // (1 + len(self._membership.alive()))
        found = self._broker.peek(now, topic, channel, Glance(limit, share_bytes, whole))
        return {**found, "names": self._routing.channels(topic), "exists": self._routing.known(topic) is not None}

    def why(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """What this node knows of why messages of a topic wait; shaped as ``facts`` reads it."""
        topic, _ = _names(arguments)
        names = self._routing.channels(topic)
        view = self._routing.topic(topic) or {"settings": {}, "channels": []}
        paused = [one["channel"] for one in view["channels"] if one["settings"].get("paused")]
        return {
            **self._broker.explain(now, topic),
            "exists": self._routing.known(topic) is not None,
            "names": names,
            "paused": ["", *paused] if view["settings"].get("paused") else paused,
            "refusing": self._refusing(),
            "store": self._broker.trouble,
            "dead": self._dead(now, topic, names),
            "unlinked": self._unlinked(now),
        }

    def _dead(self, now: float, topic: str, names: list[str]) -> dict[str, Any]:
        dead = [member for member in self._membership.members.values() if member.state is State.DEAD]
        dead.sort(key=lambda member: (-member.since, member.name))
        return {
            member.name: {
                "for_s": round(now - member.since, 3),
                "how": "dead",
                "channels": [name for name in names if self._routing.consumers_at(member.name, topic, name)],
            }
            for member in dead[:DEAD_MAX]
        }

    def _unlinked(self, now: float) -> dict[str, Any]:
        return {
            name: {"for_s": round(now - trouble.since, 3), "how": trouble.how, "channels": []}
            for name, trouble in self._links.troubles()[:DEAD_MAX]
        }


def gather_peek(results: dict[str, Any], missing: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    """The messages of all nodes: by state, and of each state the nodes in turn.

    Raises MeshError (NOT_FOUND), or InvalidName for a topic that has channels and none named.
    """
    topic, channel = arguments["topic"], arguments.get("channel", "")
    told = {name: value for name, value in results.items() if _is_peek(value)}
    _check_exists(topic, channel, told)
    limit = arguments.get("limit", 10)
    shown: list[dict[str, Any]] = []
    for state in STATES:
        lists = [[one for one in value["messages"] if one["state"] == state] for value in told.values()]
        turns = [one for turn in zip_longest(*lists) for one in turn if one is not None]
        shown += turns[:limit]
    counts = {state: sum(value["counts"].get(state, 0) for value in told.values()) for state in STATES}
    silent = [*missing, *(name for name in results if name not in told)]
    return {
        "topic": topic,
        "channel": channel,
        "counts": counts,
        "retained": sum(value["retained"] for value in told.values() if type(value.get("retained")) is int),
        "messages": _fit(shown),
        "missing": silent,
    }


GATHERERS: Final[dict[str, Gatherer]] = {"peek": gather_peek, "why": why.answer}
"""What makes one answer of those of all nodes, by kind."""


def _names(arguments: dict[str, Any]) -> tuple[str, str]:
    topic, channel = check_topic(arguments.get("topic", "")), arguments.get("channel", "")
    return topic, check_channel(channel) if channel else ""


def _check_exists(topic: str, channel: str, told: dict[str, Any]) -> None:
    if not any(value["exists"] for value in told.values()):
        raise MeshError(f"there is no topic {topic}: `meshq topics` lists those there are", code="NOT_FOUND")
    names = list(dict.fromkeys(name for value in told.values() for name in value["names"]))
    listed = ", ".join(names[:20])
    if channel and channel not in names:
        raise MeshError(f"{topic} has no channel {channel}; it has {listed or 'none yet'}", code="NOT_FOUND")
    if not channel and names:
        raise InvalidName(f"{topic} has channels: name one of {listed}", code="BAD_CHANNEL")


def _is_peek(value: Any) -> bool:
    """Whether a member's answer has the shape that this version gives."""
    if not isinstance(value, dict) or not isinstance(value.get("counts"), dict):
        return False
    messages, names = value.get("messages"), value.get("names")
    return (
        "exists" in value
        and isinstance(names, list)
        and all(type(name) is str for name in names)
        and all(type(count) is int for count in value["counts"].values())
        and isinstance(messages, list)
        and all(isinstance(one, dict) and type(one.get("state")) is str for one in messages)
    )


def _fit(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of them as an answer may hold, whatever the members sent."""
    left_bytes, fitting = BYTES_MAX + len(shown) * ENTRY_BYTES, []
    for one in shown:
        left_bytes -= len(strict.encode(one))
        if left_bytes < 0:
            break
        fitting.append(one)
    return fitting

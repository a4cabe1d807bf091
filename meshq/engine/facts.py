"""What one node knows of why a topic's messages wait, as the other nodes read it.

Decides only the shape: an answer that has another one counts as none, whoever sent it. What the facts of all nodes
mean together is ``why``'s.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from meshq.broker.why import Why


class Said(NamedTuple):
    """One reason at one origin: see ``broker.why.Reason``."""

    why: Why
    messages: int
    nodes: dict[str, int]
    due_s: float | None
    attempts: int
    error: str


class Held(NamedTuple):
    """What the consumers at one node have of a channel."""

    consumers: int
    capacity: int
    in_hand: int
    buffered: int
    longest_s: float
    timeout_s: float


class Told(NamedTuple):
    """One channel at one node."""

    reasons: list[Said]
    finished: int
    missed: int
    ended: dict[str, int]
    holding: Held | None


class Away(NamedTuple):
    """A node that the answering one does not reach: for how long, and how that shows."""

    for_s: float
    how: str
    channels: list[str]
    """The channels of the topic on which it had consumers, as last heard."""


class Facts(NamedTuple):
    """What one node says of a topic."""

    exists: bool
    paused: list[str]
    """Those of its channels that are paused; "" for the topic itself."""
    names: list[str]
    """Its channels by the catalog."""
    backlog: int
    channels: dict[str, Told]
    refusing: str
    store: str
    dead: dict[str, Away]
    unlinked: dict[str, Away]


def read(value: Any) -> Facts | None:
    """The facts in an answer; None when they have another shape."""
    try:
        return Facts(
            bool(value["exists"]),
            [str(name) for name in value["paused"]],
            [str(name) for name in value["names"]],
            int(value["backlog"]),
            {str(name): _told(told) for name, told in value["channels"].items()},
            str(value["refusing"]),
            str(value["store"]),
            _away(value["dead"]),
            _away(value["unlinked"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _told(told: Any) -> Told:
    holding = told.get("holding")
    return Told(
        [_said(said) for said in told["reasons"] if said["why"] in Why.__members__],
        int(told["finished"]),
        int(told["missed"]),
        {str(name): int(count) for name, count in told["ended"].items()},
        None if holding is None else _held(holding),
    )


def _said(said: Any) -> Said:
    due_s = said["due_s"]
    return Said(
        Why[said["why"]],
        int(said["messages"]),
        {str(name): int(messages) for name, messages in said["nodes"].items()},
        None if due_s is None else float(due_s),
        int(said["attempts"]),
        str(said["error"]),
    )


def _held(held: Any) -> Held:
    return Held(
        int(held["consumers"]),
        int(held["capacity"]),
        int(held["in_hand"]),
        int(held["buffered"]),
        float(held["longest_s"]),
        float(held["timeout_s"]),
    )


def _away(away: Any) -> dict[str, Away]:
    return {
        str(name): Away(float(one["for_s"]), str(one["how"]), [str(channel) for channel in one["channels"]])
        for name, one in away.items()
    }

"""Events tell a legal story. In each node's view every other member is first joined; only a live member is
suspected; only a suspected one recovers; what has failed or left is heard of again only as joined. The same for
links, topics and channels: up before down, created before deleted. Nothing is told twice. No node speaks of itself,
and nobody who left on purpose is said to have failed by a node that heard it leave."""

from __future__ import annotations

from typing import Any, Final

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host

NEXT: Final[dict[type[Any], tuple[str, tuple[str, ...]]]] = {
    events.MemberJoined: ("alive", ("", "gone", "alive", "suspect")),
    events.MemberSuspected: ("suspect", ("alive",)),
    events.MemberRecovered: ("alive", ("suspect",)),
    events.MemberFailed: ("gone", ("alive", "suspect")),
    events.MemberLeft: ("gone", ("alive", "suspect")),
    events.LinkUp: ("up", ("", "down")),
    events.LinkDown: ("down", ("up",)),
    events.TopicCreated: ("there", ("", "deleted")),
    events.TopicDeleted: ("deleted", ("there",)),
    events.ChannelCreated: ("there", ("", "deleted")),
    events.ChannelDeleted: ("deleted", ("there",)),
}
"""Event: the state that it leads to, and those in which it may happen."""


class Paths(Checker):
    """Follows each story from each start of each node."""

    def __init__(self, stage: Any) -> None:
        super().__init__(stage)
        self._at: dict[tuple[str, int, str, str], str] = {}
        self._epochs: dict[tuple[str, int, str], int] = {}

    def event(self, host: Host, event: Any) -> None:
        step = NEXT.get(type(event))
        if step is None:
            return
        to, allowed = step
        key = (host.name, host.counters.starts, *_subject(event))
        before = self._at.get(key, "")
        if before not in allowed:
            self.find(f"{host.name} tells {event} of what was {before or 'unknown'}")
        elif type(event) is events.MemberJoined:
            self._check_epoch(host, event, before)
        self._at[key] = to

    def _check_epoch(self, host: Host, event: events.MemberJoined, before: str) -> None:
        """Joined once per epoch, unless it was gone in between; epochs rise."""
        key = (host.name, host.counters.starts, event.name)
        known = self._epochs.get(key, 0)
        if event.epoch_ms < known or (before in ("alive", "suspect") and event.epoch_ms == known):
            self.find(f"{host.name} tells {event} after its epoch {known}")
        self._epochs[key] = event.epoch_ms
        if event.name == host.name:
            self.find(f"{host.name} tells that it joined itself")


def _subject(event: Any) -> tuple[str, str]:
    kind = type(event)
    if kind in (events.TopicCreated, events.TopicDeleted):
        return "topic", event.topic
    if kind in (events.ChannelCreated, events.ChannelDeleted):
        return "channel", f"{event.topic}/{event.channel}"
    if kind in (events.LinkUp, events.LinkDown):
        return "link", event.name
    return "member", event.name

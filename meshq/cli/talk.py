"""What a node says while it runs: sentences for people, or JSON lines for programs."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from meshq.cli.happenings import sentence
from meshq.cli.journal import LINES_MAX, Journal
from meshq.cli.out import many
from meshq.machine import events
from meshq.machine.events import Event
from meshq.names import RELEASE


@dataclass(frozen=True, slots=True)
class Ready:
    """A node that serves; addresses as host:port."""

    name: str
    mesh: str
    http: str
    private_only: bool
    """Whether it takes bytes from private addresses only, listening on every one."""
    moved: int
    """By how much the default ports had to move."""
    level: str = "memory"
    data: str = ""
    """The data directory; empty when there is none."""
    key: str = ""
    """The name of the key in use; empty when there are no keys."""


class Talk(Protocol):
    """How a node speaks."""

    def ready(self, ready: Ready) -> None:
        """The node serves."""

    def happened(self, event: Event) -> None:
        """Something happened in the mesh."""

    def draining(self, timeout_s: float) -> None:
        """The node was told to stop and hands over."""

    def stopped(self, messages_left: int | None) -> None:
        """The node has ended; None when nobody knows what it still had."""


class JsonTalk:
    """JSON lines: ``ready`` first, then events, ``stopped`` last."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._early: deque[Event] | None = deque(maxlen=LINES_MAX)

    def ready(self, ready: Ready) -> None:
        """The line that tells a program that the node serves, and then what happened before it."""
        addresses = {"name": ready.name, "mesh": ready.mesh, "http": ready.http}
        kept = {"level": ready.level, "data": ready.data, "key": ready.key}
        self._line({"event": "ready", **addresses, **kept, "version": RELEASE})
        early, self._early = self._early, None
        for event in early or ():
            self.happened(event)

    def happened(self, event: Event) -> None:
        """One line an event, with the time in unix seconds; the first line is ``ready``, so earlier ones wait."""
        if self._early is None:
            self._line({**events.to_map(event), "at": round(time.time(), 3)})
        else:
            self._early.append(event)

    def draining(self, timeout_s: float) -> None:
        """The node was told to stop."""
        self._line({"event": "draining", "timeout_s": timeout_s})

    def stopped(self, messages_left: int | None) -> None:
        """The last line."""
        self._line({"event": "stopped", "messages_left": messages_left})

    def _line(self, fields: dict[str, Any]) -> None:
        self._journal.say(json.dumps(fields, separators=(",", ":")))


class Known:
    """The names that a node learns until it serves: they were there, none of them is news."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.channels: set[tuple[str, str]] = set()

    def heard(self, event: Event) -> bool:
        """Whether the event only says what exists, and how it is set."""
        match event:
            case events.TopicCreated(topic):
                self.topics.add(topic)
            case events.ChannelCreated(topic, channel):
                self.channels.add((topic, channel))
            case events.Configured():
                pass
            case _:
                return False
        return True


class PeopleTalk:
    """Sentences with a time of day."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._data = ""
        self._known: Known | None = Known()
        self._key = ""
        """In use now, where it has changed since the start."""

    def ready(self, ready: Ready) -> None:
        """What a person wants to know of a node that just started."""
        say = self._journal.say
        self._data = ready.data
        say(f"meshq {RELEASE}: node {ready.name} is ready")
        say(f"  mesh at {ready.mesh}, http at {ready.http}")
        if ready.moved:
            say(f"  the default ports are taken: all of them moved by {ready.moved}")
        if ready.private_only:
            say("  serves loopback and private addresses only; --open serves everybody")
        if ready.data:
            say(f"  messages are kept in {ready.data}, level {ready.level}")
        else:
            say("  messages are kept in memory only: they end with this process")
        self._tell_known()
        key = self._key or ready.key
        if key == "plain":
            say("  has a key ready and sends plain: `meshq keys use KEY` seals, once every node has it")
        elif key:
            say(f"  sealed with key {key}: who has it not is not let in")
        say(f"  other nodes join with: meshq join {ready.mesh}{' --key FILE' if ready.key else ''}")

    def happened(self, event: Event) -> None:
        """Whatever changes what people can expect; links come and go as they are needed."""
        match event:
            case events.LinkUp() | events.LinkDown(leases=0):
                return
            case events.KeysChanged(in_use=key):
                self._key = key
        if self._known is None or not self._known.heard(event):
            self._say(sentence(event))

    def draining(self, timeout_s: float) -> None:
        """The node was told to stop."""
        self._say(f"leaving: handing over for at most {timeout_s:g} s (once more to stop at once)")

    def stopped(self, messages_left: int | None) -> None:
        """How it ended."""
        if messages_left == 0:
            self._say("left the mesh, nothing was left behind")
        elif messages_left is None:
            self._say(f"stopped at once; what it still had {'is in ' + self._data if self._data else 'went with it'}")
        elif self._data:
            self._say(f"left the mesh; in {self._data}: {many(messages_left, 'message')} that nobody had consumed")
            self._say("start it again to have them delivered; what was published at level memory went with it")
        else:
            self._say(f"left the mesh: {many(messages_left, 'message')} that nobody had consumed went with it")

    def _tell_known(self) -> None:
        known, self._known = self._known, None
        if known is not None and known.topics:
            text = f"{many(len(known.topics), 'topic')} and {many(len(known.channels), 'channel')}"
            self._journal.say(f"  knows {text} of the mesh")

    def _say(self, text: str) -> None:
        self._journal.say(f"{time.strftime('%H:%M:%S')} {text}")

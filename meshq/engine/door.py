"""One client connection, as its node sees it: records that ``doors`` and its parts share."""

from __future__ import annotations

from collections import deque

from meshq.engine.streams import Stream
from meshq.errors import MeshError, Overloaded
from meshq.machine import events
from meshq.wire.frames import Refused


class Subscription:
    """One consumer of one client."""

    __slots__ = ("channel", "consumer", "created", "door", "flow", "generation", "topic")

    def __init__(
        self, door: Door, flow: int, consumer: int, topic: str, channel: str, generation: int, *, created: bool
    ) -> None:
        self.door = door
        self.flow = flow
        self.consumer = consumer
        self.topic = topic
        self.channel = channel
        self.generation = generation
        self.created = created
        """Whether the channel began with it."""


class Door:
    """One client connection: its subscriptions and its unconfirmed publishes."""

    __slots__ = ("bytes", "events", "lost", "messages", "stream", "subscriptions", "watching")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.subscriptions: dict[int, Subscription] = {}
        self.watching = False
        self.events: deque[events.Event] = deque()
        """What happened while its connection was blocked."""
        self.lost = 0
        """Events that had to go meanwhile, the oldest first."""
        self.messages = 0
        self.bytes = 0


def refusal(request: int, error: MeshError) -> Refused:
    """How a client is told that nothing was done for its ``request``."""
    return Refused(request, error.code, str(error), error.limit if isinstance(error, Overloaded) else "")

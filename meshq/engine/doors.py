"""The client connections of a node.

Decides what a client may do, and who does it: ``publishes``, ``subscriptions``, ``watchers``. A client that breaks a
rule loses its connection; a publish or subscription that can't be is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshq.broker.broker import Broker
from meshq.config import Config
from meshq.engine.door import Door
from meshq.engine.publishes import Publishes
from meshq.engine.streams import Stream, Streams
from meshq.engine.subscriptions import Subscriptions
from meshq.engine.watchers import Watchers
from meshq.errors import RemoteProtocolError
from meshq.routing.routing import Routing
from meshq.wire.frames import (
    Ask,
    Capacity,
    Fin,
    Frame,
    Goodbye,
    Hello,
    Publish,
    Req,
    Return,
    Subscribe,
    Touch,
    Unsubscribe,
    Watch,
)


class Doors:
    """Every client of a node."""

    def __init__(
        self,
        config: Config,
        streams: Streams,
        refusing: Callable[[], str],
        wall_ns: Callable[[float], int],
        broker: Broker,
        routing: Routing,
    ) -> None:
        """``refusing``: the code with which publishes are refused, or nothing. ``wall_ns``: the time since 1970."""
        self._clients_max = config.link.clients_max
        self._streams = streams
        self._doors: dict[int, Door] = {}
        self.publishes = Publishes(config, streams, refusing, wall_ns, broker, routing)
        self.subscriptions = Subscriptions(config, streams, refusing, broker, routing)
        self.watchers = Watchers(config.link.events_max, streams, self._doors)
        self.on_ask: Callable[[float, Stream, Ask], None]
        self._handlers: dict[type[Any], Callable[[float, Door, Any], None]] = {
            Publish: self.publishes.publish,
            Fin: self.subscriptions.fin,
            Subscribe: self.subscriptions.subscribe,
            Capacity: self.subscriptions.capacity,
            Unsubscribe: self.subscriptions.unsubscribe,
            Req: self.subscriptions.req,
            Return: self.subscriptions.give_back,
            Touch: self.subscriptions.touch,
            Watch: self.watchers.watch,
        }

    def __len__(self) -> int:
        return len(self._doors)

    def connected(self, now: float, stream: Stream) -> None:
        """Clients dial us, never we them."""

    def greeted(self, now: float, stream: Stream, hello: Hello) -> None:
        if len(self._doors) >= self._clients_max:
            raise RemoteProtocolError("this node has as many clients as it may (clients_max)", code="FULL")
        stream.name = hello.name
        self._doors[stream.number] = Door(stream)

    def frame(self, now: float, stream: Stream, frame: Frame) -> None:
        door = self._doors[stream.number]
        handler = self._handlers.get(type(frame))
        if handler is not None:
            handler(now, door, frame)
        elif type(frame) is Ask:
            self.on_ask(now, stream, frame)
        elif type(frame) is Goodbye:
            self._streams.end(now, stream, "", "")
        else:
            raise RemoteProtocolError(f"{type(frame).__name__} from a client", code="BAD_FRAME")

    def closed(self, now: float, stream: Stream, reason: str) -> None:
        self.subscriptions.closed(now, stream.number, self._doors.pop(stream.number, None))

    def goodbye(self, now: float, code: str, text: str) -> None:
        """End every client connection."""
        for door in list(self._doors.values()):
            self._streams.end(now, door.stream, code, text)

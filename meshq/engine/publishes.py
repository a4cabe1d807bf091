"""What clients publish, from the frame until it is confirmed or refused.

Decides who may publish how much, for which level, and under which topic; what becomes of the messages is the broker's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshq.broker.broker import Broker
from meshq.broker.effects import Confirmed as BatchConfirmed
from meshq.broker.effects import Unkept
from meshq.config import Config
from meshq.engine import wishes
from meshq.engine.door import Door, refusal
from meshq.engine.streams import Streams
from meshq.errors import InvalidMessage, LevelUnavailable, MeshError, Overloaded, RemoteProtocolError, StoreTrouble
from meshq.names import LEVELS, MEMORY, check_topic, is_ephemeral
from meshq.routing.routing import Routing
from meshq.wire import bodies
from meshq.wire.frames import NO_OPTIONS, Confirmed, Publish


class Publishes:
    """Those under way, by their numbers at the broker."""

    def __init__(
        self,
        config: Config,
        streams: Streams,
        refusing: Callable[[], str],
        wall_ns: Callable[[float], int],
        broker: Broker,
        routing: Routing,
    ) -> None:
        self._config = config
        self._streams = streams
        self._refusing = refusing
        self._wall_ns = wall_ns
        self._broker = broker
        self._routing = routing
        self._under_way: dict[int, tuple[Door, int, int, int]] = {}
        self._tokens = 0

    def publish(self, now: float, door: Door, frame: Publish) -> None:
        """Messages for a topic. Too many at once cost the client its connection, all else is refused by name."""
        size_bytes = len(frame.body)
        door.messages += frame.messages
        door.bytes += size_bytes
        if door.messages > self._config.link.publish_messages or door.bytes > self._config.link.publish_bytes:
            raise RemoteProtocolError("more unconfirmed messages than the hello allowed", code="CREDIT")
        self._tokens += 1
        try:
            self._accept(now, self._tokens, frame)
        except MeshError as exc:
            door.messages -= frame.messages
            door.bytes -= size_bytes
            self._streams.send(door.stream, refusal(frame.request, exc))
        else:
            self._under_way[self._tokens] = (door, frame.request, frame.messages, size_bytes)

    def confirmed(self, effect: BatchConfirmed) -> None:
        """The messages of a publish are kept: tell who published."""
        found = self._under_way.pop(effect.token, None)
        if found is not None:
            door, request, messages, size_bytes = found
            door.messages -= messages
            door.bytes -= size_bytes
            options = {"duplicate": True} if effect.duplicate else NO_OPTIONS
            self._streams.send(door.stream, Confirmed(request, effect.log, effect.first, effect.level, options))

    def unkept(self, effect: Unkept) -> None:
        """The messages of a publish could not be kept at their level: say so."""
        found = self._under_way.pop(effect.token, None)
        if found is not None:
            door, request, messages, size_bytes = found
            door.messages -= messages
            door.bytes -= size_bytes
            text = f"{effect.why}: not confirmed, though it may be delivered; try again later, or another node"
            self._streams.send(door.stream, refusal(request, StoreTrouble(text)))

    def _accept(self, now: float, token: int, frame: Publish) -> None:
        broker = self._config.broker
        if code := self._refusing():
            raise Overloaded(f"the node is {code.lower()}: try again, or another node", code=code, limit="state")
        if len(frame.body) > broker.publish_bytes_max:
            raise InvalidMessage(f"{len(frame.body)} bytes at once; publish_bytes_max is {broker.publish_bytes_max}",
                                 code="TOO_BIG")  # fmt: skip
        known = self._routing.known(frame.topic)
        if known is None:
            check_topic(frame.topic)
        level = self._level(frame.topic, frame.options.get("level", ""))
        traits = wishes.traits(now, frame.options, level, broker)
        bodies.check(frame.body, frame.messages, broker.message_bytes_max)
        publish_id = wishes.publish_id(frame.options) if frame.options else ""
        generation = known or self._routing.use_topic(now, frame.topic)
        self._broker.publish(
            now,
            token,
            frame.topic,
            generation,
            frame.messages,
            frame.body,
            traits=traits,
            wall_ns=self._wall_ns(now),
            publish_id=publish_id,
        )

    def _level(self, topic: str, asked: Any) -> int:
        """The rank of the level that a publish gets: what it asks for, or else its topic, or else the node."""
        if asked != "" and asked not in LEVELS:
            raise LevelUnavailable(f"no level {str(asked)[:32]!r}: ask for {', '.join(LEVELS)} or nothing")
        if not self._broker.stores or is_ephemeral(topic):
            if asked in ("", "memory"):
                return MEMORY
            why = f"{topic} is #ephemeral" if self._broker.stores else "this node keeps messages in memory only"
            raise LevelUnavailable(f"level {asked!r} is not available: {why}; ask for 'memory', or nothing")
        return LEVELS.index(asked or self._broker.level(topic))

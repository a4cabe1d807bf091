"""Publishes of one turn to one topic, gathered into batches.

Decides what shares a batch: neighbours with the same traits, up to ``batch_messages_max`` and
``batch_bytes_max``; a publish beyond that is cut. The bodies are joined and cut without encoding them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from meshq.broker.batch import PLAIN, Payload, Traits
from meshq.config import BrokerConfig
from meshq.wire import bodies


class Publishing(NamedTuple):
    """One publish, accepted this turn."""

    token: int
    messages: int
    body: bytes
    accepted_ns: int
    traits: Traits = PLAIN


class Gathering:
    """What one topic was given since the last turn."""

    __slots__ = ("_config", "messages", "publishes", "size_bytes")

    def __init__(self, config: BrokerConfig) -> None:
        self._config = config
        self.publishes: list[Publishing] = []
        self.messages = 0
        self.size_bytes = 0

    def add(self, publishing: Publishing) -> None:
        """One more publish."""
        self.publishes.append(publishing)
        self.messages += publishing.messages
        self.size_bytes += len(publishing.body)

    def take(self) -> list[Publishing]:
        """What was gathered, which is then gone from here."""
        taken, self.publishes = self.publishes, []
        self.messages = self.size_bytes = 0
        return taken

    def groups(self, publishes: list[Publishing]) -> Iterator[list[Publishing]]:
        """Neighbours that fit into one batch; one that is too large stands alone."""
        group: list[Publishing] = []
        messages = size_bytes = 0
        for one in publishes:
            messages += one.messages
            size_bytes += len(one.body)
            if group and (
                (one.traits is not group[0].traits and one.traits != group[0].traits)
                or messages > self._config.batch_messages_max
                or size_bytes > self._config.batch_bytes_max
            ):
                yield group
                group = []
                messages, size_bytes = one.messages, len(one.body)
            group.append(one)
        if group:
            yield group

    def bodies(self, group: list[Publishing]) -> Iterator[tuple[int, bytes]]:
        """The group as one body with its count, or several when it is one publish beyond the limits."""
        if len(group) > 1:
            counts = [one.messages for one in group]
            yield sum(counts), bodies.merge([one.body for one in group], counts)
            return
        one = group[0]
        config = self._config
        if (one.messages <= config.batch_messages_max and len(one.body) <= config.batch_bytes_max) or one.messages == 1:
            yield one.messages, one.body
            return
        payload = Payload(0, one.messages, one.body)
        start = 0
        while start < one.messages:
            stop = payload.fit(start, min(one.messages, start + config.batch_messages_max), config.batch_bytes_max)
            stop = max(stop, start + 1)
            yield stop - start, payload.part(start, stop)
            start = stop

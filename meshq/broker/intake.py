"""The way in: publishes are accepted or refused, become batches at the end of the turn, and are confirmed.

Decides which limit refuses a publish, and that a confirmation waits for the store's answer while delivery does not.
"""

from __future__ import annotations

from typing import Final

from meshq.broker.effects import Confirmed
from meshq.broker.gathering import Publishing
from meshq.broker.topic import Topic
from meshq.broker.turn import Turn
from meshq.broker.window import Windows
from meshq.errors import Overloaded
from meshq.machine.effects import Store
from meshq.names import LogId

LEVEL: Final = "memory"
"""The durability that a confirmation names: messages are kept in memory."""


class Intake:
    """Publishes from acceptance to confirmation."""

    __slots__ = ("_confirming", "_gathered", "_storing", "_turn", "_windows", "gathered_bytes")

    def __init__(self, turn: Turn, windows: Windows) -> None:
        self._turn = turn
        self._windows = windows
        self._gathered: dict[Topic, None] = {}
        self.gathered_bytes = 0
        """Accepted this turn."""
        self._confirming: list[tuple[int, LogId, int]] = []
        self._storing: dict[int, list[tuple[int, LogId, int]]] = {}

    def accept(self, topic: Topic, publishing: Publishing) -> None:
        """One more publish of this turn. Raises Overloaded, with nothing changed, when a limit says no."""
        self._check_room(topic, publishing.messages, len(publishing.body))
        self.keep(topic, publishing)

    def keep(self, topic: Topic, publishing: Publishing) -> None:
        """The same for what this node answers for already: no limit says no."""
        topic.gathering.add(publishing)
        self._gathered[topic] = None
        self.gathered_bytes += len(publishing.body)

    def close_batches(self) -> None:
        """What was accepted becomes batches: at the end of the turn, and before anything else happens to a log."""
        if self._gathered:
            gathered, self._gathered = self._gathered, {}
            self.gathered_bytes = 0
            for topic in gathered:
                self._confirming += topic.close_batches()

    def store(self) -> None:
        """Ask for this turn's rows to be kept."""
        turn = self._turn
        if turn.rows or self._confirming:
            token = turn.next_serial()
            self._storing[token] = self._confirming
            self._confirming = []
            rows, turn.rows = turn.rows, []
            turn.out.append(Store(token, rows))

    def stored(self, token: int) -> None:
        """The rows of that Store are kept: their publishes are confirmed."""
        for publish, log, first in self._storing.pop(token, ()):
            self._turn.out.append(Confirmed(publish, log, first, LEVEL))

    def unconfirmed(self) -> bool:
        """Whether something waits for the store."""
        return bool(self._storing)

    def _check_room(self, topic: Topic, messages: int, size_bytes: int) -> None:
        turn, limits = self._turn, self._turn.config.broker
        if topic.log.messages + topic.gathering.messages + messages > limits.topic_messages_max:
            turn.counters.refused += 1
            raise Overloaded(
                f"topic {topic.name} has {topic.log.messages} unfinished messages here (topic_messages_max is "
                f"{limits.topic_messages_max}): add consumers, delete what nobody reads, or raise the limit",
                limit="topic_messages_max",
            )
        while turn.memory_bytes + self.gathered_bytes + size_bytes > limits.memory_bytes_max:
            if not self._windows.evict_oldest():
                turn.counters.refused += 1
                raise Overloaded(
                    f"this node holds {turn.memory_bytes >> 20} MiB of messages (memory_bytes_max is "
                    f"{limits.memory_bytes_max >> 20} MiB): try again when consumers have caught up, or another node",
                    limit="memory_bytes_max",
                )

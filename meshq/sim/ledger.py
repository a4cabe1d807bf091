"""What clients saw: each message from publish to finish, and which channel owes it to whom.

The ledger is the outside view that promises are made about; it knows nothing of nodes' insides. Checkers read it.
A contradiction that needs no waiting (a message nobody published, a number used twice) is kept in ``wrong`` at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from meshq.names import LogId

WRONG_MAX: Final = 20
Place: TypeAlias = tuple[LogId, int]
Handed: TypeAlias = "Callable[[Message, str, Any], None]"
LetGo: TypeAlias = Callable[[bytes, str], None]


class Message:
    """One message, as publishers and consumers saw it."""

    __slots__ = ("confirmed_at", "due_at", "finished", "handed", "level", "name", "node", "place", "sent_at", "topic")

    def __init__(self, name: bytes, topic: str, node: str, sent_at: float, due_at: float) -> None:
        self.name = name
        self.topic = topic
        self.node = node
        self.sent_at = sent_at
        self.due_at = due_at
        """Not to be handed over before, because its publisher asked for a delay."""
        self.confirmed_at: float | None = None
        self.level = "memory"
        """How safe it is, by its confirmation."""
        self.place: Place | None = None
        """Its log and number, once confirmed or handed over."""
        self.handed: dict[str, int] = {}
        """How often it was handed to a consumer, per channel."""
        self.finished: dict[str, float] = {}
        """When a consumer first finished it, per channel."""

    def __repr__(self) -> str:
        return f"{self.name.decode()} ({self.topic}, sent at {self.sent_at:.3f} to {self.node}, {self.place})"


@dataclass(slots=True)
class LedgerCounters:
    """Totals over all clients."""

    sent: int = 0
    confirmed: int = 0
    refused: int = 0
    unconfirmed: int = 0
    handed: int = 0
    finished: int = 0
    requeued: int = 0
    returned: int = 0
    redelivered: int = 0


@dataclass(slots=True)
class Ledger:
    """Every message, and every channel with the time from which everything is due to it."""

    messages: dict[bytes, Message] = field(default_factory=dict)
    owed_from: dict[tuple[str, str], float] = field(default_factory=dict)
    """When a barrier of the channel was first answered by all: what is sent from then on must arrive."""
    begun_at: dict[tuple[str, str], float] = field(default_factory=dict)
    """Channels that begin at a time, and which: what was confirmed before is not for them."""
    barriers: list[tuple[float, str, str, int, int]] = field(default_factory=list)
    """When, topic, channel, answered, asked."""
    places: dict[tuple[str, LogId, int], Message] = field(default_factory=dict)
    on_confirmed: list[Callable[[Message], None]] = field(default_factory=list)
    """Told of each confirmation."""
    on_handed: list[Handed] = field(default_factory=list)
    """Told of each hand-over: message, channel, consumer."""
    on_finished: list[Handed] = field(default_factory=list)
    """The same of each finish."""
    on_let_go: list[LetGo] = field(default_factory=list)
    """Told of each requeue and return: name, channel."""
    on_requeued: list[Callable[[bytes, str, float, Any], None]] = field(default_factory=list)
    """Told of each requeue once more: name, channel, delay in seconds, consumer."""
    on_subscribed: list[Callable[[Any, int, int], None]] = field(default_factory=list)
    """Told of each barrier that is over: consumer, answered, asked."""
    on_deleted: list[Callable[[Any], None]] = field(default_factory=list)
    """Told of each consumer that is told that its channel was deleted."""
    deletes: list[str] = field(default_factory=list)
    """Topics of which somebody asked to delete something."""
    on_wrong: list[Callable[[str], None]] = field(default_factory=list)
    """Told of each contradiction."""
    wrong: list[str] = field(default_factory=list)
    counters: LedgerCounters = field(default_factory=LedgerCounters)

    def sent(self, now: float, name: bytes, topic: str, node: str, delay_s: float = 0.0) -> None:
        """A message leaves its publisher for ``node``."""
        self.messages[name] = Message(name, topic, node, now, now + delay_s)
        self.counters.sent += 1

    def refused(self, names: list[bytes]) -> None:
        """Nothing was done about them."""
        self.counters.refused += len(names)

    def unconfirmed(self, names: list[bytes]) -> None:
        """Their publisher will never know."""
        self.counters.unconfirmed += len(names)

    def confirmed(self, now: float, names: list[bytes], log: LogId, first: int, level: str) -> None:
        """A node answers for them from now on, as far as ``level`` goes."""
        self.counters.confirmed += len(names)
        for number, name in enumerate(names, first):
            message = self.messages[name]
            message.confirmed_at = now
            message.level = level
            self._place(message, log, number)
            for told in self.on_confirmed:
                told(message)

    def subscribed(self, now: float, topic: str, channel: str, answered: int, asked: int, consumer: Any = None) -> None:
        """A barrier is over."""
        self.barriers.append((now, topic, channel, answered, asked))
        if answered == asked:
            self.owed_from.setdefault((topic, channel), now)
        for told in self.on_subscribed:
            told(consumer, answered, asked)

    def handed(self, name: bytes, channel: str, log: LogId, number: int, consumer: Any = None) -> None:
        """A consumer has it."""
        message = self.messages.get(name)
        if message is None:
            self.say(f"{channel} got {name!r}, which nobody published")
            return
        self._place(message, log, number)
        count = message.handed.get(channel, 0)
        message.handed[channel] = count + 1
        self.counters.handed += 1
        self.counters.redelivered += count > 0
        for told in self.on_handed:
            told(message, channel, consumer)

    def requeued(self, names: list[bytes], channel: str, delay_s: float = 0.0, consumer: Any = None) -> None:
        """A consumer asks for them to be delivered again, that much later."""
        self.counters.requeued += len(names)
        self._let_go(names, channel)
        for told in self.on_requeued:
            for name in names:
                told(name, channel, delay_s, consumer)

    def returned(self, names: list[bytes], channel: str) -> None:
        """A consumer gives them back, never taken."""
        self.counters.returned += len(names)
        self._let_go(names, channel)

    def _let_go(self, names: list[bytes], channel: str) -> None:
        for told in self.on_let_go:
            for name in names:
                told(name, channel)

    def finished(self, now: float, name: bytes, channel: str, consumer: Any = None) -> None:
        """A consumer has finished it."""
        message = self.messages.get(name)
        if message is not None:
            for told in self.on_finished:
                told(message, channel, consumer)
        if message is not None and channel not in message.finished:
            message.finished[channel] = now
            self.counters.finished += 1

    def owed(self) -> list[tuple[Message, str]]:
        """Confirmed messages that a channel was due and that no consumer of it has finished."""
        channels: dict[str, list[tuple[str, float]]] = {}
        for (topic, channel), since in self.owed_from.items():
            channels.setdefault(topic, []).append((channel, since))
        return [
            (message, channel)
            for message in self.messages.values()
            if message.confirmed_at is not None
            for channel, since in channels.get(message.topic, ())
            if message.sent_at >= since and channel not in message.finished
        ]

    def say(self, text: str) -> None:
        """Note a contradiction; the first few are kept."""
        if len(self.wrong) < WRONG_MAX:
            self.wrong.append(text)
            for told in self.on_wrong:
                told(text)

    def _place(self, message: Message, log: LogId, number: int) -> None:
        place = (log, number)
        if message.place is None or _carried_over(message.place[0], log):
            message.place = place
            other = self.places.setdefault((message.topic, log, number), message)
            if other is not message:
                self.say(f"{message} and {other} have the same number")
        elif message.place != place:
            self.say(f"{message} is also number {number} of {log}")


def _carried_over(before: LogId, after: LogId) -> bool:
    """Whether its origin took the message over into a later life of the topic, which numbers it anew."""
    return before.origin == after.origin and before.generation < after.generation

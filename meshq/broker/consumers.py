"""What the consumers at this node ask: to be served, for more room or less, and what is to become of what they hold.

Finds whom a verb is about, and tells the own channels whether anybody here is interested. A consumer that is gone may
still be on somebody's lips: then nothing happens. Who is handed what is each ``receiver``'s.
"""

from __future__ import annotations

from meshq.broker.consumer import Consumer
from meshq.broker.receiver import Receiver
from meshq.broker.registry import Registry
from meshq.names import ChannelKey, LogId
from meshq.wire.frames import Span


class Consumers:
    """Those of one broker, by number. Every verb sets the time."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._turn = registry.turn
        self._consumers = registry.consumers

    def joined(
        self,
        now: float,
        consumer: int,
        topic: str,
        channel: str,
        generation: int,
        messages: int,
        size_bytes: int,
        timeout_s: float,
    ) -> None:
        """A consumer that may hold so much of the channel's messages, each for ``timeout_s`` untouched."""
        self._turn.now = now
        receiver = self._registry.receiver(ChannelKey(topic, channel, generation))
        joined = self._consumers[consumer] = Consumer(consumer, receiver, messages, size_bytes, timeout_s)
        receiver.join(joined)
        self._own_interest(receiver)

    def capacity(self, now: float, consumer: int, messages: int, size_bytes: int) -> None:
        """The consumer may hold so much from now on."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            found.receiver.resize(found, messages, size_bytes)

    def left(self, now: float, consumer: int) -> None:
        """The consumer is gone: what it has in hand goes back at once."""
        self._turn.now = now
        found = self._consumers.pop(consumer, None)
        if found is not None:
            found.receiver.leave(found)
            self._own_interest(found.receiver)
            self._registry.tidy_receiver(found.receiver)

    def finish(self, now: float, consumer: int, spans: list[Span]) -> None:
        """The consumer is done with these; what it was never handed is ignored."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            for log, start, stop in spans:
                found.receiver.finish(found, log, start, stop)

    def requeue(
        self, now: float, consumer: int, log: LogId, start: int, stop: int, delay_s: float, reason: str, error: str = ""
    ) -> None:
        """Deliver these again, after ``delay_s``: an attempt each, unless ``reason`` is "cancelled".

        Those that are "broken" are not delivered again. ``error`` is what the consumer says went wrong.
        """
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            found.receiver.requeue(found, log, start, stop, delay_s, reason, error)

    def give_back(self, now: float, consumer: int, log: LogId, start: int, stop: int) -> None:
        """The application never took these; counts nothing."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            found.receiver.give_back(found, log, start, stop)

    def touch(self, now: float, consumer: int, spans: list[Span]) -> None:
        """Start the message timeout of these again."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            for log, start, stop in spans:
                found.receiver.touch_hands(found, log, start, stop)

    def _own_interest(self, receiver: Receiver) -> None:
        channel = self._registry.channels.get(receiver.key)
        if channel is not None and channel.own is not None:
            channel.own.interested = bool(receiver.consumers)
            channel.touch()

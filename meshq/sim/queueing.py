"""Clients who use what a work queue has besides: they refuse poison, read dead letters, give a time to live, ids, keys.

What they do is told to the ledger in its own words: a dead letter ends what its channel was owed, and so does the end
of a time to live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from meshq.names import DEAD_HEADER, LogId
from meshq.sim.consumer import Consumer, ConsumerHabits
from meshq.sim.fleet import Fleet
from meshq.sim.ledger import Ledger
from meshq.sim.publisher import Publisher, PublisherHabits
from meshq.wire import bodies
from meshq.wire.frames import Confirmed, Deliver

POISON: Final = b"!"
"""Ends the name of a message that every consumer refuses."""
ERROR: Final = "refused by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a publisher asks for; shares are of publishes."""

    poison: float = 0.0
    ttl_s: tuple[float, float] = (0.0, 0.0)
    """Between these; (0, 0): none."""
    again: float = 0.0
    """Published once more under the same id, once it was confirmed or at once."""
    keys: int = 0
    """Each publish is under one of so many ordering keys of its own; 0: without."""
    priority: int = 0


class Wishful(Publisher):
    """A publisher whose messages may be poison, wanted for a time only, published twice under one id, have an ordering
    key or be urgent."""

    def __init__(
        self, fleet: Fleet, ledger: Ledger, name: str, node: str, habits: PublisherHabits, wishes: Wishes
    ) -> None:
        super().__init__(fleet, ledger, name, node, habits)
        self.wishes = wishes
        self.expires: dict[bytes, float] = {}
        """When the messages with a time to live are no longer wanted."""
        self.keys: dict[bytes, str] = {}
        """The ordering keys of messages that have one."""
        self._second: set[int] = set()
        """Requests that publish again."""

    def _name(self) -> bytes:
        name = super()._name()
        return name[:-1] + POISON if self._rng.random() < self.wishes.poison else name

    def _publish(self, topic: str, names: list[bytes], delay_ms: int) -> None:
        now, ledger = self._world.now, self._ledger
        ttl_ms = round(1000 * self._rng.uniform(*self.wishes.ttl_s))
        for name in names:
            ledger.sent(now, name, topic, self.node, delay_ms / 1000)
            if ttl_ms:
                self.expires[name] = now + ttl_ms / 1000
        if ttl_ms:
            self._world.after(ttl_ms / 1000, self._expired, topic, names)
        asked: dict[str, Any] = {"delay_ms": delay_ms, "ttl_ms": ttl_ms, "priority": self.wishes.priority}
        if self.wishes.keys:
            asked["key"] = f"{self.name}-{self._rng.randrange(self.wishes.keys)}"
            self.keys.update(dict.fromkeys(names, asked["key"]))
        if self._rng.random() < self.wishes.again:
            asked["id"] = names[0].decode()
            self._say(topic, names, delay_ms, asked)
            if self._rng.random() < 0.5:
                self._again_now(topic, names, delay_ms, asked)
            else:
                self._world.after(self._rng.uniform(0.01, 2.0), self._again_now, topic, names, delay_ms, asked)
        else:
            self._say(topic, names, delay_ms, asked)

    def _say(self, topic: str, names: list[bytes], delay_ms: int, asked: dict[str, Any]) -> None:
        self._requests += 1
        self._asked[self._requests] = (topic, names, delay_ms)
        options = {name: value for name, value in asked.items() if value}
        self._session.publish(self._requests, topic, len(names), bodies.encode(names), options)
        self._flush()

    def _again_now(self, topic: str, names: list[bytes], delay_ms: int, asked: dict[str, Any]) -> None:
        if self.up:
            self._second.add(self._requests + 1)
            self._say(topic, names, delay_ms, asked)

    def _confirmed(self, frame: Confirmed) -> None:
        again = frame.request in self._second
        if again and frame.options.get("duplicate") is not True:
            self._ledger.say(f"{self.name} published {frame.request} under a known id, and it was taken as new")
        super()._confirmed(frame)

    def _expired(self, topic: str, names: list[bytes]) -> None:
        """Nobody is owed these any more."""
        now = self._world.now
        for name in names:
            for owed_topic, channel in self._ledger.owed_from:
                if owed_topic == topic:
                    self._ledger.messages[name].finished.setdefault(channel, now)


class Fussy(Consumer):
    """A consumer that refuses poison for ever, however well it behaves otherwise."""

    def _settle(self, subscription: int, log: LogId, start: int, names: list[bytes], draw: float) -> None:
        if not any(name.endswith(POISON) for name in names):
            super()._settle(subscription, log, start, names, draw)
        elif subscription == self.subscription and self.up:
            for number, name in enumerate(names, start):
                if name.endswith(POISON):
                    self._refuse(log, number, name)
                else:
                    self._finish(self._flow, log, number, [name])

    def _refuse(self, log: LogId, number: int, name: bytes) -> None:
        delay_ms = self._rng.randrange(self.habits.requeue_ms_max)
        self._ledger.requeued([name], self.channel, delay_ms / 1000)
        self._session.requeue(self._flow, log, number, number + 1, delay_ms, "requeue", f"{ERROR} {self.name}")
        self._done(1)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, as somebody got it."""

    at_s: float
    name: bytes
    said: dict[str, str]


class Mourner(Consumer):
    """Reads dead letters: what they tell of is finished on the channel that they name."""

    def __init__(
        self, fleet: Fleet, ledger: Ledger, name: str, node: str, topic: str, channel: str, habits: ConsumerHabits
    ) -> None:
        super().__init__(fleet, ledger, name, node, topic, channel, habits)
        self.letters: list[Letter] = []

    def _hand(self, frame: Deliver, names: list[Any]) -> None:
        for body, headers in names:
            said = {name.removeprefix(DEAD_HEADER): text for name, text in headers.items()}
            self.letters.append(Letter(self._world.now, body, said))
            message = self._ledger.messages.get(body)
            if message is None:
                self._ledger.say(f"a dead letter of {body!r}, which nobody published")
            else:
                message.finished.setdefault(said["channel"], self._world.now)

    def _take(self, log: LogId, start: int, names: list[bytes]) -> None:
        self._session.finish(self._flow, log, start, start + len(names))
        self._done(len(names))

"""Publishers: they send messages that name themselves, and note what was confirmed.

Decides when and what is published. What is refused for a while is sent again; what is unconfirmed is not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from meshq.sim.clients import Client
from meshq.sim.fleet import Fleet
from meshq.sim.ledger import Ledger
from meshq.wire import bodies
from meshq.wire.frames import Confirmed, Refused

OUTSTANDING_MAX: Final = 64
TRY_AGAIN: Final = ("FULL", "STARTING", "DRAINING")
PERHAPS: Final = "STORE"
"""Refused, though it may be delivered: as good as unconfirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherHabits:
    """How a publisher works."""

    topics: tuple[str, ...]
    every_s: float = 0.1
    """Mean time between publishes; each wait is between half and one and a half of it."""
    batch_max: int = 8
    messages_max: int = 0
    """Publishes no more than so many messages; 0: goes on until told to stop."""
    delay_share: float = 0.0
    delay_ms_max: int = 3_000
    size_bytes: int = 40
    """Least size of a message."""
    level: str = ""
    """The level that it asks for; empty: the node's."""


class Publisher(Client):
    """Publishes until told to stop; what is refused for a while is sent again, what is unconfirmed is not."""

    def __init__(
        self, fleet: Fleet, ledger: Ledger, name: str, node: str, habits: PublisherHabits,
        *, remote: bool = False, roaming: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(fleet, ledger, name, node, remote=remote, roaming=roaming)
        self.habits = habits
        self._asked: dict[int, tuple[str, list[bytes], int]] = {}
        self._again: deque[tuple[str, list[bytes], int]] = deque()
        self._requests = 0
        self._numbers = 0
        self.publishing = False
        self._stopped = False
        self._going = False
        self._handlers = {Confirmed: self._confirmed, Refused: self._refused}

    def publish_until_stopped(self) -> None:
        """Begin to publish."""
        self.publishing = True
        self._go_on()

    def stop(self) -> None:
        """Publish nothing new; what was refused is still sent again."""
        self.publishing = False
        self._stopped = True

    def hush(self, quiet: bool) -> None:
        """Publish nothing for a while, or go on (unless stopped for good)."""
        if not self._stopped:
            self.publishing = not quiet
            self._go_on()

    @property
    def busy(self) -> bool:
        """Whether an answer is outstanding, or something must be sent again."""
        return bool(self._asked or self._again)

    def went_down(self) -> None:
        for _, names, _ in self._asked.values():
            self._ledger.unconfirmed(names)
        self._asked.clear()

    def _go_on(self) -> None:
        if not self._going:
            self._going = True
            self._next()

    def _next(self) -> None:
        self._going = self.publishing or bool(self._again)
        if not self._going:
            return
        habits = self.habits
        if self.up and len(self._asked) < OUTSTANDING_MAX:
            if self._again:
                self._publish(*self._again.popleft())
            elif self.publishing and (left := self._left()):
                topic = self._rng.choice(habits.topics)
                delayed = habits.delay_share and self._rng.random() < habits.delay_share
                delay_ms = self._rng.randrange(habits.delay_ms_max) if delayed else 0
                names = [self._name() for _ in range(min(left, self._rng.randint(1, habits.batch_max)))]
                self._publish(topic, names, delay_ms)
        self._world.after(habits.every_s * self._rng.uniform(0.5, 1.5), self._next)

    def _left(self) -> int:
        """How many messages it may still publish in one go."""
        habits = self.habits
        return habits.messages_max - self._numbers if habits.messages_max else habits.batch_max

    def _name(self) -> bytes:
        self._numbers += 1
        return f"{self.name}.{self._numbers}".encode().ljust(self.habits.size_bytes, b"_")

    def _publish(self, topic: str, names: list[bytes], delay_ms: int) -> None:
        self._requests += 1
        self._asked[self._requests] = (topic, names, delay_ms)
        for name in names:
            self._ledger.sent(self._world.now, name, topic, self.node, delay_ms / 1000)
        options: dict[str, Any] = {"delay_ms": delay_ms} if delay_ms else {}
        if self.habits.level:
            options["level"] = self.habits.level
        self._session.publish(self._requests, topic, len(names), bodies.encode(names), options)
        self._flush()

    def _confirmed(self, frame: Confirmed) -> None:
        asked = self._asked.pop(frame.request, None)
        if asked is None:
            self._ledger.say(f"{self.name} got a confirmation of {frame.request}, which it did not ask for")
            return
        self._ledger.confirmed(self._world.now, asked[1], frame.log, frame.first, frame.level)

    def _refused(self, frame: Refused) -> None:
        asked = self._asked.pop(frame.request, None)
        if asked is None:
            self._ledger.say(f"{self.name} was refused {frame.request}, which it did not ask for")
        elif frame.code == PERHAPS:
            self._ledger.unconfirmed(asked[1])
        elif frame.code in TRY_AGAIN:
            self._ledger.refused(asked[1])
            self._again.append(asked)
            if not self._going:
                self._going = True
                self._world.after(self.habits.every_s, self._next)
        else:
            self._ledger.say(f"{self.name} was refused: {frame.code} {frame.text}")

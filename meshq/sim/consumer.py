"""Consumers: they take messages of one channel and settle them, each in its own way.

Decides how well or badly a consumer behaves, by its habits. What it owes nobody and what is owed to it is the
checkers'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from meshq.names import LogId
from meshq.sim.clients import Client
from meshq.sim.fleet import Fleet
from meshq.sim.hostclock import BORN_NS
from meshq.sim.ledger import Ledger
from meshq.wire import bodies
from meshq.wire.frames import Deliver, Ended, Refused, Subscribed

SETTLE_MESSAGES: Final = 64
"""The least capacity while a run settles: one at a time over a bad network takes for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerHabits:
    """How a consumer works. Shares are of extents (or parts of them), the rest is finished."""

    messages: int = 64
    size_bytes: int = 1 << 20
    handle_s: tuple[float, float] = (0.001, 0.05)
    split: float = 0.3
    """Share of extents handled in two parts."""
    requeue: float = 0.0
    requeue_ms_max: int = 500
    give_back: float = 0.0
    hold: float = 0.0
    """Never settled: comes back by the message timeout."""
    touch: float = 0.0
    """Touched, then held for as long again as it takes to handle."""
    leave_every_s: float = 0.0
    """0: stays."""
    away_s: float = 1.0
    resize_every_s: float = 0.0
    """Changes its capacity this often, between one and ``messages``."""
    timeout_ms: int = 5_000
    barrier_ms: int = 1_000


class Consumer(Client):
    """Consumes one channel: handles what it gets, and settles it in its own way."""

    FLOW: Final = 1

    def __init__(
        self, fleet: Fleet, ledger: Ledger, name: str, node: str, topic: str, channel: str, habits: ConsumerHabits,
        *, remote: bool = False, roaming: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(fleet, ledger, name, node, remote=remote, roaming=roaming)
        self.topic = topic
        self.channel = channel
        self._begin: str | int | None = None
        """Where it has its channel begin, if that is new."""
        self.subscribed = False
        self.asked_at = 0.0
        """When it last asked to be subscribed."""
        self.in_hand = 0
        self.in_hand_max = 0
        self.attempts_max = 0
        self.attempts = 0
        """Of the message that is handed over just now, earlier ones."""
        self.behaving = True
        """False: from now on everything is finished at once (so that a run can settle)."""
        self.habits = habits
        self._known = False
        self._flow = 0
        self._left = 0
        self._leaving = 0
        """The flow that it has asked to end: what it says of it from then on comes too late."""
        self._most = habits.messages
        self._first: dict[LogId, int] = {}
        self.out_of_order = 0
        self._handlers = {Deliver: self._deliver, Subscribed: self._subscribed, Ended: self._ended, Refused: self._no}

    def came_up(self) -> None:
        self._subscribe()

    def went_down(self) -> None:
        self.subscribed = False
        self.in_hand = 0
        self._flow += 1

    @property
    def may_hold(self) -> int | None:
        """Messages that it may hold at once; None when some may time out at its node, which it cannot count.

        Over a network that stands still for seconds they do so on their way to it.
        """
        habits = self.habits
        slow = self.remote or habits.hold or 2000 * habits.handle_s[1] >= habits.timeout_ms
        return None if slow else self._most

    @property
    def subscription(self) -> int:
        """Counts its comings and goings: another number means that the subscription before is over."""
        return self._flow + self._left

    @property
    def timeout_s(self) -> float:
        """Its message timeout."""
        return self.habits.timeout_ms / 1000

    def change(self, **habits: Any) -> None:
        """Take on other habits, by the fields of ``ConsumerHabits``; before the client starts."""
        self.habits = replace(self.habits, **habits)
        self._most = self.habits.messages if self.behaving else self._most

    def begin_with(self, start: str) -> None:
        """Have the channel begin there, when it comes; before it does."""
        self._begin = start

    def begin_from_now(self) -> None:
        """Have the channel begin at this moment, when it comes: what is sent from now on is due to it."""
        now = self._world.now
        self._begin = (BORN_NS + int(now * 1e9)) // 1_000_000
        self._ledger.begun_at[self.topic, self.channel] = now
        self._ledger.owed_from[self.topic, self.channel] = now

    def settle_down(self) -> None:
        """Stay, take more at a time, and finish everything from now on."""
        self.behaving = False
        self.change(messages=max(SETTLE_MESSAGES, self.habits.messages))
        if self.up and self._session.up:
            self._session.capacity(self._flow, self.habits.messages, self.habits.size_bytes)
            self._flush()

    def _subscribe(self) -> None:
        if not self.up:
            return
        habits = self.habits
        self._flow += 1
        self.asked_at = self._world.now
        self._session.subscribe(
            self._flow, self.topic, self.channel, habits.messages, habits.size_bytes,
            again=self._known, barrier_ms=habits.barrier_ms, timeout_ms=habits.timeout_ms, start=self._begin,
        )  # fmt: skip
        self._flush()
        for every_s, what in ((habits.leave_every_s, self._unsubscribe), (habits.resize_every_s, self._resize)):
            if every_s:
                self._world.after(every_s * self._rng.uniform(0.5, 1.5), what, self._flow)

    def _subscribed(self, frame: Subscribed) -> None:
        self.subscribed = self._known = True
        self._ledger.subscribed(self._world.now, self.topic, self.channel, frame.answered, frame.asked, self)

    def _ended(self, frame: Ended) -> None:
        if frame.flow != self._flow:
            return
        self.subscribed = False
        self._left += 1
        self.in_hand = 0
        self._told(frame.code)
        self._known = self._known and not frame.code
        self._world.after(0.1 if frame.code else self.habits.away_s, self._back, self.connections)

    def _no(self, frame: Refused) -> None:
        self._told(frame.code)
        if frame.code == "DELETED":
            self._known = False
        self._world.after(0.2, self._back, self.connections)

    def _told(self, code: str) -> None:
        if code == "DELETED":
            for told in self._ledger.on_deleted:
                told(self)

    def _back(self, connection: int) -> None:
        if connection == self.connections:
            self._subscribe()

    def _unsubscribe(self, flow: int) -> None:
        if flow == self._flow and self.up and self.behaving:
            self._session.unsubscribe(flow)
            self._leaving = flow
            self._left += 1
            self.in_hand = 0
            self._flush()

    def _resize(self, flow: int) -> None:
        if flow == self._flow and self.up and self.behaving:
            self._session.capacity(flow, self._rng.randint(1, self.habits.messages), self.habits.size_bytes)
            self._flush()
            self._world.after(self.habits.resize_every_s, self._resize, flow)

    def _deliver(self, frame: Deliver) -> None:
        if frame.flow != self._flow:
            return
        names: list[Any] = bodies.decode(frame.body)
        if len(names) != frame.stop - frame.start:
            self._ledger.say(f"{self.name} got {len(names)} bodies for {frame.start} to {frame.stop} of {frame.log}")
            return
        for _, _, attempts in frame.attempts:
            self.attempts_max = max(self.attempts_max, attempts)
        self.in_hand += len(names)
        if self.behaving:
            self.in_hand_max = max(self.in_hand_max, self.in_hand)
        self._hand(frame, names)
        at = len(names)
        if at > 1 and self._rng.random() < self.habits.split:
            at = self._rng.randrange(1, at)
        for start, stop in ((0, at), (at, len(names))):
            if start < stop:
                self._take(frame.log, frame.start + start, names[start:stop])

    def _hand(self, frame: Deliver, names: list[Any]) -> None:
        for number, name in enumerate(names, frame.start):
            message = self._ledger.messages.get(name)
            first = message is not None and not message.handed.get(self.channel)
            self.attempts = next((count for low, high, count in frame.attempts if low <= number < high), 0)
            self._ledger.handed(name, self.channel, frame.log, number, self)
            if first:
                self.out_of_order += number < self._first.get(frame.log, 0)
                self._first[frame.log] = max(number, self._first.get(frame.log, 0))

    def _take(self, log: LogId, start: int, names: list[bytes]) -> None:
        habits, draw = self.habits, self._rng.random()
        if self.behaving:
            draw -= habits.hold
            if draw < 0:
                return
        handle_s = self._rng.uniform(*habits.handle_s) if self.behaving else 0.0
        self._world.after(handle_s, self._settle, self.subscription, log, start, names, draw)

    def _settle(self, subscription: int, log: LogId, start: int, names: list[bytes], draw: float) -> None:
        if subscription != self.subscription or not self.up:
            return
        habits, flow, stop = self.habits, self._flow, start + len(names)
        if self.behaving:
            draw -= habits.touch
            if draw < 0:
                self._session.touch(flow, log, start, stop)
                self._flush()
                again_s = self._rng.uniform(*habits.handle_s)
                self._world.after(again_s, self._settle, subscription, log, start, names, 1.0)
                return
            draw -= habits.requeue
            if draw < 0:
                self._requeue(flow, log, start, names)
                return
            draw -= habits.give_back
            if draw < 0:
                self._ledger.returned(names, self.channel)
                self._session.give_back(flow, log, start, stop)
                self._done(len(names))
                return
        self._finish(flow, log, start, names)

    def _finish(self, flow: int, log: LogId, start: int, names: list[bytes]) -> None:
        self._session.finish(flow, log, start, start + len(names))
        for name in names:
            self._ledger.finished(self._world.now, name, self.channel, self)
        self._done(len(names))

    def _requeue(self, flow: int, log: LogId, start: int, names: list[bytes]) -> None:
        delay_ms = self._rng.randrange(self.habits.requeue_ms_max)
        self._ledger.requeued(names, self.channel, delay_ms / 1000, self if flow != self._leaving else None)
        self._session.requeue(flow, log, start, start + len(names), delay_ms, "requeue")
        self._done(len(names))

    def _done(self, count: int) -> None:
        self.in_hand -= count
        self._flush()

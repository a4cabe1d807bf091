"""The credit protocol as a stateful test: brokers, links that break, consumers fast and slow, crashes.

Hypothesis draws what happens; after every step an observer who sees all brokers and all frames in flight checks
the invariants of the protocol (I1 to I10), and in the end everything must finish and fall silent.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meshq.broker.credit import Credit
from meshq.broker.effects import Hand
from meshq.broker.receiver import Receiver
from meshq.broker.source import Source
from meshq.config import BrokerConfig
from meshq.names import LogId
from meshq.wire.frames import Deliver, Grant, Ready
from tests.broker.mesh import KEY, TIMEOUT_S, Consumer, Mesh, credit_in

NAMES = ("a", "b", "c")
LIMITS = BrokerConfig(batch_messages_max=4, batch_bytes_max=64, window_s=5.0)
MESSAGES_MAX = 60
LINGER_S = 0.1
"""Longer than a receiver keeps little room for more to come free."""

places = st.integers(0, 1_000)
names = st.sampled_from(NAMES)
sizes = st.sampled_from([1, 1, 1, 2, 5, 12, 40])


class Turns:
    """I6: how many others were granted credit while an origin waited in a queue."""

    def __init__(self) -> None:
        self.waiting: dict[Source, int] = {}

    def enqueued(self, source: Source) -> None:
        """An origin said READY."""
        if not source.queued:
            self.waiting[source] = 0

    def granted(self, source: Source) -> None:
        """It was its turn."""
        self.waiting.pop(source, None)
        for other in self.waiting:
            if other.receiver is source.receiver and other.queued:
                self.waiting[other] += 1
                assert self.waiting[other] <= len(NAMES) - 1, f"{other.name} is passed over (I6)"


class Observed(Mesh):
    """A mesh that watches hand-overs (I4, I10) and accusations (I9)."""

    def __init__(self) -> None:
        super().__init__(*NAMES, broker=LIMITS)
        self.excused: dict[tuple[LogId, int], bool] = {}
        """Messages handed over before: whether since then something happened that excuses doing it again."""
        self.tries: Counter[tuple[LogId, int]] = Counter()
        """How often a message was requeued, timed out, or lost with its consumer."""
        self.nodes: dict[tuple[LogId, int], dict[str, None]] = {}
        """Where a message was handed over."""
        self.deaths = 0
        """Processes that ended: each may count for whatever was lent to it."""

    def handed(self, name: str, hand: Hand) -> None:
        """A second hand-over needs a reason, and no attempt is counted without one."""
        for number in range(hand.start, hand.stop):
            at = (hand.log, number)
            assert self.excused.get(at, True), f"{at} is handed over again for no reason (I4)"
            self.excused[at] = False
            self.nodes.setdefault(at, {})[name] = None
            shown = sum(count for start, stop, count in hand.attempts if start <= number < stop)
            happened = self.tries[at] + self.deaths
            assert shown <= happened, f"{at}: {shown} attempts shown, {happened} happened (I10)"

    def accused(self, name: str, peer: str, why: str) -> None:
        """Nobody here breaks a rule, so nobody may say so; audits agree (I9)."""
        raise AssertionError(f"{name} accuses {peer}: {why}")

    def excuse(self, log: LogId, start: int, stop: int, *, tried: bool = False) -> None:
        """These may be handed over again."""
        for number in range(start, stop):
            self.excused[log, number] = True
            self.tries[log, number] += tried

    def excuse_pair(self, a: str, b: str) -> None:
        """The session between the two is over: what one lent to the other may go elsewhere."""
        for at, nodes in self.nodes.items():
            if (at[0].origin == a and b in nodes) or (at[0].origin == b and a in nodes):
                self.excused[at] = True


class CreditMachine(RuleBasedStateMachine):
    """Three nodes, each an origin; consumers come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns()
        self.patches: list[Any] = []
        self._watch(Credit, "enqueue", lambda _, source: self.turns.enqueued(source))
        self._watch(Source, "grant", lambda source, *_: self.turns.granted(source))
        self.mesh = Observed()
        self.published = 0
        self.shrunk: dict[str, bool] = dict.fromkeys(NAMES, False)
        self.resized: dict[int, None] = {}
        """Consumers whose capacity shrank: they keep what they have."""
        self.gone = 0
        for a, b in self.mesh.lines:
            self.mesh.connect(a, b)

    @initialize(
        consumers=st.lists(st.tuples(names, st.sampled_from([1, 2, 4]), st.sampled_from([8, 1_000])), max_size=3),
        publishes=st.lists(st.tuples(names, st.lists(sizes, min_size=1, max_size=6)), max_size=4),
    )
    def begin(self, consumers: list[tuple[str, int, int]], publishes: list[tuple[str, list[int]]]) -> None:
        for consumer in consumers:
            self.join(*consumer)
        self.mesh.tell_everybody()
        for name, lengths in publishes:
            self.publish(name, lengths, 0.0)

    def _watch(self, kind: type[Any], method: str, seen: Any) -> None:
        original = getattr(kind, method)

        def watched(this: Any, *arguments: Any) -> Any:
            seen(this, *arguments)
            return original(this, *arguments)

        patched = patch.object(kind, method, watched)
        patched.start()
        self.patches.append(patched)

    # what may happen

    @rule(name=names, sizes=st.lists(sizes, min_size=1, max_size=6), delay_s=st.sampled_from([0.0, 0.0, 0.0, 3.0]))
    def publish(self, name: str, sizes: list[int], delay_s: float) -> None:
        if self.published < MESSAGES_MAX:
            self.published += len(sizes)
            self.mesh.publish(name, *(b"x" * size for size in sizes), delay_s=delay_s)

    @rule(name=names, messages=st.sampled_from([1, 1, 2, 3, 8]), size_bytes=st.sampled_from([8, 20, 1_000]))
    def join(self, name: str, messages: int, size_bytes: int) -> None:
        if len(self.mesh.consumers) < 5:
            self.mesh.join(name, messages, size_bytes)

    @rule(name=names)
    def hear_interest(self, name: str) -> None:
        self.mesh.tell_interest(name)
        self.mesh.turn(name)

    @rule(at=places, count=st.integers(1, 6))
    def deliver(self, at: int, count: int) -> None:
        directions = self.mesh.directions()
        for name, peer in (directions[at % len(directions) :] + directions)[: len(directions)]:
            while count and self.mesh.deliver(name, peer):
                count -= 1

    @rule()
    def deliver_all(self) -> None:
        self.mesh.settle()

    def _consumer(self, at: int) -> Consumer | None:
        consumers = list(self.mesh.consumers.values())
        return consumers[at % len(consumers)] if consumers else None

    def _holder(self, at: int) -> Consumer | None:
        holders = [one for one in self.mesh.consumers.values() if one.held]
        return holders[at % len(holders)] if holders else None

    @rule(at=places)
    def finish_all(self, at: int) -> None:
        if (consumer := self._holder(at)) is not None:
            self.mesh.finish(consumer)

    @rule(at=places, start=st.integers(0, 2), length=st.integers(1, 3))
    def finish_part(self, at: int, start: int, length: int) -> None:
        if (consumer := self._holder(at)) is not None:
            log, low, high = consumer.held[at % len(consumer.held)]
            low = min(low + start, high - 1)
            self.mesh.finish(consumer, (log, low, min(high, low + length)))

    @rule(at=places, delay_s=st.sampled_from([0.0, 0.0, 2.0]), reason=st.sampled_from(["requeue", "cancelled"]))
    def requeue(self, at: int, delay_s: float, reason: str) -> None:
        if (consumer := self._holder(at)) is not None:
            log, low, high = consumer.held[at % len(consumer.held)]
            span = (log, low, min(high, low + 1 + at % 3))
            self.mesh.excuse(*span, tried=reason == "requeue")
            self.mesh.requeue(consumer, span, delay_s=delay_s, reason=reason)

    @rule(at=places)
    def give_back(self, at: int) -> None:
        if (consumer := self._holder(at)) is not None:
            span = consumer.held[at % len(consumer.held)]
            self.mesh.excuse(*span)
            self.mesh.give_back(consumer, span)

    @rule(at=places)
    def touch(self, at: int) -> None:
        if (consumer := self._holder(at)) is not None:
            log, low, high = consumer.held[at % len(consumer.held)]
            self.mesh.touch(consumer, (log, low, max(low + 1, high - 1)))

    @rule(at=places, messages=st.sampled_from([0, 1, 2, 5]), size_bytes=st.sampled_from([8, 20, 1_000]))
    def resize(self, at: int, messages: int, size_bytes: int) -> None:
        if (consumer := self._consumer(at)) is not None:
            self.shrunk[consumer.node] = True
            self.resized[consumer.number] = None
            self.mesh.resize(consumer, messages, size_bytes)

    @rule(at=places)
    def leave(self, at: int) -> None:
        if (consumer := self._consumer(at)) is not None:
            self.shrunk[consumer.node] = True
            for span in consumer.held:
                self.mesh.excuse(*span, tried=True)
            self.mesh.leave(consumer)

    @rule(seconds=st.sampled_from([1.0, 3.0, 25.0, TIMEOUT_S * 1.1]))
    def wait(self, seconds: float) -> None:
        self._pass_time(seconds)

    def _pass_time(self, seconds: float) -> None:
        until = self.mesh.now + seconds
        for consumer in self.mesh.consumers.values():
            for hand in self.mesh.brokers[consumer.node]._registry.consumers[consumer.number].hands:
                if hand.due <= until:
                    self.mesh.excuse(hand.loan.log, hand.start, hand.stop, tried=True)
        self.mesh.pass_time(seconds)

    @rule(at=places, lost=st.integers(0, 5))
    def cut(self, at: int, lost: int) -> None:
        lines = list(self.mesh.lines)
        a, b = lines[at % len(lines)]
        self.mesh.excuse_pair(a, b)
        self.mesh.cut(a, b, lost)

    @rule(at=places)
    def notice(self, at: int) -> None:
        name, peer = self._direction(at)
        self.mesh.excuse_pair(name, peer)
        self.mesh.notice(name, peer)

    @rule(at=places)
    def reconnect(self, at: int) -> None:
        name, peer = self._direction(at)
        self.mesh.excuse_pair(name, peer)
        self.mesh.begin(name, peer)

    @rule(at=places, arriving=st.integers(0, 4))
    def flap(self, at: int, arriving: int) -> None:
        name, peer = self._direction(at)
        self.mesh.excuse_pair(name, peer)
        self.mesh.flap(name, peer)
        for _ in range(arriving):
            self.mesh.deliver(name, peer)
            self.mesh.deliver(peer, name)

    def _direction(self, at: int) -> tuple[str, str]:
        directions = self.mesh.directions()
        return directions[at % len(directions)]

    @rule(at=places)
    def beat(self, at: int) -> None:
        self.mesh.beat(*self._direction(at))

    @rule(at=places, blocked=st.booleans())
    def block(self, at: int, blocked: bool) -> None:
        name, peer = self._direction(at)
        self.mesh.line(name, peer).blocked[name] = blocked
        self.mesh.turn(name)

    @precondition(lambda self: self.gone < 2)
    @rule(name=names, verdict=st.booleans())
    def crash(self, name: str, verdict: bool) -> None:
        self.gone += 1
        epoch = self.mesh.epochs[name]
        for other in NAMES:
            self.mesh.excuse_pair(name, other)
        self.mesh.deaths += 1
        self.mesh.crash(name)
        self.shrunk[name] = False
        for other in NAMES:
            if verdict and other != name:
                self.mesh.brokers[other].peer_died(self.mesh.now, name, epoch)
                self.mesh.turn(other)

    @rule()
    def calm(self) -> None:
        """No frame in flight, sessions up, interest known: then nobody waits for what is free."""
        self._repair()
        self.mesh.settle()
        for _ in range(100):  # what becomes due meanwhile moves everything again
            self._pass_time(LINGER_S)
            if self.mesh.settle() == 0 and not self._lingers():
                break
        self.check_nobody_waits()

    def _lingers(self) -> bool:
        receivers = [self.mesh.receiver(name) for name in NAMES]
        return any(one is not None and one.credit.linger_until > self.mesh.now for one in receivers)

    def _repair(self) -> None:
        for a, b in self.mesh.lines:
            line = self.mesh.line(a, b)
            line.blocked = {a: False, b: False}
            if not line.whole():
                self.mesh.excuse_pair(a, b)
                for name in line.nodes:
                    self.mesh.notice(name, line.other(name))
            self.mesh.connect(a, b)
        self.mesh.tell_everybody()

    # what must hold

    @invariant()
    def every_message_is_in_one_place(self) -> None:
        for broker in self.mesh.brokers.values():
            broker.check()

    @invariant()
    def capacity_is_never_exceeded(self) -> None:
        """I1."""
        for name in NAMES:
            receiver = self.mesh.receiver(name)
            if receiver is not None:
                self._check_capacity(name, receiver)

    def _check_capacity(self, name: str, receiver: Receiver) -> None:
        used = receiver.granted_messages + receiver.buffered_messages
        used_bytes = receiver.granted_bytes + receiver.buffered_bytes
        if used <= receiver.room_messages and used_bytes <= receiver.room_bytes:
            self.shrunk[name] = False
        alone = used + receiver.in_hand_messages <= 1
        assert self.shrunk[name] or (used <= receiver.room_messages and (used_bytes <= receiver.room_bytes or alone)), (
            f"{name}: {used} of {receiver.room_messages} messages, {used_bytes} of {receiver.room_bytes} bytes (I1)"
        )
        for consumer in receiver.consumers.values():
            over = consumer.in_hand_messages > consumer.messages
            over_bytes = consumer.in_hand_bytes > consumer.bytes and consumer.in_hand_messages > 1
            assert not (over or over_bytes) or consumer.number in self.resized, f"{name}: too much in hand (I1)"

    @invariant()
    def credit_is_conserved(self) -> None:
        """I2, I5."""
        for origin in NAMES:
            for receiver in NAMES:
                if origin == receiver or self.mesh.line(origin, receiver).whole():
                    self._check_credit(origin, receiver)

    def _check_credit(self, origin: str, receiver: str) -> None:
        borrower, source = self.mesh.borrower(origin, receiver), self.mesh.source(receiver, origin)
        frames = [] if origin == receiver else list(self.mesh.in_flight(origin, receiver))
        messages, size_bytes = (borrower.messages, borrower.bytes) if borrower is not None else (0, 0)
        for frame in frames:
            credit = credit_in(frame)
            messages, size_bytes = messages + credit[0], size_bytes + credit[1]
        granted, granted_bytes = (source.messages, source.bytes) if source is not None else (0, 0)
        what = f"{origin} to {receiver}: {messages} of {granted} messages, {size_bytes} of {granted_bytes} bytes (I2)"
        lapsing = any(isinstance(frame, Deliver) for frame in frames)
        assert messages == granted, what
        assert size_bytes == granted_bytes or (lapsing and size_bytes <= granted_bytes), what
        if not frames:
            leased, held = borrower.leased() if borrower else 0, source.holds() if source else 0
            assert leased == held, f"{origin} to {receiver}: {leased} lent, {held} held (I9)"
        if borrower is not None and borrower.said:
            queued = source is not None and source.queued
            assert queued or any(isinstance(frame, Ready | Grant) for frame in frames), f"{what}: READY is lost (I5)"

    def check_nobody_waits(self) -> None:
        """I7, at rest."""
        for name in NAMES:
            receiver = self.mesh.receiver(name)
            if receiver is None:
                continue
            free = receiver.room_messages - receiver.granted_messages - receiver.buffered_messages
            free_bytes = receiver.room_bytes - receiver.granted_bytes - receiver.buffered_bytes
            if receiver.credit.queue and receiver.consumers:
                assert free <= 0 or free_bytes < receiver.credit.queue[0].least, (
                    f"{name}: room while somebody waits (I7)"
                )
                idle = [one.name for one in receiver.sources.values() if one.messages]
                assert not idle, f"{name}: credit unused at {idle} while others wait (I7)"
            for origin in NAMES:
                channel = self.mesh.brokers[origin]._registry.channels[KEY]
                borrower = self.mesh.borrower(origin, name)
                if channel.waits() and borrower is not None and receiver.consumers:
                    assert borrower.said, f"{origin} waits and never said so to {name} (I7)"

    # the end

    def teardown(self) -> None:
        try:
            self._finish_everything()
        finally:
            for patched in reversed(self.patches):
                patched.stop()

    def _finish_everything(self) -> None:
        """Faults stop: everything must finish, and then nothing is left of it."""
        mesh = self.mesh
        self._repair()
        mesh.join("b", 3, 30)
        mesh.tell_everybody()
        for _ in range(200):
            mesh.settle()
            for consumer in list(mesh.consumers.values()):
                if consumer.messages == 0:
                    self.shrunk[consumer.node] = True
                    mesh.resize(consumer, 1)
                mesh.finish(consumer)
            self._pass_time(1.0)
            if mesh.settle() == 0 and mesh.left() == 0 and not any(one.held for one in mesh.consumers.values()):
                break
        self.every_message_is_in_one_place()
        assert mesh.left() == 0, f"{mesh.left()} messages are stuck"
        for at in mesh.confirmed:
            assert at in mesh.finished, f"{at} was lost"
        self._check_silence()

    def _check_silence(self) -> None:
        mesh = self.mesh
        for _ in range(2):
            for name, peer in mesh.directions():
                mesh.beat(name, peer)
            mesh.settle(200)
        self._pass_time(2 * LIMITS.window_s)
        mesh.settle(200)
        for name, broker in mesh.brokers.items():
            assert broker.memory_bytes == 0, f"{name} keeps {broker.memory_bytes} bytes of nothing"
            for peer in NAMES:
                assert broker.idle(peer), f"{name} has something to say to {peer} in the end"

"""Several brokers joined by links that are queues of frames, and everything an observer can see.

A session is one FIFO each way. It breaks for both ends at once, but each end notices when the test says so,
and may read what was already on its way until then. Nothing here knows a rule of the protocol.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from meshq.broker.batch import PLAIN, Traits
from meshq.broker.borrower import Borrower
from meshq.broker.broker import Broker
from meshq.broker.effects import BreakSession, Confirmed, ConsumerEnded, Hand, ToPeer, WantLink
from meshq.broker.receiver import Receiver
from meshq.broker.source import Source
from meshq.config import BrokerConfig, Config
from meshq.machine.effects import Store
from meshq.names import ChannelKey, Epoch, LogId
from meshq.wire import bodies
from meshq.wire.frames import Deliver, Fin, Frame, Grant, Ready, Recalled

KEY = ChannelKey("t", "c", 1)
TIMEOUT_S = 60.0
ROOM_BYTES = 256 * 1024

Span = tuple[LogId, int, int]


@dataclass
class Consumer:
    """A consumer as the test plays it: what it was handed and has not settled."""

    number: int
    node: str
    messages: int
    size_bytes: int
    held: list[Span] = field(default_factory=list)
    ended: bool = False


class Line:
    """The link between two nodes: at most one session that works, and what is left of broken ones."""

    def __init__(self, a: str, b: str) -> None:
        self.nodes = (a, b)
        self.serial = 0
        self.ends: dict[str, int] = {a: 0, b: 0}
        """The session each end is in; 0: none."""
        self.broken = {0}
        self.frames: dict[tuple[int, str], deque[Frame]] = {}
        """By session and the node that they go to."""
        self.blocked = {a: False, b: False}
        """Whether the writer of that node takes no DELIVER."""

    def other(self, name: str) -> str:
        """The node at the other end."""
        return self.nodes[1] if name == self.nodes[0] else self.nodes[0]

    def whole(self) -> bool:
        """Whether both ends are in the same session and it works."""
        session = self.ends[self.nodes[0]]
        return session == self.ends[self.nodes[1]] and session not in self.broken

    def inbound(self, name: str) -> deque[Frame]:
        """What that end may read now."""
        return self.frames.setdefault((self.ends[name], name), deque())


class Mesh:
    """The brokers, the lines between them, the consumers, and a record of what went on."""

    def __init__(self, *names: str, broker: BrokerConfig | None = None) -> None:
        self.now = 1.0
        self.limits = broker or BrokerConfig()
        self.names = names
        self.epochs = {name: Epoch(1, at) for at, name in enumerate(names)}
        self.brokers: dict[str, Broker] = {}
        self.lines = {(a, b): Line(a, b) for a in names for b in names if a < b}
        self.consumers: dict[int, Consumer] = {}
        self.hands: list[tuple[str, Hand]] = []
        self.confirmed: dict[tuple[LogId, int], bytes] = {}
        self.publishes: dict[int, list[bytes]] = {}
        self.finished: dict[tuple[LogId, int], None] = {}
        self.wanted: list[tuple[str, str]] = []
        self.broken: list[tuple[str, str, str]] = []
        self.ended: list[ConsumerEnded] = []
        self.written: list[tuple[str, str, Frame]] = []
        """Every frame that was written, from, to."""
        self.serial = 0
        for name in names:
            self.start(name)

    # nodes

    def start(self, name: str) -> None:
        """A new start of the node."""
        broker = self.brokers[name] = Broker(Config(name=name, broker=self.limits), self.epochs[name], Random(1))
        broker.topic_born(self.now, KEY.topic, 1)
        broker.channel_born(self.now, *KEY, 0.0, True)
        self.tell_interest(name)
        self.turn(name)

    def tell_interest(self, name: str) -> None:
        """The node hears who has consumers."""
        near = {node: 0 if node == name else 1 for node in self.interested()}
        self.brokers[name].interest(self.now, KEY.topic, KEY.channel, tuple(near.items()))

    def interested(self) -> list[str]:
        """The nodes with consumers."""
        return [name for name in self.names if any(one.node == name for one in self.consumers.values())]

    def tell_everybody(self) -> None:
        """Every node hears who has consumers."""
        for name in self.names:
            self.tell_interest(name)
            self.turn(name)

    def crash(self, name: str) -> None:
        """The process ends, with all it held, and starts anew with a later epoch."""
        for line in self.lines_of(name):
            line.broken.update(line.ends.values())
            line.ends[name] = 0
            for (_, to), frames in line.frames.items():
                if to == name:
                    frames.clear()
        self.consumers = {number: one for number, one in self.consumers.items() if one.node != name}
        self.confirmed = {at: body for at, body in self.confirmed.items() if at[0].origin != name}
        self.epochs[name] = Epoch(self.epochs[name].ms + 1, self.epochs[name].nonce)
        self.start(name)

    def lines_of(self, name: str) -> list[Line]:
        """The lines that end at the node."""
        return [line for line in self.lines.values() if name in line.nodes]

    def line(self, a: str, b: str) -> Line:
        """The line between two nodes."""
        return self.lines[min(a, b), max(a, b)]

    # a turn

    def turn(self, name: str) -> None:
        """End the node's turn: carry its effects out, and let its writers pull."""
        broker = self.brokers[name]
        while effects := broker.effects():
            for effect in effects:
                self._carry_out(name, effect)
        for peer in broker.pullable():
            if not self.line(name, peer).blocked[name]:
                for frame in broker.pull(self.now, peer, ROOM_BYTES):
                    self.write(name, peer, frame)

    def _carry_out(self, name: str, effect: Any) -> None:
        match effect:
            case ToPeer(peer, frame):
                self.write(name, peer, frame)
            case Hand():
                self.hands.append((name, effect))
                self.consumers[effect.consumer].held.append((effect.log, effect.start, effect.stop))
                self.handed(name, effect)
            case Store(token, _):
                self.brokers[name].stored(self.now, token)
            case Confirmed(token, log, first, _):
                for at, body in enumerate(self.publishes.pop(token)):
                    self.confirmed[log, first + at] = body
            case WantLink(peer):
                self.wanted.append((name, peer))
            case BreakSession(peer, why):
                self.broken.append((name, peer, why))
                self.accused(name, peer, why)
            case ConsumerEnded():
                self.ended.append(effect)
                self.consumers[effect.consumer].ended = True

    def handed(self, name: str, hand: Hand) -> None:
        """For observers."""

    def accused(self, name: str, peer: str, why: str) -> None:
        """For observers."""

    def write(self, name: str, peer: str, frame: Frame) -> None:
        """A frame goes onto the session that ``name`` is in; lost when that is broken."""
        line = self.line(name, peer)
        session = line.ends[name]
        self.written.append((name, peer, frame))
        if session not in line.broken:
            line.frames.setdefault((session, peer), deque()).append(frame)

    # links

    def connect(self, a: str, b: str) -> None:
        """A session that both ends begin at once."""
        self.begin(a, b)
        self.begin(b, a)

    def begin(self, name: str, peer: str) -> None:
        """One end begins the newest session, making one when the last is broken."""
        line = self.line(name, peer)
        if line.serial in line.broken:
            line.serial += 1
        if line.ends[name] != line.serial:
            line.ends[name] = line.serial
            self.brokers[name].session_began(self.now, peer, self.epochs[peer])
            self.turn(name)

    def cut(self, a: str, b: str, lost: int = 1_000_000) -> None:
        """The session breaks: up to ``lost`` of the last frames each way never arrive. Nobody noticed yet."""
        line = self.line(a, b)
        line.broken.update(line.ends.values())
        for frames in line.frames.values():
            for _ in range(min(lost, len(frames))):
                frames.pop()

    def notice(self, name: str, peer: str) -> None:
        """One end notices that its session is broken."""
        line = self.line(name, peer)
        if line.ends[name] and line.ends[name] in line.broken:
            line.ends[name] = 0
            self.brokers[name].session_ended(self.now, peer)
            self.turn(name)

    def flap(self, a: str, b: str) -> None:
        """The link breaks, both notice, and it comes back."""
        self.cut(a, b)
        self.notice(a, b)
        self.notice(b, a)
        self.connect(a, b)

    def deliver(self, name: str, peer: str) -> bool:
        """The next frame from ``peer`` reaches ``name``; False when there is none."""
        line = self.line(name, peer)
        frames = line.inbound(name)
        if not line.ends[name] or not frames:
            return False
        self.brokers[name].frame(self.now, peer, frames.popleft())
        self.turn(name)
        return True

    def beat(self, name: str, peer: str) -> None:
        """A heartbeat with its acknowledgements and audits."""
        if self.line(name, peer).ends[name]:
            for frame in self.brokers[name].heartbeat(self.now, peer):
                self.write(name, peer, frame)

    def settle(self, limit: int = 5_000) -> int:
        """Let every frame arrive; returns how many there were."""
        count = 0
        while sum(self.deliver(name, peer) for name, peer in self.directions()):
            count += 1
            assert count < limit, "frames do not die out (I8)"
        return count

    def directions(self) -> list[tuple[str, str]]:
        """(reader, writer) of every line, both ways."""
        return [pair for line in self.lines.values() for pair in (line.nodes, line.nodes[::-1])]

    # verbs

    def publish(self, name: str, *messages: bytes, delay_s: float = 0.0) -> None:
        """Publish at the node and end its turn."""
        self.gather(name, *messages, delay_s=delay_s)
        self.turn(name)

    def gather(self, name: str, *messages: bytes, delay_s: float = 0.0) -> None:
        """Publish without ending the turn."""
        self.serial += 1
        self.publishes[self.serial] = list(messages)
        traits = Traits(due=self.now + delay_s) if delay_s else PLAIN
        body = bodies.encode(list(messages))
        self.brokers[name].publish(
            self.now, self.serial, KEY.topic, 1, len(messages), body, traits=traits, wall_ns=int(self.now * 1e9)
        )

    def join(self, name: str, messages: int, size_bytes: int = 1 << 20, timeout_s: float = TIMEOUT_S) -> Consumer:
        """A consumer at the node, of which nobody else has heard yet."""
        self.serial += 1
        consumer = self.consumers[self.serial] = Consumer(self.serial, name, messages, size_bytes)
        self.brokers[name].consumers.joined(self.now, consumer.number, *KEY, messages, size_bytes, timeout_s)
        self.turn(name)
        return consumer

    def consume(self, name: str, messages: int, size_bytes: int = 1 << 20, timeout_s: float = TIMEOUT_S) -> Consumer:
        """A consumer at the node, and everybody knows."""
        consumer = self.join(name, messages, size_bytes, timeout_s)
        self.tell_everybody()
        return consumer

    def resize(self, consumer: Consumer, messages: int, size_bytes: int | None = None) -> None:
        """The consumer may hold so much from now on."""
        consumer.messages = messages
        consumer.size_bytes = consumer.size_bytes if size_bytes is None else size_bytes
        self.brokers[consumer.node].consumers.capacity(self.now, consumer.number, messages, consumer.size_bytes)
        self.turn(consumer.node)

    def leave(self, consumer: Consumer) -> None:
        """The consumer is gone; nobody else has heard yet."""
        del self.consumers[consumer.number]
        self.brokers[consumer.node].consumers.left(self.now, consumer.number)
        self.turn(consumer.node)

    def finish(self, consumer: Consumer, *spans: Span) -> None:
        """The consumer finishes these; all it holds when none are given."""
        chosen = list(spans) or list(consumer.held)
        for log, start, stop in chosen:
            self.finished.update(dict.fromkeys((log, number) for number in range(start, stop)))
        self._unhold(consumer, chosen)
        self.brokers[consumer.node].consumers.finish(self.now, consumer.number, chosen)
        self.turn(consumer.node)

    def requeue(self, consumer: Consumer, span: Span, *, delay_s: float = 0.0, reason: str = "requeue") -> None:
        """The consumer gives a span up."""
        self._unhold(consumer, [span])
        self.brokers[consumer.node].consumers.requeue(self.now, consumer.number, *span, delay_s, reason)
        self.turn(consumer.node)

    def give_back(self, consumer: Consumer, span: Span) -> None:
        """The application never took a span."""
        self._unhold(consumer, [span])
        self.brokers[consumer.node].consumers.give_back(self.now, consumer.number, *span)
        self.turn(consumer.node)

    def touch(self, consumer: Consumer, *spans: Span) -> None:
        """The consumer is at work on these."""
        self.brokers[consumer.node].consumers.touch(self.now, consumer.number, list(spans))
        self.turn(consumer.node)

    def pass_time(self, seconds: float) -> None:
        """Time passes, in one step, for every node."""
        self.now += seconds
        for name, broker in self.brokers.items():
            while (deadline := broker.deadline()) is not None and deadline <= self.now:
                broker.tick(self.now)
                self.turn(name)

    def _unhold(self, consumer: Consumer, spans: list[Span]) -> None:
        for log, start, stop in spans:
            left: list[Span] = []
            for held in consumer.held:
                if held[0] != log or held[2] <= start or held[1] >= stop:
                    left.append(held)
                    continue
                if held[1] < start:
                    left.append((log, held[1], start))
                if held[2] > stop:
                    left.append((log, stop, held[2]))
            consumer.held = left

    # what an observer sees

    def borrower(self, origin: str, receiver: str) -> Borrower | None:
        """The receiver as its origin sees it."""
        channel = self.brokers[origin]._registry.channels[KEY]
        return channel.own if origin == receiver else channel.borrowers.get(receiver)

    def source(self, receiver: str, origin: str) -> Source | None:
        """The origin as the receiver sees it."""
        found = self.receiver(receiver)
        return None if found is None else found.sources.get(origin)

    def receiver(self, name: str) -> Receiver | None:
        """The node's receiving end."""
        return self.brokers[name]._registry.receivers.get(KEY)

    def kinds(self, origin: str, receiver: str) -> list[str]:
        """The kinds of the frames in flight between the two, to the receiver, then to the origin."""
        line = self.line(origin, receiver)
        return [type(one).__name__ for name in (receiver, origin) for one in line.inbound(name)]

    def in_flight(self, origin: str, receiver: str) -> Iterator[Frame]:
        """The frames that belong to this origin's lending, both ways."""
        line = self.line(origin, receiver)
        yield from (one for one in line.inbound(receiver) if isinstance(one, Ready | Deliver | Recalled))
        yield from (one for one in line.inbound(origin) if not isinstance(one, Ready | Deliver | Recalled))

    def left(self) -> int:
        """Unfinished messages at all origins."""
        return sum(broker.messages_left() for broker in self.brokers.values())

    def bodies(self, consumer: Consumer) -> list[bytes]:
        """Everything that the consumer was ever handed, in order."""
        hands = [hand for _, hand in self.hands if hand.consumer == consumer.number]
        return [body for hand in hands for body in bodies.decode(hand.body) if isinstance(body, bytes)]

    def frames(self, kind: type[Any]) -> list[Any]:
        """Every frame of that kind ever written."""
        return [frame for _, _, frame in self.written if isinstance(frame, kind)]


def credit_in(frame: Frame) -> tuple[int, int]:
    """The credit in a frame on its way: messages and bytes."""
    match frame:
        case Grant(_, messages, size_bytes) | Ready(_, _, messages, size_bytes) | Recalled(_, messages, size_bytes):
            return messages, size_bytes
        case Deliver():
            messages = frame.stop - frame.start
            return messages, bodies.content_bytes(frame.body, messages)
    return 0, 0


__all__ = ["KEY", "TIMEOUT_S", "Consumer", "Fin", "Line", "Mesh", "Span", "credit_in"]

"""Nodes that hand logs to each other: brokers with a store each, or without, joined by queues of frames.

Every frame goes through its bytes. A node can be killed and started again; what its store has was committed at once, or
when the test says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from meshq.broker.batch import PLAIN, Traits
from meshq.broker.broker import Broker
from meshq.broker.effects import BreakSession, Confirmed, Hand, ToPeer, WantLink
from meshq.broker.marks import whole
from meshq.config import BrokerConfig, Config
from meshq.machine.effects import Emit, Load, LoadDue, Store
from meshq.names import DISK, Epoch, LogId
from meshq.sim.shelf import Shelf
from meshq.wire import bodies
from meshq.wire.codec import decode, encode_parts
from meshq.wire.frames import LENGTH_BYTES, Frame
from tests.runtime.store.keeper import SqlKeeper

WALL_NS = 1_700_000_000_000_000_000
ROOM_BYTES = 256 * 1024


class Node:
    """A broker, its store, and what its consumers were handed."""

    def __init__(self, mesh: Mesh, name: str, number: int, shelf: Shelf | None, config: BrokerConfig) -> None:
        self.mesh = mesh
        self.name = name
        self.number = number
        self.config = config
        self.shelf = shelf
        self.starts = 0
        self.handed: list[tuple[str, int, bytes]] = []
        """Channel, number, body: every hand-over to a consumer, over all starts."""
        self.held: list[Hand] = []
        self.events: list[Any] = []
        self.broken: list[str] = []
        self.silent = False
        """The store takes what comes and does not answer."""
        self.full = False
        """The store takes no batches."""
        self.waiting: list[tuple[int, bool]] = []
        """What it does not answer yet: token, and whether it took all."""
        self.start()

    def start(self) -> None:
        """A start of the node, with what its store has."""
        self.starts += 1
        self.alive = True
        self.held.clear()
        self.waiting = []
        self.confirmed: list[Confirmed] = []
        self.consumers: dict[int, str] = {}
        self.epoch = Epoch(self.starts, self.number)
        self.broker = Broker(Config(name=self.name, broker=self.config), self.epoch, Random(1))
        recovered = None
        if self.shelf is not None:
            recovered, forget = whole(self.shelf.recovered())
            self.broker.recover(self.mesh.now, self.mesh.wall_ns(), recovered.logs)
            for row in forget:
                self.broker.put(row)
        else:
            self.broker.wall(self.mesh.now, self.mesh.wall_ns())
        self.broker.topic_born(self.mesh.now, "t", 1)
        for channel in self.mesh.channels:
            self.broker.channel_born(self.mesh.now, "t", channel, 1, 0.0, False)
        if recovered is not None:
            self.broker.recovered(self.mesh.now)
        self.turn()

    def kill(self) -> None:
        """The process ends; its links break."""
        self.alive = False
        for other in self.mesh.nodes.values():
            self.mesh.cut(self.name, other.name)

    def publish(self, *messages: bytes, traits: Traits = PLAIN) -> None:
        """One publish, which is one batch."""
        if self.shelf is not None:
            traits = traits._replace(level=DISK)
        count, body = len(messages), bodies.encode(list(messages))
        self.broker.publish(self.mesh.now, 1, "t", 1, count, body, traits=traits, wall_ns=self.mesh.wall_ns())
        self.turn()

    def consume(self, channel: str, messages: int = 1000) -> None:
        """A consumer of the channel, which everybody hears of."""
        number = len(self.consumers) + 1
        self.consumers[number] = channel
        self.broker.consumers.joined(self.mesh.now, number, "t", channel, 1, messages, 1 << 20, 60.0)
        self.mesh.tell()

    def finish(self, *numbers: int) -> None:
        """The consumers finish these; all that they hold when none is named."""
        held, self.held = self.held, []
        for hand in held:
            for number in range(hand.start, hand.stop):
                if not numbers or number in numbers:
                    self.broker.consumers.finish(self.mesh.now, hand.consumer, [(hand.log, number, number + 1)])
                else:
                    self.held.append(hand._replace(start=number, stop=number + 1))
        self.turn()

    def turn(self) -> None:
        """Carry out the effects of a turn."""
        broker, now = self.broker, self.mesh.now
        while effects := broker.effects():
            for effect in effects:
                match effect:
                    case ToPeer(peer, frame):
                        self.mesh.write(self.name, peer, frame)
                    case Store(token, rows):
                        assert self.shelf is not None
                        left = effect.without_batches() if self.full else rows
                        self.shelf.apply(left)
                        self.waiting.append((token, len(left) == len(rows)))
                        if not self.silent:
                            self._answer()
                    case Load(token) as ask:
                        assert self.shelf is not None
                        broker.loaded(now, token, self.shelf.load(ask))
                    case LoadDue(token) as ask:
                        assert self.shelf is not None
                        broker.loaded(now, token, self.shelf.load_due(ask))
                    case Hand():
                        self._hand(effect)
                    case Confirmed():
                        self.confirmed.append(effect)
                    case WantLink(peer):
                        self.mesh.wanted.append((self.name, peer))
                    case BreakSession(_, why):
                        self.broken.append(why)
                    case Emit(event):
                        self.events.append(event)
            broker.check()
        for peer in broker.pullable():
            for frame in broker.pull(now, peer, ROOM_BYTES):
                self.mesh.write(self.name, peer, frame)
        broker.check()

    def answer(self) -> None:
        """The store answers again, and what waits for it."""
        self.silent = False
        self._answer()
        self.turn()

    def _answer(self) -> None:
        waiting, self.waiting = self.waiting, []
        for token, kept in waiting:
            if kept:
                self.broker.stored(self.mesh.now, token)
            else:
                self.broker.unstored(self.mesh.now, token, "disk full")

    def left(self) -> int:
        """Messages that it owns."""
        return self.broker.messages_left()

    def unfinished(self, channel: str) -> int:
        """Messages that it owns and that the channel has not finished."""
        return self.broker._registry.topics["t"].channels[channel].unfinished()

    def _hand(self, hand: Hand) -> None:
        self.held.append(hand)
        channel = self.consumers[hand.consumer]
        for number, item in enumerate(bodies.decode(hand.body), hand.start):
            self.handed.append((channel, number, item if isinstance(item, bytes) else item[0]))


class Mesh:
    """Nodes ``a``, ``b`` and so on, each linked with each."""

    def __init__(self, stores: str, *channels: str, config: BrokerConfig | None = None) -> None:
        """``stores``: for each node s (with a store), f (with SQLite's file) or m (in memory)."""
        self.now = 10.0
        self.channels = channels
        self.nodes: dict[str, Node] = {}
        self.queues: dict[tuple[str, str], deque[Frame]] = {}
        self.wanted: list[tuple[str, str]] = []
        self.watch: Callable[[str, str, Frame], bool] | None = None
        """Sees each frame before it is read; False: it is lost, and so is all that follows on its way."""
        self.dead: dict[tuple[str, str], None] = {}
        for number, kind in enumerate(stores):
            name = "abc"[number]
            shelf: Any = {"s": Shelf, "f": SqlKeeper}.get(kind, lambda: None)()
            self.nodes[name] = Node(self, name, number, shelf, config or BrokerConfig())
        for name in self.nodes:
            for other in self.nodes:
                if name < other:
                    self.connect(name, other)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def wall_ns(self) -> int:
        """The wall time."""
        return WALL_NS + round(self.now * 1e9)

    def connect(self, a: str, b: str) -> None:
        """A session that both ends begin."""
        for one, other in ((a, b), (b, a)):
            self.queues[one, other] = deque()
            self.dead.pop((one, other), None)
        for one, other in ((a, b), (b, a)):
            self.nodes[one].broker.session_began(self.now, other, self.nodes[other].epoch)
        self.tell()

    def cut(self, a: str, b: str) -> None:
        """The link is gone, with what was on it."""
        for one, other in ((a, b), (b, a)):
            if self.queues.pop((one, other), None) is not None and self.nodes[one].alive:
                self.nodes[one].broker.session_ended(self.now, other)
                self.nodes[one].turn()

    def tell(self) -> None:
        """Everybody hears who consumes what."""
        for node in self.nodes.values():
            if not node.alive:
                continue
            for channel in self.channels:
                names = [one.name for one in self.nodes.values() if one.alive and channel in one.consumers.values()]
                near = tuple((name, 0 if name == node.name else 1) for name in names)
                node.broker.interest(self.now, "t", channel, near)
            node.turn()

    def write(self, name: str, peer: str, frame: Frame) -> None:
        """A frame, through its bytes."""
        read = decode(b"".join(encode_parts(frame))[LENGTH_BYTES:])
        assert read is not None
        if (name, peer) in self.queues:
            self.queues[name, peer].append(read)

    def run(self) -> None:
        """Until nothing is on its way."""
        while busy := [way for way, queue in self.queues.items() if queue]:
            for name, peer in busy:
                queue = self.queues.get((name, peer))
                if not queue:
                    continue
                frame = queue.popleft()
                if (name, peer) in self.dead or (self.watch is not None and not self.watch(name, peer, frame)):
                    self.dead[name, peer] = None
                    continue
                self.nodes[peer].broker.frame(self.now, name, frame)
                self.nodes[peer].turn()

    def pass_(self, seconds: float) -> None:
        """Time passes, in steps of a tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            for node in self.nodes.values():
                if node.alive:
                    node.broker.tick(self.now)
                    node.turn()
            self.run()

    def drain(self, name: str, seconds: float = 3.0, *peers: str) -> None:
        """The node drains for that long: it hands over to ``peers``, or to all others."""
        until = self.now + seconds
        others = peers or tuple(other for other in self.nodes if other != name)
        while self.now < until and self.nodes[name].alive and (self.nodes[name].left() or self._in_hand(name)):
            alive = tuple(other for other in others if self.nodes[other].alive)
            self.nodes[name].broker.hand_over(self.now, alive, until)
            self.nodes[name].turn()
            self.run()
            self.pass_(0.1)

    def _in_hand(self, name: str) -> bool:
        return self.nodes[name].broker.handing_over


def log_of(node: Node) -> LogId:
    """The log that this start of the node writes."""
    return LogId(node.name, node.epoch.ms, node.epoch.nonce, 1, 0)

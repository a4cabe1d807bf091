"""A mesh of routings without membership or engine: packets are encoded, lost, doubled, delayed and decoded.

Streams are reliable and in order until they are cut. What gossip does is played: heads reach the others some
tenths of a second late, and who is alive is said by the test.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from meshq.config import Config, RoutingConfig
from meshq.machine.effects import Address, Emit, ReplyPacket, SendPacket, StreamPacket
from meshq.names import Epoch
from meshq.routing.effects import (
    BarrierDone,
    ChannelBorn,
    ChannelEnded,
    Configured,
    HeadMoved,
    InterestChanged,
    TopicBorn,
    TopicEnded,
)
from meshq.routing.routing import Routing
from meshq.wire import strict
from meshq.wire.prefix import PACKET_BYTES_MAX


class Node:
    """One routing, and what its engine would believe from the effects."""

    def __init__(self, name: str, address: Address, epoch: Epoch, config: Config, seed: str) -> None:
        self.name = name
        self.address = address
        self.epoch = epoch
        self.routing = Routing(config, epoch, random.Random(seed))
        self.topics: dict[str, int] = {}
        self.channels: dict[tuple[str, str], int] = {}
        self.settings: dict[tuple[str, str], dict[str, Any]] = {}
        self.born: dict[tuple[str, str, int], ChannelBorn] = {}
        self.interested: dict[tuple[str, str], tuple[str, ...]] = {}
        self.barriers: dict[int, BarrierDone] = {}
        self.events: list[Any] = []

    def believe(self, effect: Any) -> None:
        """Follow one effect; a step that is not legal fails the test."""
        match effect:
            case TopicBorn(topic, generation):
                assert topic not in self.topics, effect
                self.topics[topic] = generation
            case TopicEnded(topic, generation):
                assert self.topics.pop(topic) == generation, effect
                self.settings.pop((topic, ""), None)
                assert not [key for key in self.channels if key[0] == topic], effect
            case ChannelBorn(topic, channel, generation, age_s):
                assert topic in self.topics, effect
                assert (topic, channel) not in self.channels, effect
                assert age_s >= 0
                self.channels[topic, channel] = generation
                self.born[topic, channel, generation] = effect
            case ChannelEnded(topic, channel, generation):
                assert self.channels.pop((topic, channel)) == generation, effect
                self.settings.pop((topic, channel), None)
            case Configured(topic, channel, settings):
                assert (topic, channel) in self.channels if channel else topic in self.topics, effect
                assert settings != self.settings.get((topic, channel), {}), effect
                self.settings[topic, channel] = settings
            case InterestChanged(topic, channel):
                self.interested[topic, channel] = self.routing.interested(topic, channel)
            case BarrierDone(token):
                assert token not in self.barriers, effect
                self.barriers[token] = effect
            case Emit(event):
                self.events.append(event)


class Net:
    """The nodes, the time and what is under way."""

    def __init__(
        self, *names: str, seed: int = 0, loss: float = 0.0, doubled: float = 0.0,
        delay_s: tuple[float, float] = (0.001, 0.003), config: RoutingConfig | None = None,
    ) -> None:  # fmt: skip
        self.rng = random.Random(seed)
        self.now = 100.0
        self.loss, self.doubled, self.delay_s = loss, doubled, delay_s
        self.config = config or RoutingConfig()
        self.nodes: dict[str, Node] = {}
        self.sent = 0
        self.bytes = 0
        self.streamed = 0
        self.check: Callable[[Node, Any], None] = lambda *_: None
        self.gossip = True
        self._cut: set[frozenset[str]] = set()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._streams: dict[int, tuple[Node, Node, int]] = {}
        self._fifo: dict[int, float] = {}
        for name in names:
            self.start(name)
        self._at(0.3, self._gossip)

    # the world

    def start(self, name: str, epoch_ms: int = 1, **settings: Any) -> Node:
        """Start a node, or start it again under a later epoch."""
        config = Config(name=name, routing=replace(self.config, **settings))
        port = self.nodes[name].address[1] if name in self.nodes else 4000 + len(self.nodes)
        epoch = Epoch(epoch_ms, self.rng.getrandbits(64))
        self.nodes[name] = node = Node(name, ("10.0.0.1", port), epoch, config, f"{name}{epoch_ms}")
        return node

    def __getitem__(self, name: str) -> Routing:
        return self.nodes[name].routing

    def up(self, at: str, name: str) -> None:
        """Membership at ``at`` says that ``name`` lives."""
        other = self.nodes[name]
        self[at].member_up(self.now, name, other.epoch, other.address)
        self[at].head(self.now, name, other.routing.own_head())

    def down(self, at: str, name: str) -> None:
        """Membership at ``at`` says that ``name`` is dead."""
        self[at].member_down(self.now, name)

    def meet(self) -> None:
        """Everybody hears of everybody."""
        for at in self.nodes:
            for name in self.nodes:
                if at != name:
                    self.up(at, name)
        self.turn()

    def cut(self, *sides: str) -> None:
        """Only nodes of one side reach each other: cut("ab", "c")."""
        side = {name: number for number, names in enumerate(sides) for name in names}
        names = list(self.nodes)
        self._cut = {frozenset((a, b)) for a in names for b in names if side.get(a) != side.get(b)}

    def reach(self, a: str, b: str) -> bool:
        return frozenset((a, b)) not in self._cut

    # time

    def turn(self) -> None:
        """Every node ends its turn."""
        for name in list(self.nodes):
            self._turn(self.nodes[name])

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        self.turn()
        while True:
            due = [(at, name) for name, node in self.nodes.items() if (at := node.routing.deadline()) is not None]
            next_tick = min(due, default=(end, ""))
            if self._heap and self._heap[0][0] <= min(next_tick[0], end):
                self.now, _, act = heapq.heappop(self._heap)
                act()
            elif next_tick[0] < end:
                self.now = max(self.now, next_tick[0])
                node = self.nodes[next_tick[1]]
                node.routing.tick(self.now)
                self._turn(node)
            else:
                break
        self.now = end

    def run_until(self, done: Callable[[], bool], seconds: float = 30.0) -> float:
        """Let time pass until ``done``; how long it took."""
        start = self.now
        while not done():
            assert self.now - start < seconds, "not done in time"
            self.run(0.05)
        return self.now - start

    # what must hold

    def same(self) -> bool:
        """Whether all nodes have equal catalogs and interest."""
        first, *others = [self._state(node) for node in self.nodes.values()]
        return all(other == first for other in others)

    def _state(self, node: Node) -> tuple[Any, ...]:
        settings = {key: values for key, values in node.settings.items() if values}
        return node.routing.own_head().catalog_hash, list(node.routing.topics()), node.topics, node.channels, settings

    # inside

    def _at(self, delay_s: float, act: Callable[[], None], at: float | None = None) -> float:
        self._count += 1
        at = self.now + delay_s if at is None else at
        heapq.heappush(self._heap, (at, self._count, act))
        return at

    def _turn(self, node: Node) -> None:
        while effects := node.routing.effects():
            self._carry_out(node, effects)

    def _carry_out(self, node: Node, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case SendPacket(to, packet):
                    self._send(node, to, packet)
                case StreamPacket(to, packet):
                    self._stream(node, self._stream_to(node, self.nodes[self._name(to)]), packet)
                case ReplyPacket(via, packet):
                    self._stream(node, via, packet)
                case HeadMoved():
                    pass
                case _:
                    node.believe(effect)
            self.check(node, effect)

    def _name(self, address: Address) -> str:
        return next(name for name, node in self.nodes.items() if node.address == address)

    def _send(self, node: Node, to: Address, packet: bytes) -> None:
        assert len(packet) <= PACKET_BYTES_MAX
        name = self._name(to)
        self.sent += 1
        self.bytes += len(packet)
        for _ in range(1 + (self.rng.random() < self.doubled)):
            if self.rng.random() >= self.loss:
                self._at(self.rng.uniform(*self.delay_s), lambda: self._deliver(node, self.nodes[name], packet, None))

    def _stream_to(self, source: Node, target: Node) -> int:
        number = len(self._streams)
        self._streams[number] = (source, target, number + 1)
        self._streams[number + 1] = (target, source, number)
        return number

    def _stream(self, node: Node, via: int, packet: bytes) -> None:
        source, target, other = self._streams[via]
        assert source is node
        self.streamed += len(packet)
        after = max(self._fifo.get(via, 0.0), self.now + self.rng.uniform(*self.delay_s))
        self._fifo[via] = self._at(0, lambda: self._deliver(node, target, packet, other), at=after)

    def _deliver(self, source: Node, node: Node, packet: bytes, via: int | None) -> None:
        """Over: what crosses a cut, and streams of processes that ended. Their datagrams may still arrive."""
        if not self.reach(source.name, node.name) or self.nodes[node.name] is not node:
            return
        node.routing.packet(self.now, strict.decode(packet), source.name, source.address, via)
        self._turn(node)

    def _gossip(self) -> None:
        self._at(0.3, self._gossip)
        for source in self.nodes.values():
            for target in self.nodes:
                if self.gossip and source.name != target and self.reach(source.name, target):
                    self._at(self.rng.uniform(0.05, 0.5), self._tell(source, target, source.routing.own_head()))

    def _tell(self, source: Node, target: str, head: Any) -> Callable[[], None]:
        def tell() -> None:
            node = self.nodes[target]
            if self.nodes[source.name] is source and head.version:
                node.routing.head(self.now, source.name, head)
                self._turn(node)

        return tell

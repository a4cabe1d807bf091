"""A small simulated network for membership machines alone: a heap of events, latency, loss, cuts, crashes, pauses, and
streams that carry whole packets. What it checks all the time: sizes of packets, that nothing goes to an address
where no member ever was, and that each member's events form a legal path at each node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random
from typing import Any

from meshq.config import Config, MembershipConfig
from meshq.machine.effects import OWN, Address, Emit, ReplyPacket, Resolve, SendPacket, Stop, StreamPacket
from meshq.machine.events import MemberFailed, MemberJoined, MemberLeft, MemberRecovered, MemberSuspected
from meshq.membership.effects import MemberChanged
from meshq.membership.member import State
from meshq.membership.membership import Membership
from meshq.names import Epoch
from meshq.wire import strict
from meshq.wire.prefix import PACKET_BYTES_MAX

PORT = 4155
STREAM_BYTES_MAX = 256 * 1024
EPOCH_MS = 1_750_000_000_000

AFTER: dict[str, tuple[type[Any], ...]] = {
    "": (MemberJoined,),
    "MemberJoined": (MemberSuspected, MemberFailed, MemberLeft, MemberJoined),
    "MemberSuspected": (MemberRecovered, MemberFailed, MemberLeft, MemberJoined),
    "MemberRecovered": (MemberSuspected, MemberFailed, MemberLeft, MemberJoined),
    "MemberFailed": (MemberJoined,),
    "MemberLeft": (MemberJoined,),
}
"""Which event may follow which for one member, a new start of it aside."""


class Node:
    """A process at an address: its machine while it runs, and what it told of."""

    def __init__(self, name: str, host: str) -> None:
        self.name = name
        self.address: Address = (host, PORT)
        self.machine: Membership | None = None
        self.events: list[tuple[float, Any]] = []
        self.effects: list[Any] = []
        self.stopped: Exception | None = None
        self.starts = 0
        self.paused = False
        self.inbox: list[tuple[bytes, Address, int | None]] = []
        self.path: dict[str, tuple[str, int]] = {}
        self.wake = 0

    @property
    def on(self) -> Membership:
        """The machine of a node that runs."""
        assert self.machine is not None, f"{self.name} does not run"
        return self.machine

    def told(self, kind: type[Any], name: str = "") -> list[Any]:
        """The events of one kind, of one member when a name is given."""
        return [event for _, event in self.events if type(event) is kind and (not name or event.name == name)]


class Mesh:
    """Nodes ``n0``, ``n1``, ... at 10.0.0.1, 10.0.0.2, ...; names of nodes resolve to their hosts."""

    def __init__(self, seed: int = 1, *, loss: float = 0.0, settings: MembershipConfig | None = None) -> None:
        self.now = 0.0
        self.loss = loss
        self.rng = Random(seed)
        self.seed = seed
        self.settings = settings or MembershipConfig()
        self.nodes: dict[str, Node] = {}
        self.names: dict[str, list[Address]] = {}
        self.cut: dict[tuple[str, str], None] = {}
        """Pairs of hosts of which the first doesn't reach the second."""
        self._leaves_by: dict[str, str] = {}
        self.hash = blake2b(digest_size=8)
        self.datagrams = 0
        self.bytes = 0
        self._at: dict[Address, Node] = {}
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._count = 0
        self._streams: dict[int, Address] = {}

    # Nodes.

    def add(self, count: int, seeds: Iterable[str] = ("n0",)) -> None:
        """Start this many nodes within a second; the first has no seeds."""
        for number in range(count):
            name = f"n{number}"
            mine = tuple(seed for seed in seeds if seed != name)
            self.after(number / count, self.start, name, mine)

    def full(self, count: int) -> None:
        """Start this many nodes that know each other."""
        for number in range(count):
            self._boot(f"n{number}", ())
        everybody = [node.on.me for node in self.nodes.values()]
        for node in self.nodes.values():
            node.on.prefill(self.now, everybody)
            node.path = {me.name: ("MemberJoined", me.epoch.ms) for me in everybody}
            node.on.start(self.now)
            self._turn(node)

    def lived_at(self, address: Address) -> None:
        """A member was there before the run: who sends there does nothing wrong."""
        self._at.setdefault(address, Node("gone", address[0]))

    def start(self, name: str, seeds: tuple[str, ...] = (), *, host: str = "", epoch_ms: int = 0) -> Node:
        """Start a node, at its host or at another one."""
        node = self._boot(name, seeds, host=host, epoch_ms=epoch_ms)
        node.on.start(self.now)
        self._turn(node)
        return node

    def crash(self, *names: str) -> None:
        """The processes are gone; nobody is told."""
        for name in names:
            self.nodes[name].machine = None
            self.nodes[name].inbox.clear()
            self.nodes[name].paused = False

    def pause(self, name: str, for_s: float) -> None:
        """Nothing runs there for a while; packets wait."""
        self.nodes[name].paused = True
        self.after(for_s, self._resume, name)

    def leave(self, name: str) -> None:
        """Say goodbye, and be gone with the end of that turn."""
        node = self.nodes[name]
        node.on.leave(self.now)
        self._turn(node)
        self.crash(name)

    def separate(self, one: Iterable[str], other: Iterable[str], *, one_way: bool = False) -> None:
        """Let nothing pass between these, or only from the second to the first."""
        others = [self.nodes[name].address[0] for name in other]
        for host in [self.nodes[name].address[0] for name in one]:
            for there in others:
                self.cut[host, there] = None
                if not one_way:
                    self.cut[there, host] = None

    def reroute(self, name: str, host: str) -> None:
        """Packets of this node come from another address of its host from now on, at which it is reached as well."""
        self._leaves_by[name] = host
        self._at[host, PORT] = self.nodes[name]

    def heal(self) -> None:
        """Everybody reaches everybody again."""
        self.cut.clear()

    @property
    def running(self) -> list[Node]:
        """The nodes that run, in order."""
        return [node for node in self.nodes.values() if node.machine is not None]

    # Time.

    def after(self, delay_s: float, do: Callable[..., object], *arguments: Any) -> None:
        """Do something later."""
        self._count += 1
        heappush(self._heap, (self.now + delay_s, self._count, do, arguments))

    def run(self, for_s: float) -> None:
        """Let time pass."""
        until = self.now + for_s
        while self._heap and self._heap[0][0] <= until:
            self.now, _, do, arguments = heappop(self._heap)
            do(*arguments)
        self.now = until

    def run_until(self, holds: Callable[[], bool], within_s: float) -> float:
        """Let time pass until a condition holds; returns how long it took, fails when it takes longer."""
        started = self.now
        while not holds():
            assert self.now - started < within_s, f"seed {self.seed}: not within {within_s} s; {self.disagreement()}"
            self.run(0.1)
        return self.now - started

    # Verdicts.

    def agreed(self) -> bool:
        """Whether every running node holds exactly the running ones alive."""
        return not self.disagreement()

    def disagreement(self) -> str:
        """What is wrong, in words."""
        epochs = {node.name: node.on.me.epoch for node in self.running}
        for node in self.running:
            live = {m.name: m.epoch for m in (*node.on.alive(), node.on.me) if m.state is State.ALIVE}
            if live != epochs or any(m.state is State.SUSPECT for m in node.on.alive()):
                return f"{node.name} holds {sorted(live)} alive, {sorted(epochs)} run"
        if len({node.on.digest() for node in self.running}) > 1:
            return "digests differ"
        return ""

    def false_deaths(self) -> int:
        """How often a node was declared dead at the epoch at which it still runs."""
        epochs = {node.name: node.on.me.epoch for node in self.running}
        return sum(
            effect.member.state is State.DEAD and epochs.get(effect.member.name) == effect.member.epoch
            for node in self.nodes.values()
            for effect in node.effects
        )

    def trace(self) -> str:
        """A hash of all that went over the network and all that was told."""
        return self.hash.hexdigest()

    # Inside.

    def _boot(self, name: str, seeds: tuple[str, ...], *, host: str = "", epoch_ms: int = 0) -> Node:
        node = self.nodes.get(name)
        if node is None or host:
            old, node = node, Node(name, host or f"10.0.{len(self.nodes) // 250}.{len(self.nodes) % 250 + 1}")
            node.starts = old.starts if old is not None else 0
            self.nodes[name if old is None or old.machine is None else f"{name}'"] = node
            self._at[node.address] = node
            self.names[name] = [(node.address[0], 0)]
        node.starts += 1
        node.path.clear()
        rng = Random(f"{self.seed} {name} {node.starts}")
        epoch = Epoch(epoch_ms or EPOCH_MS + int(self.now * 1000) + node.starts, rng.getrandbits(64))
        config = Config(name=name, seeds=seeds, membership=self.settings)
        node.machine = Membership(config, epoch, rng, bound=node.address, advertised=None)
        return node

    def _turn(self, node: Node) -> None:
        machine = node.machine
        if machine is None:
            return
        for effect in machine.effects():
            self._do(node, effect)
        if node.machine is machine:
            due = machine.deadline()
            node.wake += 1
            if due is not None:
                self.after(max(0.0, due - self.now), self._tick, node, node.wake)

    def _do(self, node: Node, effect: Any) -> None:
        match effect:
            case SendPacket(to, packet):
                self._send(node, to, packet)
            case StreamPacket(to, packet):
                self._stream(node, to, packet, 3)
            case ReplyPacket(via, packet):
                self._stream(node, self._streams[via], packet, 1)
            case Resolve(query, host, port):
                found = [(address[0], port) for address in self.names.get(host, [])]
                self.after(0.002, self._resolved, node, node.starts, query, found)
            case Emit(event):
                self.hash.update(f"{self.now:.6f} {node.name} {event}".encode())
                node.events.append((self.now, event))
                self._follow(node, event)
            case Stop(error):
                node.stopped = error
                node.machine = None
            case MemberChanged():
                node.effects.append(effect)
            case _:
                node.effects.append(effect)

    def _follow(self, node: Node, event: Any) -> None:
        """Check that the event is a legal next one of its member."""
        kind = type(event).__name__
        if kind not in AFTER:
            return
        before, epoch = node.path.get(event.name, ("", 0))
        assert type(event) in AFTER[before], f"{node.name}: {kind} of {event.name} after {before or 'nothing'}"
        if kind == "MemberJoined":
            assert event.epoch_ms >= epoch, f"{node.name}: {event.name} went back to epoch {event.epoch_ms}"
            assert before != kind or event.epoch_ms > epoch, f"{node.name}: {event.name} joined twice"
            epoch = event.epoch_ms
        node.path[event.name] = (kind, epoch)

    def _send(self, node: Node, to: Address, packet: bytes) -> None:
        assert len(packet) <= PACKET_BYTES_MAX
        if to == OWN:
            self.after(0.0, self._arrive, node.address, packet, node.address, None)
            return
        assert to in self._at, f"{node.name} sends to {to}, where nobody ever was"
        self.datagrams += 1
        self.bytes += len(packet)
        if self.rng.random() >= self.loss and (node.address[0], to[0]) not in self.cut:
            source = (self._leaves_by.get(node.name, node.address[0]), PORT)
            self.after(self.rng.uniform(0.001, 0.003), self._arrive, to, packet, source, None)

    def _stream(self, node: Node, to: Address, packet: bytes, trips: int) -> None:
        assert len(packet) < STREAM_BYTES_MAX
        if (node.address[0], to[0]) in self.cut or (to[0], node.address[0]) in self.cut:
            return
        self._count += 1
        self._streams[self._count] = node.address
        # The source port of a stream is not the mesh port.
        source = (self._leaves_by.get(node.name, node.address[0]), 40_000)
        self.after(0.002 * trips, self._arrive, to, packet, source, self._count)

    def _arrive(self, to: Address, packet: bytes, source: Address, via: int | None) -> None:
        node = self._at.get(to)
        if node is None or node.machine is None:
            return
        if node.paused:
            node.inbox.append((packet, source, via))
            return
        self.hash.update(f"{self.now:.6f} {source[0]} {node.name}".encode() + packet)
        node.machine.packet(self.now, strict.decode(packet), source, via)
        self._turn(node)

    def _tick(self, node: Node, wake: int) -> None:
        if node.machine is not None and node.wake == wake and not node.paused:
            node.machine.tick(self.now)
            self._turn(node)

    def _resume(self, name: str) -> None:
        """What came meanwhile is read before time is seen to have passed."""
        node = self.nodes[name]
        if node.machine is None or not node.paused:
            return
        node.paused = False
        waiting, node.inbox = node.inbox, []
        for packet, source, via in waiting:
            node.on.packet(self.now, strict.decode(packet), source, via)
        node.on.tick(self.now)
        self._turn(node)

    def _resolved(self, node: Node, start: int, query: int, addresses: list[Address]) -> None:
        if node.machine is not None and node.starts == start:
            node.machine.resolved(self.now, query, addresses)
            self._turn(node)

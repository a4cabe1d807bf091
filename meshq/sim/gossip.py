"""Membership alone, for many nodes: the machines of ``meshq.membership`` driven directly, without engines and
streams.

Decides what an engine would about packets: a datagram travels the simulated network; a stream packet arrives after
a connect (or not at all, when the other end is down or cut off), and its answers find their way back. Everything
that needs messages is in ``stage``; here a thousand nodes cost a second of a core per two of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from meshq.config import Config
from meshq.engine.links import CRASH_CONFIRM_S
from meshq.errors import RemoteProtocolError
from meshq.machine.effects import OWN, Address, Emit, ReplyPacket, Resolve, SendPacket, Stop, StreamPacket
from meshq.membership.effects import MemberChanged
from meshq.membership.member import State
from meshq.membership.membership import Membership
from meshq.names import Epoch
from meshq.sim.inbox import Arrived, Inbox
from meshq.sim.network import LAN, Datagrams, Paths, Weather
from meshq.sim.shared import Everybody
from meshq.sim.world import Alarm, World
from meshq.wire import strict
from meshq.wire.sealing import SEALED_FROM, TAG_BYTES

PORT: Final = 4155
EPOCH_MS: Final = 1_750_000_000_000
CONNECT_TRIPS: Final = 3
"""Latencies until the first packet over a new stream is read."""
SHARE_FROM: Final = 1_000
"""A mesh of so many members begins with shared tables: its nodes would take half a gigabyte otherwise."""
AHEAD_S_MAX: Final = 1e5
SEALED_BYTES: Final = SEALED_FROM + TAG_BYTES
"""What prefix, nonce and tag add to a packet: counted, so that figures are those of sealed packets."""


class Node:
    """One member: its machine, its alarm, its clock, and what it has yet to read."""

    __slots__ = (
        "_gossip", "_overdue", "_wanted", "address", "ahead_s", "alarm", "inbox", "machine", "name", "starts",
        "stopped",
    )  # fmt: skip

    def __init__(self, gossip: Gossip, name: str, ip: str) -> None:
        self.name = name
        self.address: Address = (ip, PORT)
        self.machine: Membership | None = None
        self.alarm = Alarm(gossip.world, self.tick)
        self.inbox = Inbox(gossip.world, gossip.rng, self._read)
        self.ahead_s = 0.0
        """What its monotonic clock shows at the beginning of the run: those of two hosts have nothing in common."""
        self.starts = 0
        self.stopped: Stop | None = None
        self._gossip = gossip
        self._wanted = 0.0
        self._overdue = False

    @property
    def now(self) -> float:
        """What its clock shows."""
        return self._gossip.world.now + self.ahead_s

    def tick(self) -> None:
        """Its deadline has come."""
        machine = self.machine
        if machine is None:
            return
        if self.inbox.paused:
            self._overdue = True
            return
        machine.tick(max(self.now, self._wanted))  # the way there and back through its clock rounds
        self._gossip.turn(self)

    def wait(self) -> None:
        """Arm the alarm for what the machine waits for."""
        assert self.machine is not None
        due = self.machine.deadline()
        if due is None:
            self.alarm.arm(None)
        else:
            self._wanted = due
            self.alarm.arm(due - self.ahead_s)

    def datagram(self, data: bytes, source: Address) -> None:
        """A packet from the network."""
        if self.machine is not None:
            self.inbox.arrive(Arrived(data, source, None), own=source == self.address)

    def packet(self, data: bytes, source: Address, via: int | None) -> None:
        """A packet on a stream."""
        if self.machine is not None:
            self.inbox.arrive(Arrived(data, source, via), own=False)

    def _read(self, packet: Arrived) -> None:
        if self.machine is None:
            return
        try:
            fields = self._gossip.decode(packet.data)
        except RemoteProtocolError:
            self._gossip.counters.bad += 1
            return
        self.machine.packet(self.now, fields, packet.source, packet.via)
        self._gossip.turn(self)

    def pause(self) -> None:
        """The whole process stands still."""
        self.inbox.paused = True

    def wake(self) -> None:
        """It goes on: first it reads what has come meanwhile, then its timers are late."""
        self.inbox.wake()
        if self._overdue:
            self._overdue = False
            self.tick()

    def forget(self) -> None:
        """The process is gone."""
        self.machine = None
        self.alarm.arm(None)
        self.inbox.clear()
        self._overdue = False


@dataclass(slots=True)
class GossipCounters:
    """Traffic and verdicts of all nodes together."""

    packets: int = 0
    bytes: int = 0
    """Of datagrams, sealed."""
    stream_packets: int = 0
    stream_bytes: int = 0
    bad: int = 0
    suspicions: int = 0
    deaths: int = 0
    false_deaths: int = 0
    """Told of a member that runs, at the epoch at which it runs."""


@dataclass(slots=True)
class Verdict:
    """When a node told of a change of state in a member."""

    at_s: float
    by: str
    name: str
    state: State


class Gossip:
    """Many members in one world."""

    def __init__(
        self,
        seed: int,
        count: int,
        *,
        config: Callable[[str], Config] = lambda name: Config(name=name),
        weather: Weather = LAN,
        share_from: int = SHARE_FROM,
        machine: Callable[..., Membership] = Membership,
        decode: Callable[[bytes], Any] = strict.decode,
    ) -> None:
        self.share_from = share_from
        self.decode = decode
        self._machine = machine
        self.world = World(seed)
        self.paths = Paths(weather)
        self.datagrams = Datagrams(self.world, self.paths)
        self.rng = self.world.rng("gossip")
        self.counters = GossipCounters()
        self.verdicts: list[Verdict] = []
        """Every suspicion, death and recovery that any node told of, in order."""
        self.on_event: list[Callable[[Node, Any], None]] = []
        self.on_change: list[Callable[[Node, MemberChanged], None]] = []
        """Told of every change of state that any node holds."""
        self.nodes: dict[str, Node] = {}
        self._config = config
        self._by_address: dict[Address, Node] = {}
        self._vias: dict[int, Address] = {}
        self._streams = 0
        self._own: list[bytes] = []
        self._doubtful = ""
        self._do: dict[type[Any], Callable[[Node, Any], None]] = {
            SendPacket: self._send, StreamPacket: self._stream, ReplyPacket: self._reply,
            MemberChanged: self._changed, Emit: self._emitted, Resolve: self._resolve, Stop: self._stopped,
        }  # fmt: skip
        clocks = self.world.rng("clocks")
        for number in range(count):
            ip = f"10.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"
            node = self.nodes[f"m{number}"] = Node(self, f"m{number}", ip)
            node.ahead_s = clocks.uniform(0.0, AHEAD_S_MAX)
            self._by_address[node.address] = node

    def start(self, name: str, *, at_s: float | None = None) -> None:
        """Start a node, now or at ``at_s``; with a later epoch than before when it ran already."""
        if at_s is not None:
            self.world.at(at_s, self.start, name)
            return
        node = self._boot(name)
        assert node.machine is not None
        node.machine.start(node.now)
        self.turn(node)

    def start_knowing_each_other(self, names: Iterable[str] | None = None) -> None:
        """Start nodes as members of a mesh that has been there for long: nobody joins."""
        nodes = [self._boot(name) for name in (self.nodes if names is None else names)]
        members = [node.machine.me for node in nodes if node.machine is not None]
        everybody = Everybody(members) if len(members) >= self.share_from else None
        for node in nodes:
            assert node.machine is not None
            if everybody is None:
                node.machine.prefill(node.now, members)
            else:
                everybody.known_by(node.machine, node.now)
        for node in nodes:
            assert node.machine is not None
            node.machine.start(node.now)
            self.turn(node)

    def crash(self, name: str, *, at_s: float | None = None) -> None:
        """The node's host falls silent."""
        if at_s is not None:
            self.world.at(at_s, self.crash, name)
            return
        node = self.nodes[name]
        if node.machine is not None:
            node.forget()
            self.datagrams.unbind(node.address)

    def die(self, name: str, linked: Iterable[str]) -> None:
        """The node's process dies: its kernel resets the links that it has with ``linked``, and refuses their dials."""
        node = self.nodes[name]
        assert node.machine is not None
        epoch = node.machine.me.epoch
        self.crash(name)
        for other in linked:
            weather = self.paths.between(node.address[0], self.nodes[other].address[0])
            delay_s = weather.latency_s + weather.jitter_s * self.rng.random()
            self.world.after(delay_s, self._reset, self.nodes[other], name, epoch)

    def leave(self, name: str) -> None:
        """The node says goodbye, and is gone."""
        node = self.nodes[name]
        assert node.machine is not None
        node.machine.leave(node.now)
        self.turn(node)
        self.crash(name)

    @property
    def running(self) -> list[Node]:
        """Nodes that run, in the order in which they were made."""
        return [node for node in self.nodes.values() if node.machine is not None]

    def dropped(self) -> int:
        """Rumours that nodes which run gave up because their queues were full."""
        return sum(node.machine._view.rumours.dropped for node in self.running if node.machine is not None)

    def disagreement(self) -> str:
        """Who holds what wrongly, in words; empty when every node that runs holds exactly those alive that run."""
        running = {node.name: node.machine.me.epoch for node in self.running if node.machine is not None}
        for node in self._doubtful_first():
            assert node.machine is not None
            members = node.machine.members
            for name, epoch in running.items():
                member = members.get(name)
                if member is None or member.state is not State.ALIVE or member.epoch != epoch:
                    self._doubtful = node.name
                    return f"{node.name} holds {name} to be {member and (member.state.name, member.epoch)}"
            for name, member in members.items():
                if member.live and name not in running:
                    self._doubtful = node.name
                    return f"{node.name} holds {name} to be {member.state.name}; it does not run"
        return ""

    def _doubtful_first(self) -> list[Node]:
        """The nodes that run; whoever was wrong when last asked comes first, as it is likely to be so still."""
        running = self.running
        at = next((at for at, node in enumerate(running) if node.name == self._doubtful), 0)
        return running[at:] + running[:at]

    def turn(self, node: Node) -> None:
        """Carry out what a node's machine wants, and wait for its deadline."""
        machine = node.machine
        if machine is None:
            return
        for effect in machine.effects():
            do = self._do.get(type(effect))
            if do is not None:
                do(node, effect)
        if self._own:
            self._to_itself(node)
        if node.machine is machine:
            node.wait()

    def _to_itself(self, node: Node) -> None:
        """What the node sends to its own socket comes after this turn, without a way in between."""
        own, self._own = self._own, []
        for packet in own:
            node.datagram(packet, node.address)

    def _boot(self, name: str) -> Node:
        node = self.nodes[name]
        assert node.machine is None, f"{name} runs already"
        node.starts += 1
        rng = self.world.rng("node", name, node.starts)
        epoch = Epoch(EPOCH_MS + int(self.world.now * 1000) + node.starts, rng.getrandbits(64))
        node.machine = self._machine(self._config(name), epoch, rng, bound=node.address, advertised=node.address)
        self.datagrams.bind(node.address, node.datagram)
        return node

    def _send(self, node: Node, effect: SendPacket) -> None:
        if effect.to == OWN:
            self._own.append(effect.packet)
            return
        self.counters.packets += 1
        self.counters.bytes += len(effect.packet) + SEALED_BYTES
        self.datagrams.send(node.address, effect.to, effect.packet)

    def _stream(self, node: Node, effect: StreamPacket) -> None:
        self._over_stream(node, effect.to, effect.packet, CONNECT_TRIPS)

    def _reply(self, node: Node, effect: ReplyPacket) -> None:
        to = self._vias.get(effect.via)
        if to is not None:
            self._over_stream(node, to, effect.packet, 1)

    def _over_stream(self, node: Node, to: Address, packet: bytes, trips: int) -> None:
        self.counters.stream_packets += 1
        self.counters.stream_bytes += len(packet) + SEALED_BYTES
        if not self.paths.is_open(node.address[0], to[0]) or not self.paths.is_open(to[0], node.address[0]):
            return
        weather = self.paths.between(node.address[0], to[0])
        delay_s = sum(weather.latency_s + weather.jitter_s * self.rng.random() for _ in range(trips))
        self._streams += 1
        self.world.after(delay_s, self._off_stream, self._streams, node.address, to, packet)

    def _off_stream(self, via: int, source: Address, to: Address, packet: bytes) -> None:
        node = self._by_address.get(to)
        if node is not None and node.machine is not None:
            self._vias[via] = source
            self.world.trace(packet)
            node.packet(packet, source, via)

    def _changed(self, node: Node, effect: MemberChanged) -> None:
        for told in self.on_change:
            told(node, effect)
        member = effect.member
        if effect.before is None or member.state is effect.before or member.state is State.LEFT:
            return
        self.verdicts.append(Verdict(self.world.now, node.name, member.name, member.state))
        if member.state is State.SUSPECT:
            self.counters.suspicions += 1
        elif member.state is State.DEAD:
            self.counters.deaths += 1
            accused = self.nodes.get(member.name)
            runs = accused is not None and accused.machine is not None
            if runs and accused is not None and accused.machine is not None:
                self.counters.false_deaths += accused.machine.me.epoch == member.epoch

    def _emitted(self, node: Node, effect: Emit) -> None:
        for told in self.on_event:
            told(node, effect.event)

    def _reset(self, node: Node, name: str, epoch: Epoch) -> None:
        """What an engine does about a link that ends without a goodbye: a ping, a dial, a word when that is refused."""
        if node.machine is not None:
            node.machine.path_evidence(node.now, name, False)
            self.turn(node)
            self.world.after(CRASH_CONFIRM_S, self._refused, node, name, epoch, node.now)

    def _refused(self, node: Node, name: str, epoch: Epoch, since: float) -> None:
        if node.machine is not None:
            node.machine.crashed(node.now, name, epoch, since)
            self.turn(node)

    def _resolve(self, node: Node, effect: Resolve) -> None:
        found = self.nodes.get(effect.host)
        addresses = [(found.address[0], effect.port)] if found is not None else []
        self.world.after(0.005, self._resolved, node, node.starts, effect.query, addresses)

    def _resolved(self, node: Node, start: int, query: int, addresses: list[Address]) -> None:
        if node.machine is not None and node.starts == start:
            node.machine.resolved(node.now, query, addresses)
            self.turn(node)

    def _stopped(self, node: Node, effect: Stop) -> None:
        node.stopped = effect
        self.crash(node.name)


@dataclass(slots=True)
class GossipResult:
    """What a membership-only run came to."""

    nodes: int
    virtual_s: float
    seed: int
    events: int
    counters: GossipCounters
    disagreement: str
    trace_hash: str
    detected_s: float | None = None
    """From a crash to the first verdict on it, if one was asked for."""
    known_s: float | None = None
    """From the crash until the last node knew."""
    findings: list[str] = field(default_factory=list)


def run_gossip(count: int, virtual_s: float, seed: int, *, crash_at_s: float | None = None) -> GossipResult:
    """``count`` nodes that know each other, for ``virtual_s``; one of them may crash."""
    gossip = Gossip(seed, count)
    gossip.start_knowing_each_other()
    victim = f"m{gossip.world.rng('victim').randrange(count)}"
    if crash_at_s is not None:
        gossip.crash(victim, at_s=crash_at_s)
    gossip.world.run_until(virtual_s)
    deaths = [verdict for verdict in gossip.verdicts if verdict.state is State.DEAD and verdict.name == victim]
    return GossipResult(
        nodes=count,
        virtual_s=virtual_s,
        seed=seed,
        events=gossip.world.events,
        counters=gossip.counters,
        disagreement=gossip.disagreement(),
        trace_hash=gossip.world.hash(),
        detected_s=deaths[0].at_s - crash_at_s if deaths and crash_at_s is not None else None,
        known_s=deaths[-1].at_s - crash_at_s if deaths and crash_at_s is not None else None,
    )

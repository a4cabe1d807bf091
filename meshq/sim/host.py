"""A host: one machine driven through virtual time by the driver's contract, and what befalls its host.

Decides when inputs reach the machine (in turns, as an event loop does: input first when a deadline is more than
100 ms late, else timers first), carries its effects out on the simulated network, streams and disk, and knows
the clock that the machine sees: a monotonic one that starts anywhere, and a wall clock that may be wrong. Pause,
slow reading, crash and restart happen here. Decides nothing about the protocol.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal, Protocol, TypeAlias

from meshq.machine.effects import Address, Close, Dial, Emit, Resolve, SendDatagram, Stop, Store, Write
from meshq.machine.rng import Rng
from meshq.names import Epoch
from meshq.runtime.addresses import numeric
from meshq.runtime.contract import Driven
from meshq.sim.disk import Disk, Fate
from meshq.sim.ends import End, Owner
from meshq.sim.network import Datagrams, Paths
from meshq.sim.streams import Streams
from meshq.sim.world import Alarm, World
from meshq.wire.prefix import DATAGRAM_BYTES_MAX

BORN_NS: Final = 1_750_000_000_000_000_000
"""Unix time at the beginning of every run."""
LATE_S: Final = 0.1
TURN_S: Final = 0.000_1
RECEIVE_BYTES_MAX: Final = 4 * 1024 * 1024
"""The datagram socket's buffer; beyond it the newest packet is dropped."""
WALL_MOVED_S: Final = 0.05
BITE_S: Final = 0.02
"""A slow reader takes what it may read in this time at once."""
LOOKUP_S: Final = 0.005
SPINS_MAX: Final = 1_000

Machine: TypeAlias = Driven
"""What a host drives: the engine, or a small machine in a test."""


@dataclass(frozen=True, slots=True)
class Start:
    """What one start of a process is given to build its machine from."""

    name: str
    number: int
    epoch: Epoch
    rng: Rng
    bound: Address


Build: TypeAlias = Callable[[Start], Machine]
Change: TypeAlias = Literal["started", "crashed", "powered off", "paused", "resumed", "stopped"]
"""What becomes of a process: ``stopped`` when its machine asked for it."""


class Guest(Protocol):
    """A program of which the host's process is more than its machine: a service around a node, or beside one."""

    @property
    def alive(self) -> bool:
        """Whether its process runs (it may be paused)."""

    def boot(self) -> None:
        """The process starts: the program begins anew, and has the host start a machine if it wants one."""

    def died(self) -> None:
        """The process is gone, in the middle of whatever it did."""

    def resumed(self) -> None:
        """The process goes on after a pause."""


@dataclass(slots=True)
class Wire:
    """What all hosts share."""

    world: World
    paths: Paths
    datagrams: Datagrams
    streams: Streams
    lookup: Mapping[str, list[str]]
    """Host names and their addresses."""
    emitted: Callable[[Host, Any], None]
    """Told of every event that a machine emits."""
    turned: Callable[[Host], None]
    """Told after every turn."""
    changed: Callable[[Host, Change], None]
    """Told of what becomes of each host's process."""


@dataclass(slots=True)
class HostCounters:
    """What a host did."""

    turns: int = 0
    inputs: int = 0
    ticks: int = 0
    late_ticks: int = 0
    dropped: int = 0
    """Datagrams that found the receive buffer full."""
    too_long: int = 0
    """Datagrams above what a node accepts, dropped as the runtime drops them."""
    crashes: int = 0
    starts: int = 0


@dataclass(slots=True)
class Clock:
    """What the host's clocks say: monotonic from ``base_s``, wall off by ``offset_s`` and drifting."""

    base_s: float
    offset_s: float = 0.0
    drift: float = 0.0
    """Seconds gained per second."""
    drift_from_s: float = 0.0

    def wall_ns(self, world_s: float) -> int:
        """Unix time as this host sees it."""
        return BORN_NS + int((world_s + self.offset_s + self.drift * (world_s - self.drift_from_s)) * 1e9)

    def error_s(self, world_s: float) -> float:
        """How far the wall clock is off."""
        return self.offset_s + self.drift * (world_s - self.drift_from_s)


Input: TypeAlias = tuple[float, int, Callable[..., Any], tuple[Any, ...]]
"""Readable from, size in bytes, what to do with now and the rest."""


@dataclass
class Host:
    """One host of the mesh and the process on it. ``machine`` is None while no process runs."""

    name: str
    ip: str
    port: int
    build: Build
    wire: Wire
    disk: Disk
    machine: Machine | None = None
    guest: Guest | None = None
    stopped: Stop | None = None
    turn_s: float = TURN_S
    """How long an input waits for its turn: more on a slow host."""
    lag_s: tuple[float, float] = (0.0, 0.0)
    """Inputs are read this much late, while timers are on time: a starved reader."""
    read_bytes_s: float = 0.0
    """How fast each of its streams is read: a slow reader. 0: without limit."""
    held: dict[str, list[object]] = field(default_factory=dict)
    """What faults hold it in, by kind; the last of each counts (see ``faults``)."""
    counters: HostCounters = field(default_factory=HostCounters)
    stops: list[tuple[Epoch, Stop]] = field(default_factory=list)
    """Every end that a machine asked for, with the epoch of its start."""

    def __post_init__(self) -> None:
        self.address: Address = (self.ip, self.port)
        self.clock = Clock(base_s=float(self._rng("clock").randrange(100_000)))
        self._world = self.wire.world
        self._alarm = Alarm(self._world, self._turn)
        self._inbox: deque[Input] = deque()
        self._inbox_bytes = 0
        self._lag_rng = self._rng("lag")
        self._read_rng = self._rng("read")
        self._ends: dict[int, End] = {}
        self._told_error_s = 0.0
        self._spins = 0
        self._pauses = 0
        self._due: float | None = None
        self._do: dict[type[Any], Callable[[Any], None]] = {
            SendDatagram: self._send, Dial: self._dial, Write: self._write, Close: self._close,
            Resolve: self._resolve, Store: self._store, Emit: self._emit, Stop: self._stop,
        }  # fmt: skip

    @property
    def running(self) -> bool:
        """Whether a process lives here (it may be paused)."""
        return self.machine is not None or (self.guest is not None and self.guest.alive)

    @property
    def paused(self) -> bool:
        """Whether the process stands still."""
        return self._pauses > 0

    @property
    def now(self) -> float:
        """The host's monotonic clock."""
        return self._world.now + self.clock.base_s

    def boot(self) -> None:
        """Start the process: the guest, who starts the machine, or the machine alone."""
        if self.guest is None:
            self.start()
        else:
            self.wire.paths.power(self.ip, True)
            self.guest.boot()

    def start(self) -> None:
        """Start the machine: a new epoch, later than every stored one."""
        assert self.machine is None, f"{self.name} runs already"
        world = self._world
        self.counters.starts += 1
        self.stopped = None
        self.wire.paths.power(self.ip, True)
        rng = self._rng("start", self.counters.starts)
        epoch = Epoch(self.disk.next_epoch(self.clock.wall_ns(world.now) // 1_000_000), rng.getrandbits(64))
        self._epoch = epoch
        self.machine = self.build(Start(self.name, self.counters.starts, epoch, rng, self.address))
        self.wire.datagrams.bind(self.address, self._datagram)
        self.wire.streams.listen(self.address, self)
        world.note(self.name, f"starts, epoch {epoch.ms}")
        self.wire.changed(self, "started")
        self._told_error_s = self.clock.error_s(world.now)
        self._due = None
        self.machine.start(self.now, self.clock.wall_ns(world.now))
        self._alarm.hasten(world.now + self.turn_s)

    def crash(self) -> None:
        """The process dies (kill -9): the kernel resets its streams and refuses new ones."""
        if self.running:
            self._world.note(self.name, "process crashes")
            self.wire.changed(self, "crashed")
            self.counters.crashes += 1
            self._kill()
            self.disk.process_died()
            self.wire.streams.process_died(self.ip)

    def power_off(self) -> None:
        """The host dies: silence, also from its kernel, until it starts again."""
        if self.running:
            self._world.note(self.name, "host dies")
            self.wire.changed(self, "powered off")
            self.counters.crashes += 1
            self._kill()
        self.disk.power_lost()
        self.wire.streams.host_died(self.ip)
        self.wire.paths.power(self.ip, False)

    def restart(self, disk: Fate = "kept") -> None:
        """Start again with what ``disk`` left; on a host that died, its monotonic clock begins anew."""
        if not self.wire.paths.is_up(self.ip):
            self.clock.base_s = float(self._rng("clock", self.counters.starts).randrange(100_000))
        self.disk.become(disk)
        self.boot()

    def pause(self) -> None:
        """Nothing runs until resumed as often as paused; inputs queue up in the kernel. Where nothing runs: nothing."""
        if self.running:
            self._world.note(self.name, "paused")
            self.wire.changed(self, "paused")
            self._pauses += 1

    def resume(self) -> None:
        """Go on, if nobody else paused it: what queued up is read first. One that runs is left alone."""
        self._pauses = max(0, self._pauses - 1)
        if self._pauses:
            return
        self._world.note(self.name, "goes on")
        self.wire.changed(self, "resumed")
        self._alarm.hasten(self._world.now)
        if self.guest is not None:
            self.guest.resumed()

    def skew(self, offset_s: float, drift: float = 0.0) -> None:
        """The wall clock jumps to be ``offset_s`` off, and drifts from there."""
        self.clock.offset_s = offset_s
        self.clock.drift, self.clock.drift_from_s = drift, self._world.now
        self._alarm.hasten(self._world.now)

    def pipe(self, client: Owner) -> End | None:
        """An in-process stream to the node's process; None when none runs."""
        return self.wire.streams.pipe(self.ip, self, client) if self.machine is not None else None

    def open_ends(self) -> list[End]:
        """The process's streams."""
        return list(self._ends.values())

    def end(self, tag: int) -> End | None:
        """The process's end of the stream that its machine knows by that number."""
        return self._ends.get(tag)

    def call(self, verb: str, *arguments: Any) -> None:
        """Give the machine an input of its own in its next turn: ``drain``, ``stop`` or a test's."""
        self._put(0, self._called, verb, arguments)

    # What the network brings.

    def _datagram(self, data: bytes, source: Address) -> None:
        if len(data) > DATAGRAM_BYTES_MAX:
            self.counters.too_long += 1
            return
        if self._inbox_bytes + len(data) > RECEIVE_BYTES_MAX:
            self.counters.dropped += 1
            return
        self._put(len(data), self._datagram_in, data, source)

    def stream_accepted(self, end: End) -> None:
        self._put(0, self._accepted_in, end)

    def stream_connected(self, end: End) -> None:
        self._put(0, self._connected_in, end)

    def stream_readable(self, end: End) -> None:
        self._put(0, self._readable_in, end)

    def stream_buffered(self, end: End, size_bytes: int) -> None:
        self._put(0, self._buffered_in, end, size_bytes)

    def _put(self, size_bytes: int, handle: Callable[..., None], *arguments: Any) -> None:
        if self.machine is None:
            return
        at = self._world.now
        if self.lag_s[1]:
            at += self._lag_rng.uniform(*self.lag_s)
        if self._inbox and self._inbox[-1][0] > at:
            at = self._inbox[-1][0]
        self._inbox.append((at, size_bytes, handle, arguments))
        self._inbox_bytes += size_bytes
        if len(self._inbox) == 1:
            self._alarm.hasten(at + self.turn_s)

    # One turn.

    def _turn(self) -> None:
        machine = self.machine
        if self.paused or machine is None:
            return
        now = self.now
        due = self._due
        waits = due is not None and due <= now + 1e-9
        if waits and due is not None:
            now = max(now, due)
            if now - due <= LATE_S:
                self._tick(machine, now)
                waits = False
            else:
                self.counters.late_ticks += 1
        self._tell_wall(machine, now)
        self._read(now)
        if waits:
            self._tick(machine, now)
        self.counters.turns += 1
        for effect in machine.effects():
            self._do[type(effect)](effect)
        self.wire.turned(self)
        if self.machine is machine:
            self._wake_for(machine)

    def _tick(self, machine: Machine, now: float) -> None:
        self.counters.ticks += 1
        machine.tick(now)

    def _read(self, now: float) -> None:
        inbox = self._inbox
        limit = self._world.now + 1e-9
        for _ in range(len(inbox)):
            if inbox[0][0] > limit:
                break
            _, size, handle, arguments = inbox.popleft()
            self._inbox_bytes -= size
            self.counters.inputs += 1
            handle(now, *arguments)

    def _wake_for(self, machine: Machine) -> None:
        """Arm the alarm for the machine's deadline or the next input, whichever is first."""
        world_now = self._world.now
        due = self._due = machine.deadline()
        at = None if due is None else due - self.clock.base_s
        if at is not None and at <= world_now + 1e-9:
            at = world_now + self.turn_s
            self._spins += 1
            assert self._spins < SPINS_MAX, f"{self.name} spins: its deadline stays due at {due}"
        else:
            self._spins = 0
        if self._inbox:
            read_at = max(self._inbox[0][0], world_now) + self.turn_s
            at = read_at if at is None else min(at, read_at)
        self._alarm.arm(at)

    def _tell_wall(self, machine: Machine, now: float) -> None:
        error_s = self.clock.error_s(self._world.now)
        if abs(error_s - self._told_error_s) > WALL_MOVED_S:
            self._told_error_s = error_s
            machine.wall(now, self.clock.wall_ns(self._world.now))

    # Inputs, as the machine gets them.

    def _called(self, now: float, verb: str, arguments: tuple[Any, ...]) -> None:
        getattr(self.machine, verb)(now, *arguments)

    def _datagram_in(self, now: float, data: bytes, source: Address) -> None:
        assert self.machine is not None
        self.machine.datagram(now, data, source)

    def _accepted_in(self, now: float, end: End) -> None:
        assert self.machine is not None
        end.tag = self.machine.accepted(now, end.peer)
        self._ends[end.tag] = end

    def _connected_in(self, now: float, end: End) -> None:
        assert self.machine is not None
        if end.tag is not None and end.tag in self._ends:
            self.machine.connected(now, end.tag, end.local, end.peer)

    def _readable_in(self, now: float, end: End) -> None:
        assert self.machine is not None
        if end.gone or end.tag is None:
            return
        rate = self.read_bytes_s
        data = end.read(self._read_rng, max(1, int(rate * BITE_S))) if rate else end.read(self._read_rng)
        if data:
            self.machine.received(now, end.tag, data)
        if end.ended is not None:
            self._over(now, end, end.ended)
        elif rate:
            end.noticed = True  # what comes before its turn waits as well
            self._world.after(len(data) / rate, self._read_on, end)
        elif end.waiting:
            end.notice()

    def _read_on(self, end: End) -> None:
        end.noticed = False
        if end.waiting:
            end.notice()

    def _over(self, now: float, end: End, reason: str) -> None:
        assert self.machine is not None
        tag = end.tag
        assert tag is not None
        if self._ends.pop(tag, None) is not None:
            self.machine.closed(now, tag, reason)
        end.close()
        self.wire.streams.forget(end)

    def _buffered_in(self, now: float, end: End, size_bytes: int) -> None:
        assert self.machine is not None
        if end.tag in self._ends:
            self.machine.buffered(now, end.tag, size_bytes)

    def _stored_in(self, now: float, token: int) -> None:
        assert self.machine is not None
        self.machine.stored(now, token)

    def _resolved_in(self, now: float, query: int, addresses: list[Address]) -> None:
        assert self.machine is not None
        self.machine.resolved(now, query, addresses)

    # Effects.

    def _send(self, effect: SendDatagram) -> None:
        self.wire.datagrams.send(self.address, effect.to, effect.data)

    def _dial(self, effect: Dial) -> None:
        assert effect.stream not in self._ends, f"{self.name} dials under {effect.stream}, which is in use"
        self._ends[effect.stream] = self.wire.streams.dial(self.ip, effect.to, self, effect.stream)

    def _write(self, effect: Write) -> None:
        end = self._ends.get(effect.stream)
        if end is not None and end.connected:
            end.write(effect.chunks)

    def _close(self, effect: Close) -> None:
        end = self._ends.pop(effect.stream, None)
        if end is not None:
            end.close(effect.abort)

    def _resolve(self, effect: Resolve) -> None:
        ips = [effect.host] if numeric(effect.host) else self.wire.lookup.get(effect.host, [])
        addresses = [(ip, effect.port) for ip in ips]
        self._world.after(LOOKUP_S, self._later, self.counters.starts, self._resolved_in, effect.query, addresses)

    def _store(self, effect: Store) -> None:
        start, token = self.counters.starts, effect.token
        self.disk.write(effect.rows, lambda: self._later(start, self._stored_in, token))

    def _emit(self, effect: Emit) -> None:
        self.wire.emitted(self, effect.event)

    def _stop(self, effect: Stop) -> None:
        self.stopped = effect
        self.stops.append((self._epoch, effect))
        self._world.note(self.name, f"stops: {effect.error or 'a clean leave'}, {effect.messages_left} messages left")
        self.wire.changed(self, "stopped")
        ends = list(self._ends.values())
        self._end_process()
        for end in ends:
            end.close()

    def _later(self, start: int, handle: Callable[..., None], *arguments: Any) -> None:
        if start == self.counters.starts:
            self._put(0, handle, *arguments)

    def _kill(self) -> None:
        self._end_process()
        if self.guest is not None:
            self.guest.died()

    def _end_process(self) -> None:
        self.machine = None
        self._pauses = 0
        self._inbox.clear()
        self._inbox_bytes = 0
        self._ends.clear()
        self._alarm.arm(None)
        self.wire.datagrams.unbind(self.address)
        self.wire.streams.unlisten(self.address)

    def _rng(self, *purpose: str | int) -> Random:
        return self.wire.world.rng("host", self.name, *purpose)

"""A host: its clocks, its disk, the process on it, and what befalls them.

Start, crash, power loss, restart, pause, slow reading and a wrong clock happen here. How a machine is driven through
virtual time is ``driver``'s. Decides nothing about the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from meshq.machine.effects import Address, Stop
from meshq.names import Epoch
from meshq.sim.disk import Disk, Fate
from meshq.sim.driver import Driver
from meshq.sim.ends import End, Owner
from meshq.sim.hostclock import Clock
from meshq.sim.network import Datagrams, Paths
from meshq.sim.start import Build, Change, Guest, Machine, Start
from meshq.sim.streams import Streams
from meshq.sim.world import World
from meshq.wire.keyring import Secrecy, read_keyring

TURN_S: Final = 0.000_1


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


@dataclass
class Host:
    """One host of the mesh and the process on it."""

    name: str
    ip: str
    port: int
    build: Build
    wire: Wire
    disk: Disk
    stores: bool = True
    """Whether its machine is given what the disk keeps: a node with a store."""
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
    keys: str = ""
    """What its key file holds: keys outlive processes and disks."""
    counters: HostCounters = field(default_factory=HostCounters)
    stops: list[tuple[Epoch, Stop]] = field(default_factory=list)
    """Every end that a machine asked for, with the epoch of its start."""

    def __post_init__(self) -> None:
        self.address: Address = (self.ip, self.port)
        self.clock = Clock(base_s=float(self._rng("clock").randrange(100_000)))
        self._world = self.wire.world
        self.lag_rng = self._rng("lag")
        self.read_rng = self._rng("read")
        self._pauses = 0
        self._driver: Driver | None = None

    @property
    def machine(self) -> Machine | None:
        """What runs here; None while no process does."""
        return self._driver.machine if self._driver is not None else None

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
        self.epoch = epoch
        recovered = self.disk.recovered() if self.stores else None
        machine = self.build(
            Start(self.name, self.counters.starts, epoch, rng, self.address, recovered, self._secrecy())
        )
        self._driver = Driver(self, machine)
        world.note(self.name, f"starts, epoch {epoch.ms}")
        self.wire.changed(self, "started")
        self._driver.begin()

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
        self._wake()
        if self.guest is not None:
            self.guest.resumed()

    def skew(self, offset_s: float, drift: float = 0.0) -> None:
        """The wall clock jumps to be ``offset_s`` off, and drifts from there."""
        self.clock.offset_s, self.clock.moved = offset_s, True
        self.clock.drift, self.clock.drift_from_s = drift, self._world.now
        self._wake()

    def pipe(self, client: Owner) -> End | None:
        """An in-process stream to the node's process; None when none runs."""
        return self.wire.streams.pipe(self.ip, self._driver, client) if self._driver is not None else None

    def open_ends(self) -> list[End]:
        """The process's streams."""
        return list(self._driver.ends.values()) if self._driver is not None else []

    def end(self, tag: int) -> End | None:
        """The process's end of the stream that its machine knows by that number."""
        return self._driver.ends.get(tag) if self._driver is not None else None

    def call(self, verb: str, *arguments: Any) -> None:
        """Give the machine an input of its own in its next turn: ``drain``, ``stop`` or a test's."""
        if self._driver is not None:
            self._driver.call(verb, *arguments)

    # Inside.

    def machine_stopped(self, stop: Stop) -> None:
        """The machine asked for its end."""
        self.stopped = stop
        self.stops.append((self.epoch, stop))
        self._world.note(self.name, f"stops: {stop.error or 'a clean leave'}, {stop.messages_left} messages left")
        self.wire.changed(self, "stopped")
        self._end_process()
        self.disk.close()

    def _wake(self) -> None:
        if self._driver is not None:
            self._driver.wake()

    def _kill(self) -> None:
        self._end_process()
        if self.guest is not None:
            self.guest.died()

    def _end_process(self) -> None:
        self._pauses = 0
        if self._driver is not None:
            self._driver.end()
            self._driver = None

    def _secrecy(self) -> Secrecy | None:
        """What its key file gives this start, with chance of its own."""
        if not self.keys:
            return None
        return Secrecy(read_keyring(self.keys, self.name), self._rng("entropy", self.counters.starts).randbytes)

    def _rng(self, *purpose: str | int) -> Random:
        return self.wire.world.rng("host", self.name, *purpose)

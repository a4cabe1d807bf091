"""A fleet: the simulated hosts of one world, and the hand of fate over them.

Puts world, network and hosts together and offers what may befall them as verbs, by node name. Decides
nothing by itself: faults, scenarios and tests call the verbs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from meshq.machine.effects import Address
from meshq.sim.disk import Disk, Fate
from meshq.sim.host import Host, Wire
from meshq.sim.network import LAN, Datagrams, Paths, Spell, Weather
from meshq.sim.start import Build, Change
from meshq.sim.streams import Streams
from meshq.sim.world import World

PORT: Final = 4155
EVENTS_MAX: Final = 20_000


class _Round:
    """Counts turns for all who want to know of each so-many-th: they are many, and each turn would call each."""

    __slots__ = ("_left", "_turns", "told")

    def __init__(self, turns: int, told: list[Callable[[Host], None]]) -> None:
        self._turns = self._left = turns
        self.told = told

    def __call__(self, host: Host) -> None:
        self._left -= 1
        if not self._left:
            self._left = self._turns
            for told in self.told:
                told(host)


class Fleet:
    """Hosts by name in one world. Nothing runs before ``start`` or ``start_all``."""

    def __init__(self, seed: int, build: Build, *, weather: Weather = LAN, stores: bool = True) -> None:
        self.world = World(seed)
        self.paths = Paths(weather)
        self.datagrams = Datagrams(self.world, self.paths)
        self.streams = Streams(self.world, self.paths)
        self.lookup: dict[str, list[str]] = {}
        self.hosts: dict[str, Host] = {}
        self.events: deque[tuple[float, str, Any]] = deque(maxlen=EVENTS_MAX)
        """What machines emitted: when, who, what."""
        self.on_event: list[Callable[[Host, Any], None]] = []
        self.on_turn: list[Callable[[Host], None]] = []
        self._rounds: dict[int, _Round] = {}
        self._calms = 0
        self.on_change: list[Callable[[Host, Change], None]] = []
        """Told when a process starts, dies, stands still, goes on or ends."""
        self._build = build
        self.stores = stores
        """Whether hosts that are added give their machine what their disk keeps."""
        self._wire = Wire(
            self.world, self.paths, self.datagrams, self.streams, self.lookup,
            self._emitted, self._turned, self._changed,
        )  # fmt: skip

    def add(self, name: str) -> Host:
        """A new host, off so far; its name resolves to its address."""
        ip = f"10.0.{len(self.hosts) // 250}.{len(self.hosts) % 250 + 1}"
        host = Host(name, ip, PORT, self._build, self._wire, Disk(self.world), self.stores)
        self.hosts[name] = host
        self.lookup[name] = [ip]
        return host

    def every(self, turns: int, told: Callable[[Host], None]) -> None:
        """Tell of each so-many-th turn of any host, counted from the beginning; whoever had it."""
        if turns not in self._rounds:
            self._rounds[turns] = _Round(turns, [])
            self.on_turn.append(self._rounds[turns])
        self._rounds[turns].told.append(told)

    def start_all(self) -> None:
        """Start every host that does not run."""
        for host in self.hosts.values():
            if not host.running:
                host.start()

    @property
    def running(self) -> list[Host]:
        """Hosts with a living process, in the order in which they were added."""
        return [host for host in self.hosts.values() if host.running]

    def address(self, name: str) -> Address:
        """The mesh address of a host."""
        return self.hosts[name].address

    # The hand of fate.

    def partition(self, *groups: Iterable[str]) -> Callable[[], None]:
        """Nothing passes between the groups (who is in none is with the first); returns what mends it."""
        sides = self._sides(groups)
        cuts = [
            (self._ip(one), self._ip(other)) for one in self.hosts for other in self.hosts if sides[one] != sides[other]
        ]
        return self._cut(cuts)

    def one_way(self, source: str, target: str) -> Callable[[], None]:
        """Nothing passes from ``source`` to ``target``, the other way is open; returns what mends it."""
        return self._cut([(self._ip(source), self._ip(target))])

    def spell(self, weather: Weather, source: str | None = None, target: str | None = None) -> Callable[[], None]:
        """``weather`` holds as well, from ``source`` to ``target`` (None: any); returns what ends it."""
        spell = Spell(weather, source and self._ip(source), target and self._ip(target))
        self.paths.begin(spell)
        return lambda: self.paths.end(spell)

    def cut_streams(self, one: str, other: str, *, silently: bool = False) -> int:
        """Reset the streams between two hosts, or make them half-open ``silently``; how many ends."""
        if silently:
            return self.streams.blackhole_between(self._ip(one), self._ip(other))
        return self.streams.reset_between(self._ip(one), self._ip(other))

    def crash(self, name: str, *, host: bool = False) -> None:
        """Kill the process, or the whole ``host``. One that is down already stays down."""
        if host:
            self.hosts[name].power_off()
        else:
            self.hosts[name].crash()

    def restart(self, name: str, disk: Fate = "kept") -> None:
        """Start a process again, unless it runs."""
        if not self.hosts[name].running:
            self.hosts[name].restart(disk)

    def calm_down(self) -> None:
        """Every fault ends: paths are whole, everybody runs, reads and is on time (clocks stay as they are)."""
        self.paths.mend_all()
        self._calms += 1
        for host in self.hosts.values():
            host.held.clear()
            host.lag_s, host.turn_s, host.read_bytes_s = (0.0, 0.0), Host.turn_s, 0.0
            host.disk.full, host.disk.slow_s = False, 0.0
            while host.paused:
                host.resume()

    def _cut(self, cuts: list[tuple[str, str]]) -> Callable[[], None]:
        calms = self._calms
        for source, target in cuts:
            self.paths.cut(source, target)

        def mend() -> None:
            while cuts and calms == self._calms:  # once, and not what was cut after a calm
                self.paths.mend(*cuts.pop())

        return mend

    def _sides(self, groups: Iterable[Iterable[str]]) -> dict[str, int]:
        sides = dict.fromkeys(self.hosts, 0)
        for number, group in enumerate(groups):
            for name in group:
                sides[name] = number
        return sides

    def _ip(self, name: str) -> str:
        return self.hosts[name].ip

    def _emitted(self, host: Host, event: Any) -> None:
        self.events.append((self.world.now, host.name, event))
        self.world.note(host.name, repr(event))
        for told in self.on_event:
            told(host, event)

    def _turned(self, host: Host) -> None:
        for told in self.on_turn:
            told(host)

    def _changed(self, host: Host, change: Change) -> None:
        for told in self.on_change:
            told(host, change)

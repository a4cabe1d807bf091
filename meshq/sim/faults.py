"""Faults as values: what befalls whom, when and for how long; a plan is a list of them.

A fault says itself (``str``) and can be written down again (``repr``), so that a failing plan can be printed,
repeated and made smaller. Faults of one kind may overlap: what befalls a node ends with the last of them. Decides
nothing about what must hold under faults; that is the checkers'. Plans from chance are drawn in ``swarm``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from meshq.sim.disk import Fate
from meshq.sim.fleet import Fleet
from meshq.sim.host import TURN_S, Host
from meshq.sim.network import Weather

Undo: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(ABC):
    """Something from ``at_s`` on, for ``for_s`` seconds (0: it happens once)."""

    at_s: float
    for_s: float = 0.0

    @abstractmethod
    def begin(self, fleet: Fleet) -> Undo | None:
        """Let it happen; returns what ends it, if anything does."""

    def __str__(self) -> str:
        until = f" for {self.for_s:.2f} s" if self.for_s else ""
        return f"at {self.at_s:7.3f} s: {self.what()}{until}"

    def what(self) -> str:
        """In words."""
        fields = (name for name in self.__dataclass_fields__ if name not in ("at_s", "for_s"))
        return f"{type(self).__name__} " + ", ".join(f"{name}={getattr(self, name)!r}" for name in fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Fault):
    """Nothing passes between the groups."""

    groups: tuple[tuple[str, ...], ...]

    def begin(self, fleet: Fleet) -> Undo:
        return fleet.partition(*self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay(Fault):
    """Nothing passes from ``source`` to ``target``; the other way is open."""

    source: str
    target: str

    def begin(self, fleet: Fleet) -> Undo:
        return fleet.one_way(self.source, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm(Fault):
    """Bad weather, on the path from ``source`` to ``target`` or (None) on all."""

    weather: Weather
    source: str | None = None
    target: str | None = None

    def begin(self, fleet: Fleet) -> Undo:
        return fleet.spell(self.weather, self.source, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Fault):
    """The process stands still (SIGSTOP, a long collection, a VM moved)."""

    node: str

    def begin(self, fleet: Fleet) -> Undo:
        host = fleet.hosts[self.node]
        starts = host.counters.starts
        host.pause()
        return lambda: host.resume() if host.paused and host.counters.starts == starts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Starve(Fault):
    """The process reads its input between ``least_s`` and ``most_s`` late, its timers are on time."""

    node: str
    least_s: float
    most_s: float

    def begin(self, fleet: Fleet) -> Undo:
        return _hold(fleet.hosts[self.node], "lag_s", (self.least_s, self.most_s), (0.0, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Fault):
    """Each turn of the node comes ``turn_s`` after its input."""

    node: str
    turn_s: float

    def begin(self, fleet: Fleet) -> Undo:
        return _hold(fleet.hosts[self.node], "turn_s", self.turn_s, TURN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowReader(Fault):
    """The node reads each of its streams at ``bytes_s``; what it has not read holds the writers up."""

    node: str
    bytes_s: float

    def begin(self, fleet: Fleet) -> Undo:
        return _hold(fleet.hosts[self.node], "read_bytes_s", self.bytes_s, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFull(Fault):
    """The disk of ``node`` has no room: nothing is written until it has again."""

    node: str

    def begin(self, fleet: Fleet) -> Undo:
        host = fleet.hosts[self.node]
        return _hold(host, "full", True, False, of=host.disk)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDisk(Fault):
    """Whatever is written to the disk of ``node``, or read from it, takes ``slow_s`` longer."""

    node: str
    slow_s: float

    def begin(self, fleet: Fleet) -> Undo:
        host = fleet.hosts[self.node]
        return _hold(host, "slow_s", self.slow_s, 0.0, of=host.disk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(Fault):
    """The process dies, or the whole ``host``; it starts again after ``for_s`` with what ``disk`` leaves."""

    node: str
    host: bool = False
    disk: Fate = "kept"

    def begin(self, fleet: Fleet) -> Undo | None:
        fleet.crash(self.node, host=self.host)
        return keep_down(fleet, self.node, self.disk) if self.for_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCut(Fault):
    """The streams between two nodes are reset, or half-open from now on (``silently``). New ones work."""

    one: str
    other: str
    silently: bool = False

    def begin(self, fleet: Fleet) -> None:
        fleet.cut_streams(self.one, self.other, silently=self.silently)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flap(Fault):
    """The streams between two nodes are reset every ``every_s``."""

    one: str
    other: str
    every_s: float

    def begin(self, fleet: Fleet) -> Undo:
        going = [True]

        def cut() -> None:
            if going:
                fleet.cut_streams(self.one, self.other)
                fleet.world.after(self.every_s, cut)

        cut()
        return going.clear


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew(Fault):
    """The wall clock of ``node`` is off by ``offset_s`` from now on, and gains ``drift`` seconds a second."""

    node: str
    offset_s: float
    drift: float = 0.0

    def begin(self, fleet: Fleet) -> None:
        fleet.hosts[self.node].skew(self.offset_s, self.drift)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(Fault):
    """``node`` is asked to drain for at most ``timeout_s``; it starts again after ``for_s``."""

    node: str
    timeout_s: float = 5.0

    def begin(self, fleet: Fleet) -> Undo | None:
        host = fleet.hosts[self.node]
        if host.running:
            host.call("drain", self.timeout_s)
        return keep_down(fleet, self.node, "kept") if self.for_s else None


def _hold(host: Host, name: str, value: object, calm: object, *, of: object = None) -> Undo:
    """``name`` of the host, or ``of`` a part of it, is ``value`` until undone.

    Of several the one begun last counts, ``calm`` after all.
    """
    entry, owner = [value], of or host  # of equal values each for itself
    host.held.setdefault(name, []).append(entry)
    setattr(owner, name, value)

    def end() -> None:
        held: list[Any] = host.held.get(name, [])
        if any(each is entry for each in held):
            held[:] = [each for each in held if each is not entry]
            setattr(owner, name, held[-1][0] if held else calm)

    return end


def keep_down(fleet: Fleet, node: str, disk: Fate) -> Undo:
    """Who is down starts again, with what ``disk`` leaves, once nothing else keeps it down."""
    host = fleet.hosts[node]
    held = host.held.setdefault("down", [])
    held.append(disk)

    def end() -> None:
        held.remove(disk)
        if host.running:
            return
        if held:
            host.disk.become(disk)
        else:
            fleet.restart(node, disk)

    return end


def schedule(fleet: Fleet, plan: Sequence[Fault], from_s: float) -> None:
    """Let the plan happen, its times counted from ``from_s`` on the world's clock."""
    for fault in plan:
        fleet.world.at(from_s + fault.at_s, _begin, fleet, fault)


def _begin(fleet: Fleet, fault: Fault) -> None:
    fleet.world.note("fault", f"{fault.what()}{f' for {fault.for_s:.2f} s' if fault.for_s else ''}")
    undo = fault.begin(fleet)
    if undo is not None and fault.for_s:
        fleet.world.after(fault.for_s, _end, fleet, fault, undo)


def _end(fleet: Fleet, fault: Fault, undo: Undo) -> None:
    fleet.world.note("fault", f"end of {fault.what()}")
    undo()

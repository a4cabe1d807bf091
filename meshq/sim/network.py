"""The network between hosts: who reaches whom how well, and datagrams over it.

``Paths`` decides what a packet from one address to another meets: latency, loss, duplication, reordering,
bandwidth, a cut (each direction for itself), a host that is down. ``Datagrams`` decides when and how
often a datagram arrives. Streams over the same paths are in ``streams``; faults change the paths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple, TypeAlias

from meshq.machine.effects import Address
from meshq.sim.world import World

LOOPBACK_S: Final = 0.000_05
QUEUE_S_MAX: Final = 0.5
"""A packet that would wait longer than this for its turn on a narrow path is dropped, as a router would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What a path does to packets. Several may hold at once: latencies add up, losses combine.

    Latency is ``latency_s`` plus up to ``jitter_s``; a reordered packet waits up to ``reorder_s`` more.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    reorder_s: float = 0.05
    bandwidth_bytes_s: float = 0.0
    """0: without limit."""
    mtu_bytes: int = 65_507

    def with_more(self, other: Weather) -> Weather:
        """Both together."""
        rates = [rate for rate in (self.bandwidth_bytes_s, other.bandwidth_bytes_s) if rate]
        return Weather(
            latency_s=self.latency_s + other.latency_s,
            jitter_s=self.jitter_s + other.jitter_s,
            loss=1.0 - (1.0 - self.loss) * (1.0 - other.loss),
            duplication=max(self.duplication, other.duplication),
            reordering=max(self.reordering, other.reordering),
            reorder_s=max(self.reorder_s, other.reorder_s),
            bandwidth_bytes_s=min(rates, default=0.0),
            mtu_bytes=min(self.mtu_bytes, other.mtu_bytes),
        )


LAN: Final = Weather(latency_s=0.000_3, jitter_s=0.000_2)
"""Hosts on one switch."""


class Spell(NamedTuple):
    """Weather that holds for a while, from ``source`` to ``target`` (None: any)."""

    weather: Weather
    source: str | None = None
    target: str | None = None


class Paths:
    """What lies between two hosts, by direction and IP address."""

    def __init__(self, weather: Weather = LAN) -> None:
        self.weather = weather
        self._spells: list[Spell] = []
        self._known: dict[tuple[str, str], Weather] = {}
        self._cuts: dict[tuple[str, str], int] = {}
        self._down: dict[str, bool] = {}

    def between(self, source: str, target: str) -> Weather:
        """The weather from ``source`` to ``target``, all spells that hold included."""
        found = self._known.get((source, target))
        if found is None:
            found = self.weather
            for spell in self._spells:
                if spell.source in (None, source) and spell.target in (None, target):
                    found = found.with_more(spell.weather)
            self._known[source, target] = found
        return found

    def begin(self, spell: Spell) -> None:
        """The spell holds from now on."""
        self._spells.append(spell)
        self._known.clear()

    def end(self, spell: Spell) -> None:
        """The spell is over; one that never began is no error."""
        if spell in self._spells:
            self._spells.remove(spell)
        self._known.clear()

    def cut(self, source: str, target: str) -> None:
        """Nothing passes from ``source`` to ``target`` until mended as often as cut."""
        self._cuts[source, target] = self._cuts.get((source, target), 0) + 1

    def mend(self, source: str, target: str) -> None:
        """Undo one ``cut``."""
        left = self._cuts.pop((source, target), 0) - 1
        if left > 0:
            self._cuts[source, target] = left

    def power(self, ip: str, on: bool) -> None:
        """A host without power neither receives nor answers anything."""
        if on:
            self._down.pop(ip, None)
        else:
            self._down[ip] = True

    def is_up(self, ip: str) -> bool:
        """Whether the host has power (its process may still not run)."""
        return ip not in self._down

    def is_open(self, source: str, target: str) -> bool:
        """Whether packets pass from ``source`` to ``target`` at all."""
        if not self._cuts and not self._down:
            return True
        return (source, target) not in self._cuts and source not in self._down and target not in self._down

    def mend_all(self) -> None:
        """No cut and no spell any more; power stays as it is."""
        self._cuts.clear()
        self._spells.clear()
        self._known.clear()


class Bursts:
    """Loss that comes in bursts, on each way between two hosts for itself.

    A way is good or bad for exponentially distributed times; while it is bad a packet is lost with ``loss``.
    Source: the model of Gilbert and Elliott.
    """

    def __init__(self, rng: Random, *, loss: float, bad_s: float, good_s: float) -> None:
        self._rng = rng
        self._loss = loss
        self._mean_s = (good_s, bad_s)
        self._ways: dict[tuple[str, str], tuple[bool, float]] = {}
        """Whether a way is bad, and until when it stays as it is."""

    def lose(self, now: float, source: str, target: str) -> bool:
        """Whether a packet is lost that is sent now."""
        rng = self._rng
        bad, until = self._ways.get((source, target)) or self._first(now)
        while until <= now:
            bad = not bad
            until += rng.expovariate(1 / self._mean_s[bad])
        self._ways[source, target] = bad, until
        return bad and rng.random() < self._loss

    def _first(self, now: float) -> tuple[bool, float]:
        good_s, bad_s = self._mean_s
        bad = self._rng.random() * (good_s + bad_s) < bad_s
        return bad, now + self._rng.expovariate(1 / self._mean_s[bad])


Receive: TypeAlias = Callable[[bytes, Address], None]


@dataclass(slots=True)
class DatagramCounters:
    """What became of datagrams."""

    sent: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    cut: int = 0
    unheard: int = 0
    """Nobody had the port."""
    too_big: int = 0
    queue_full: int = 0


class Datagrams:
    """UDP: a packet arrives whole once, twice, late, out of order, or never."""

    def __init__(self, world: World, paths: Paths) -> None:
        self.counters = DatagramCounters()
        self.bursts: Bursts | None = None
        self._world = world
        self._paths = paths
        self._rng = world.rng("datagrams")
        self._sockets: dict[Address, Receive] = {}
        self._free_at: dict[tuple[str, str], float] = {}

    def bind(self, address: Address, receive: Receive) -> None:
        """Packets for ``address`` go to ``receive(data, source)`` from now on."""
        assert address not in self._sockets, f"{address} is in use"
        self._sockets[address] = receive

    def unbind(self, address: Address) -> None:
        """Packets for ``address`` are lost from now on."""
        self._sockets.pop(address, None)

    def send(self, source: Address, to: Address, data: bytes) -> None:
        """Send one packet."""
        self.counters.sent += 1
        if source[0] == to[0]:
            self._world.after(LOOPBACK_S, self._arrive, source, to, data)
            return
        weather = self._paths.between(source[0], to[0])
        if len(data) > weather.mtu_bytes:
            self.counters.too_big += 1
        elif not self._paths.is_open(source[0], to[0]):
            self.counters.cut += 1
        else:
            self._travel(weather, source, to, data)

    def _travel(self, weather: Weather, source: Address, to: Address, data: bytes) -> None:
        rng = self._rng
        copies = 2 if weather.duplication and rng.random() < weather.duplication else 1
        self.counters.duplicated += copies - 1
        for _ in range(copies):
            if (weather.loss and rng.random() < weather.loss) or self._in_burst(source[0], to[0]):
                self.counters.lost += 1
                continue
            delay_s = weather.latency_s + weather.jitter_s * rng.random()
            if weather.reordering and rng.random() < weather.reordering:
                delay_s += weather.reorder_s * rng.random()
            if weather.bandwidth_bytes_s:
                queued_s = self._queue(weather, source[0], to[0], len(data))
                if queued_s is None:
                    continue
                delay_s += queued_s
            self._world.after(delay_s, self._arrive, source, to, data)

    def _in_burst(self, source: str, target: str) -> bool:
        return self.bursts is not None and self.bursts.lose(self._world.now, source, target)

    def _queue(self, weather: Weather, source: str, target: str, size_bytes: int) -> float | None:
        """Seconds until the packet has left a narrow path; None when the queue is full."""
        now = self._world.now
        start = max(now, self._free_at.get((source, target), 0.0))
        if start - now > QUEUE_S_MAX:
            self.counters.queue_full += 1
            return None
        self._free_at[source, target] = start + size_bytes / weather.bandwidth_bytes_s
        return self._free_at[source, target] - now

    def _arrive(self, source: Address, to: Address, data: bytes) -> None:
        receive = self._sockets.get(to)
        if receive is None or not self._paths.is_up(to[0]):
            self.counters.unheard += 1
            return
        self.counters.delivered += 1
        self._world.trace(data)
        receive(data, source)

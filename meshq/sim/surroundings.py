"""What nodes and clients take from around them in a simulated mesh: hosts, epochs and names that follow from the seed.

Decides on which simulated host code is: that of its process, or, for what watches from outside, one that no fault
touches (a node made there gets a host of its own, named like it).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from meshq.config import Config
from meshq.engine.engine import Engine
from meshq.machine.events import Event
from meshq.names import Epoch
from meshq.runtime.keyfile import HeldKeys
from meshq.sim.embedded import EmbeddedHost
from meshq.sim.fleet import Fleet
from meshq.sim.host import Host
from meshq.sim.hostclock import BORN_NS
from meshq.sim.network import Weather
from meshq.sim.process import PROCESS
from meshq.sim.start import Machine, Start

OUTSIDE_IP: Final = "10.255.0.1"
LOCAL: Final = ("localhost", "127.0.0.1")


class SimulatedSurroundings:
    """Fits ``meshq.runtime.surroundings``; ``fleet`` has the hosts."""

    threads = False

    def __init__(self, seed: int, weather: Weather, *, stores: bool = True) -> None:
        self.fleet = Fleet(seed, self._build, weather=weather, stores=stores)
        self.fleet.on_turn.append(self._turned)
        self.fleet.on_event.append(self._event)
        self._embedded: dict[str, EmbeddedHost] = {}
        """Whose machine runs, or ran last, on each host."""
        self._rng = self.fleet.world.rng("surroundings")
        self._numbers = count(1)

    def host(
        self,
        config: Config,
        *,
        bind: str | None,
        port: int | None,
        advertise: str | None,
        open_to_all: bool,
        on_event: Callable[[Event], None] | None,
        data: Path | None,
        keys: HeldKeys | None,
    ) -> EmbeddedHost:
        """The host of the process that asks. Its address is the host's, whatever else was asked for."""
        process = PROCESS.get()
        host = process.host if process is not None else self._own_host(config.name)
        if keys is not None and not host.keys:
            host.keys = keys.ring.text()
        return EmbeddedHost(host, config, self._begin, on_event)

    def entropy(self, size: int, /) -> bytes:
        return self._rng.randbytes(size)

    def epoch(self) -> Epoch:
        clock_ms = BORN_NS // 1_000_000 + int(self.fleet.world.now * 1000)
        return Epoch(clock_ms, self._rng.getrandbits(64))

    def client_name(self) -> str:
        process = PROCESS.get()
        return f"{process.host.name if process is not None else 'outside'}-{next(self._numbers)}"

    def node_name(self, data: Path | None) -> str:
        return f"node-{next(self._numbers)}"

    def ip(self) -> str:
        """The address of the host on which the code that asks runs."""
        process = PROCESS.get()
        return OUTSIDE_IP if process is None else process.host.ip

    def find(self, host: str) -> str | None:
        """The address of a host by name or address; None when there is no such host."""
        if host in LOCAL:
            return self.ip()
        found = self.fleet.lookup.get(host)
        if found:
            return found[0]
        return host if any(each.ip == host for each in self.fleet.hosts.values()) else None

    def _own_host(self, name: str) -> Host:
        return self.fleet.hosts.get(name) or self.fleet.add(name)

    def _begin(self, embedded: EmbeddedHost) -> None:
        self._embedded[embedded.host.name] = embedded
        embedded.host.start()

    def _build(self, start: Start) -> Machine:
        config = self._embedded[start.name].config
        return Engine(
            config, start.epoch, start.rng, bound=start.bound, recovered=start.recovered, secrecy=start.secrecy
        )

    def _turned(self, host: Host) -> None:
        self._embedded[host.name].turned()

    def _event(self, host: Host, event: Event) -> None:
        self._embedded[host.name].event(event)

"""Engines on simulated hosts, and a client that says what a test tells it to and keeps what it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from meshq.config import BrokerConfig, Config, LinkConfig, RoutingConfig
from meshq.engine import Engine
from meshq.link.client import ClientSession
from meshq.names import Epoch
from meshq.sim.ends import End
from meshq.sim.fleet import Fleet
from meshq.sim.start import Machine, Start
from meshq.wire import bodies
from meshq.wire.frames import Frame
from meshq.wire.keyring import Keyring, Secrecy

F = TypeVar("F")
WITHIN_S = 20.0


class Cast:
    """Nodes n1, n2, ... that join by the first; ``zones`` and limits by name."""

    def __init__(
        self,
        names: tuple[str, ...] = ("n1", "n2"),
        *,
        seed: int = 1,
        link: LinkConfig | None = None,
        broker: BrokerConfig | None = None,
        routing: RoutingConfig | None = None,
        zones: dict[str, str] | None = None,
        seeds: dict[str, tuple[str, ...]] | None = None,
        labels: dict[str, str] | None = None,
        stores: bool = False,
        keys: dict[str, Keyring] | None = None,
    ) -> None:
        self._names = names
        self._link = link or LinkConfig()
        self._broker = broker or BrokerConfig()
        self._routing = routing or RoutingConfig()
        self._zones = zones or {}
        self._seeds = seeds or {}
        self._labels = labels or {}
        self.fleet = Fleet(seed, self._build, stores=stores)
        for name in names:
            self.fleet.add(name).keys = keys[name].text() if keys and name in keys else ""

    def start(self) -> Cast:
        """Start all and wait until each knows all."""
        self.fleet.start_all()
        self.until(
            lambda: all(len(self.engine(name).membership.alive()) == len(self._names) - 1 for name in self._names)
        )
        return self

    def engine(self, name: str) -> Engine:
        machine = self.fleet.hosts[name].machine
        assert isinstance(machine, Engine)
        return machine

    def until(self, condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        assert self.fleet.world.run_while(lambda: not condition(), within_s=within_s, check_s=0.01) or condition()

    def run(self, for_s: float) -> None:
        self.fleet.world.run_until(self.fleet.world.now + for_s)

    def client(self, node: str, *, label: str = "", remote: bool = False, secrecy: Secrecy | None = None) -> Talker:
        return Talker(self, node, label, remote, secrecy)

    def _build(self, start: Start) -> Machine:
        seeds = self._seeds.get(start.name, () if start.name == self._names[0] else (self._names[0],))
        config = Config(
            name=start.name,
            seeds=seeds,
            label=self._labels.get(start.name, "meshq"),
            link=self._link,
            broker=self._broker,
            routing=self._routing,
            zone=self._zones.get(start.name, ""),
        )
        return Engine(
            config.check(),
            start.epoch,
            start.rng,
            bound=start.bound,
            recovered=start.recovered,
            secrecy=start.secrecy,
        )


class Talker:
    """A client connection of a test."""

    def __init__(self, cast: Cast, node: str, label: str, remote: bool, secrecy: Secrecy | None) -> None:
        self._cast = cast
        self._world = cast.fleet.world
        self.heard: list[Frame] = []
        self.over = False
        self.session = ClientSession(
            LinkConfig(), self._world.now, label=label, name="talker", epoch=Epoch(1, 1), secrecy=secrecy
        )
        if remote:
            end: End | None = cast.fleet.streams.dial("10.200.0.1", cast.fleet.address(node), self)
        else:
            end = cast.fleet.hosts[node].pipe(self)
        assert end is not None
        self._end = end
        if end.connected:
            self.say()

    def say(self) -> None:
        """Write what the session has queued."""
        chunks = self.session.output(self._world.now)
        if chunks:
            self._end.write(chunks)

    def publish(self, topic: str, *messages: bytes, request: int = 1, **options: Any) -> None:
        self.session.publish(request, topic, len(messages), bodies.encode(list(messages)), options)
        self.say()

    def expect_up(self) -> None:
        """Wait until the node has said hello."""
        self._cast.until(lambda: self.session.up)

    def close(self) -> None:
        self._end.close()

    def expect(self, kind: type[F], count: int = 1) -> F:
        """Wait until ``count`` frames of that kind were heard; the last of them."""
        self._cast.until(lambda: len(self.all(kind)) >= count or self.over)
        assert len(self.all(kind)) >= count, self.heard
        return self.all(kind)[count - 1]

    def all(self, kind: type[F]) -> list[F]:
        return [frame for frame in self.heard if isinstance(frame, kind)]

    # The stream's owner.

    def stream_accepted(self, end: End) -> None:
        raise AssertionError("nobody dials a client")

    def stream_connected(self, end: End) -> None:
        self.say()

    def stream_buffered(self, end: End, size_bytes: int) -> None:
        pass

    def stream_readable(self, end: End) -> None:
        data = end.read(self._world.rng("talker"))
        if data:
            self.heard += self.session.receive(self._world.now, data)
            self.say()
        if end.ended is not None:
            self.over = True
        elif end.waiting:
            end.notice()

"""A small machine for testing the simulator: it answers, counts, ticks and stores, and keeps a log of its inputs."""

from __future__ import annotations

from meshq.machine.effects import (
    Address,
    Close,
    Dial,
    Effect,
    Emit,
    Load,
    LoadDue,
    Resolve,
    SendDatagram,
    Stop,
    Store,
    Write,
)
from meshq.machine.store import BatchRow, Row
from meshq.sim.fleet import Fleet
from meshq.sim.network import LAN, Weather
from meshq.sim.start import Start


class Parrot:
    """Answers each datagram that starts with ``?`` and each stream's bytes with the same bytes, in capitals."""

    def __init__(self, start: Start) -> None:
        self.started = start
        self.log: list[tuple[object, ...]] = []
        self.tick_every_s: float | None = None
        self.answers = True
        self._due: float | None = None
        self._numbers = 1
        self._out: list[Effect] = []

    def start(self, now: float, wall_ns: int) -> None:
        self.log.append(("start", now, wall_ns))

    def wall(self, now: float, wall_ns: int) -> None:
        self.log.append(("wall", now, wall_ns))

    def datagram(self, now: float, data: bytes, source: Address) -> None:
        self.log.append(("datagram", now, data))
        if data.startswith(b"?"):
            self._out.append(SendDatagram(source, data[1:]))

    def accepted(self, now: float, source: Address) -> int:
        self._numbers += 2
        self.log.append(("accepted", now, self._numbers))
        return self._numbers

    def connected(self, now: float, stream: int, local: Address, peer: Address) -> None:
        self.log.append(("connected", now, stream))

    def received(self, now: float, stream: int, data: bytes) -> None:
        self.log.append(("received", now, stream, data))
        if self.answers and stream % 2:
            self._out.append(Write(stream, [data.upper()]))

    def closed(self, now: float, stream: int, reason: str) -> None:
        self.log.append(("closed", now, stream, reason))

    def buffered(self, now: float, stream: int, size_bytes: int) -> None:
        self.log.append(("buffered", now, stream, size_bytes))

    def resolved(self, now: float, query: int, addresses: list[Address]) -> None:
        self.log.append(("resolved", now, query, addresses))

    def stored(self, now: float, token: int) -> None:
        self.log.append(("stored", now, token))

    def unstored(self, now: float, token: int, why: str) -> None:
        self.log.append(("unstored", now, token, why))

    def loaded(self, now: float, token: int, rows: list[BatchRow] | None) -> None:
        self.log.append(("loaded", now, token, rows))

    def store_health(self, now: float, text: str, *, full: bool) -> None:
        self.log.append(("store_health", now, text, full))

    def tick(self, now: float) -> None:
        self.log.append(("tick", now))
        if self.tick_every_s is not None:
            self._due = now + self.tick_every_s

    def ahead(self) -> list[Effect]:
        return []

    def effects(self) -> list[Effect]:
        out, self._out = self._out, []
        return out

    def deadline(self) -> float | None:
        return self._due

    # What tests ask for, through ``host.call``.

    def send(self, now: float, to: Address, data: bytes) -> None:
        self._out.append(SendDatagram(to, data))

    def dial(self, now: float, stream: int, to: Address) -> None:
        self._out.append(Dial(stream, to))

    def write(self, now: float, stream: int, *chunks: bytes) -> None:
        self._out.append(Write(stream, list(chunks)))

    def close(self, now: float, stream: int, abort: bool = False) -> None:
        self._out.append(Close(stream, abort))

    def store(self, now: float, token: int, rows: list[Row], sync: bool = False) -> None:
        self._out.append(Store(token, rows, sync))

    def load(self, now: float, ask: Load | LoadDue) -> None:
        self._out.append(ask)

    def resolve(self, now: float, query: int, host: str) -> None:
        self._out.append(Resolve(query, host, 4155))

    def tick_every(self, now: float, every_s: float) -> None:
        self.tick_every_s, self._due = every_s, now + every_s

    def stop(self, now: float) -> None:
        self._out.append(Emit("goodbye"))
        self._out.append(Stop(None, 3))

    def drain(self, now: float, timeout_s: float) -> None:
        self.log.append(("drain", now, timeout_s))
        self.stop(now)

    # What tests look at.

    def times(self, kind: str) -> list[float]:
        return [entry[1] for entry in self.log if entry[0] == kind and isinstance(entry[1], float)]

    def datagrams(self) -> list[bytes]:
        return [entry[2] for entry in self.log if entry[0] == "datagram" and isinstance(entry[2], bytes)]

    def bytes_of(self, stream: int) -> bytes:
        return b"".join(
            entry[3]
            for entry in self.log
            if entry[0] == "received" and entry[2] == stream and isinstance(entry[3], bytes)
        )

    def ends_of(self, stream: int) -> list[object]:
        return [entry[3] for entry in self.log if entry[0] == "closed" and entry[2] == stream]

    def kinds(self) -> list[object]:
        return [entry[0] for entry in self.log]


def parrots(count: int = 2, seed: int = 1, weather: Weather = LAN) -> Fleet:
    """A fleet of ``count`` parrots a, b, c ..., all running."""
    fleet = Fleet(seed, Parrot, weather=weather)
    for name in "abcdefgh"[:count]:
        fleet.add(name)
    fleet.start_all()
    fleet.world.run_until(0.01)
    return fleet


def parrot(fleet: Fleet, name: str) -> Parrot:
    """The machine that runs on host ``name``."""
    machine = fleet.hosts[name].machine
    assert isinstance(machine, Parrot)
    return machine

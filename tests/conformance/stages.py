"""Where the suite is played: real hosts on loopback, on either event loop, or the simulator.

A stage gives recorders an address and carries them until a condition holds.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import pytest

from meshq.config import Config
from meshq.machine.effects import Address, Effect
from meshq.machine.rng import Rng
from meshq.machine.store import Recovered
from meshq.names import Epoch
from meshq.runtime.host import Host
from meshq.runtime.store.folder import DATABASE
from meshq.runtime.store.opening import open_store
from meshq.sim.fleet import Fleet
from meshq.sim.start import Start
from meshq.wire.keyring import Secrecy
from tests.conformance.recorder import Recorder

WITHIN_S = 20.0


class Player(NamedTuple):
    """A recorder with an address. ``act`` has it ask for effects, in a turn of its own."""

    machine: Recorder
    address: Address
    act: Callable[..., None]


class Stage(Protocol):
    """Any driver."""

    machines: list[Recorder]

    def add(self, name: str) -> Player: ...

    def nowhere(self) -> Address:
        """An address of a host that is up, where nobody listens."""

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until the condition holds; fails when it does not within WITHIN_S."""

    def stand_still(self, player: Player, for_s: float, packets: Sequence[bytes]) -> None:
        """The player's process does not run for a while, in which somebody sends it ``packets``."""

    def move_wall(self, player: Player, by_s: float) -> None:
        """The wall clock of the player's host jumps."""

    def close(self) -> None: ...


class DurableStage(Stage, Protocol):
    """A driver whose hosts keep rows beyond the end of a process."""

    def kill(self, name: str) -> None:
        """The process dies."""

    def again(self, name: str) -> Player:
        """A new process on that host, with a new recorder."""

    def kept(self, name: str) -> list[Any]:
        """The rows that a process would find, in the order in which they were stored."""


class RealStage:
    """Hosts of meshq.runtime on 127.0.0.1, each with a data directory.

    ``kill`` gives the next host of that name what lies in the files at that moment, as the end of a process leaves
    them; the one before hears of nothing any more.
    """

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self._hosts: list[Host] = []
        self._folders = Path(tempfile.mkdtemp(prefix="meshq-stage-"))
        self._homes: dict[str, Path] = {}
        self._named: dict[str, Host] = {}
        self.machines: list[Recorder] = []
        self._moved_ns = 0
        self._patch = pytest.MonkeyPatch()
        clock = SimpleNamespace(time_ns=lambda: time.time_ns() + self._moved_ns, monotonic_ns=time.monotonic_ns)
        self._patch.setattr("meshq.runtime.clock.time", clock)
        self._patch.setattr("meshq.runtime.turns.WALL_CHECK_S", 0.01)

    def add(self, name: str) -> Player:
        machine = Recorder()
        self.machines.append(machine)

        def factory(
            config: Config,
            epoch: Epoch,
            rng: Rng,
            *,
            bound: Address,
            advertised: Address | None,
            recovered: Recovered | None,
            secrecy: Secrecy | None,
        ) -> Recorder:
            return machine

        def act(*effects: Effect) -> None:
            machine.pending += effects
            host.drain(0.0)  # any input ends in a turn

        home = self._homes.setdefault(name, self._folders / name)
        host = Host(Config(name=name), bind="127.0.0.1", port=0, factory=factory, data=home)
        self._runner.run(host.start())
        self._hosts.append(host)
        self._named[name] = host
        return Player(machine, host.address, act)

    def kill(self, name: str) -> None:
        self._runner.run(self._end(self._named[name]))
        self._homes[name] = self._copied(name)

    def again(self, name: str) -> Player:
        return self.add(name)

    def kept(self, name: str) -> list[Any]:
        connection, recovered = open_store(self._copied(name) / DATABASE)
        connection.close()
        return [put for put in recovered.puts if put.kind == "note"]

    async def _end(self, host: Host) -> None:
        host.stop_now()

    def _copied(self, name: str) -> Path:
        """The data directory, as a crash of its process would leave it."""
        files = [self._homes[name] / (DATABASE + ending) for ending in ("", "-wal")]
        copy = Path(tempfile.mkdtemp(dir=self._folders))
        before = None
        while before != (before := [file.stat().st_mtime_ns for file in files]):  # both as of one moment
            for file in files:
                shutil.copy(file, copy)
        return copy

    def nowhere(self) -> Address:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return ("127.0.0.1", int(probe.getsockname()[1]))

    def until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(WITHIN_S):
                while not condition():  # noqa: ASYNC110 - the condition is the test's, any of it
                    await asyncio.sleep(0.001)

        self._runner.run(wait())

    def stand_still(self, player: Player, for_s: float, packets: Sequence[bytes]) -> None:
        async def stand() -> None:
            with socket.socket(type=socket.SOCK_DGRAM) as peer:
                for packet in packets:
                    peer.sendto(packet, player.address)
            time.sleep(for_s)  # noqa: ASYNC251 - the loop, and with it every host on it, stands still

        self._runner.run(stand())

    def move_wall(self, player: Player, by_s: float) -> None:
        self._moved_ns += int(by_s * 1e9)

    def close(self) -> None:
        async def all_closed() -> None:
            for host in self._hosts:
                host.stop_now()
            await asyncio.gather(*(host.close() for host in self._hosts))

        self._runner.run(all_closed())
        self._runner.close()
        self._patch.undo()
        shutil.rmtree(self._folders)


class SimulatedStage:
    """Hosts of meshq.sim."""

    def __init__(self) -> None:
        self.machines: list[Recorder] = []
        self._fleet = Fleet(7, self._build)

    def add(self, name: str) -> Player:
        self._fleet.add(name)
        return self.again(name)

    def again(self, name: str) -> Player:
        host = self._fleet.hosts[name]
        host.restart()
        machine = self.machines[-1]

        def act(*effects: Effect) -> None:
            machine.pending += effects
            if host.machine is machine:
                host.call("drain", 0.0)

        return Player(machine, host.address, act)

    def nowhere(self) -> Address:
        return (next(iter(self._fleet.hosts.values())).address[0], 9)

    def until(self, condition: Callable[[], bool]) -> None:
        held = self._fleet.world.run_while(lambda: not condition(), within_s=WITHIN_S, check_s=0.001)
        assert held, "the condition did not come to hold"

    def stand_still(self, player: Player, for_s: float, packets: Sequence[bytes]) -> None:
        host = next(host for host in self._fleet.hosts.values() if host.address == player.address)
        host.pause()
        for packet in packets:
            self._fleet.datagrams.send(("10.0.0.99", 9), player.address, packet)
        self._fleet.world.run_until(self._fleet.world.now + for_s)
        host.resume()

    def move_wall(self, player: Player, by_s: float) -> None:
        for host in self._fleet.hosts.values():
            if host.address == player.address:
                host.skew(by_s)

    def kill(self, name: str) -> None:
        self._fleet.crash(name)

    def power_cut(self, name: str) -> None:
        self._fleet.crash(name, host=True)

    def kept(self, name: str) -> list[Any]:
        return self._fleet.hosts[name].disk.recovered().puts

    def close(self) -> None:
        return

    def _build(self, start: Start) -> Recorder:
        self.machines.append(Recorder())
        return self.machines[-1]

"""Where the suite is played: real hosts on loopback, on either event loop, or the simulator.

A stage gives recorders an address and carries them until a condition holds.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import NamedTuple, Protocol

from meshq.config import Config
from meshq.machine.effects import Address, Effect
from meshq.machine.rng import Rng
from meshq.names import Epoch
from meshq.runtime.host import Host
from meshq.sim.fleet import Fleet
from meshq.sim.host import Start
from tests.conformance.recorder import Recorder

WITHIN_S = 20.0


class Player(NamedTuple):
    """A recorder with an address. ``act`` has it ask for effects, in a turn of its own."""

    machine: Recorder
    address: Address
    act: Callable[..., None]


class Stage(Protocol):
    """Any driver."""

    def add(self, name: str) -> Player: ...

    def nowhere(self) -> Address:
        """An address of a host that is up, where nobody listens."""

    def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until the condition holds; fails when it does not within WITHIN_S."""

    def close(self) -> None: ...


class RealStage:
    """Hosts of meshq.runtime on 127.0.0.1."""

    def __init__(self, loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self._hosts: list[Host] = []

    def add(self, name: str) -> Player:
        machine = Recorder()

        def factory(config: Config, epoch: Epoch, rng: Rng, *, bound: Address, advertised: Address | None) -> Recorder:
            return machine

        def act(*effects: Effect) -> None:
            machine.pending += effects
            host.drain(0.0)  # any input ends in a turn

        host = Host(Config(name=name), bind="127.0.0.1", port=0, factory=factory)
        self._runner.run(host.start())
        self._hosts.append(host)
        return Player(machine, host.address, act)

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

    def close(self) -> None:
        async def all_closed() -> None:
            for host in self._hosts:
                host.stop_now()
            await asyncio.gather(*(host.close() for host in self._hosts))

        self._runner.run(all_closed())
        self._runner.close()


class SimulatedStage:
    """Hosts of meshq.sim."""

    def __init__(self) -> None:
        self._machines: dict[str, Recorder] = {}
        self._fleet = Fleet(7, self._build)

    def add(self, name: str) -> Player:
        machine = self._machines[name] = Recorder()

        def act(*effects: Effect) -> None:
            machine.pending += effects
            host.call("drain", 0.0)

        host = self._fleet.add(name)
        host.start()
        return Player(machine, host.address, act)

    def nowhere(self) -> Address:
        return (next(iter(self._fleet.hosts.values())).address[0], 9)

    def until(self, condition: Callable[[], bool]) -> None:
        held = self._fleet.world.run_while(lambda: not condition(), within_s=WITHIN_S, check_s=0.001)
        assert held, "the condition did not come to hold"

    def close(self) -> None:
        return

    def _build(self, start: Start) -> Recorder:
        return self._machines[start.name]

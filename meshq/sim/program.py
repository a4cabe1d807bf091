"""The program of one simulated host: a node of the mesh's, services beside it, begun anew with each process.

Decides what starts when a process starts, and what its end means to the others. What faults do to processes is the
fleet's; when they begin and end for good is the mesh's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from meshq.config import Config
from meshq.node import Node
from meshq.sim.host import Host
from meshq.sim.process import Process

Service: TypeAlias = Callable[[], Coroutine[Any, Any, object]]
"""Makes the coroutine that a process runs, anew for each of its starts."""


class Program:
    """Fits ``sim.start.Guest``. With ``config`` a node runs first, and services once it is open."""

    def __init__(
        self,
        host: Host,
        config: Config | None,
        failed: Callable[[str, BaseException], None],
        note: Callable[[str, str], None],
    ) -> None:
        """``failed`` hears of the host and the error of what fails, ``note`` a line and the host for the timeline."""
        self.host = host
        self.node: Node | None = None
        """The node, while it is open."""
        self.processes: list[Process] = []
        """One for each start; the last may be alive."""
        self.config = config
        """The node's settings; None on a host without one."""
        self._failed = failed
        self._note = note
        self._serving = False
        self._services: list[Service] = []

    @property
    def alive(self) -> bool:
        return bool(self.processes) and self.processes[-1].alive

    def add(self, service: Service) -> None:
        """One more service, from now on and after each start."""
        self._services.append(service)
        if self._serving:
            self._serve(service)

    def boot(self) -> None:
        process = Process(self.host)
        self.processes.append(process)
        self._serving = False
        process.spawn(asyncio.get_running_loop(), self._main(process), f"process:{self.host.name}")

    def died(self) -> None:
        self.node = None
        self._serving = False
        if self.alive:
            self.processes[-1].die()

    def resumed(self) -> None:
        if self.alive:
            self.processes[-1].go_on(asyncio.get_running_loop())

    async def _main(self, process: Process) -> None:
        if self.config is None:
            self._serve_all()
            return
        try:
            async with Node(config=self.config, loop="shared", drain_timeout_s=0.0) as node:
                self.node = node
                self._serve_all()
                await node.stopped()
        except Exception as exc:
            self._failed(self.host.name, exc)
        self.node = None
        self._serving = False
        process.die()

    def _serve_all(self) -> None:
        self._serving = True
        for service in self._services:
            self._serve(service)

    def _serve(self, service: Service) -> None:
        loop = asyncio.get_running_loop()
        self.processes[-1].spawn(loop, self._play(service), f"service:{self.host.name}")

    async def _play(self, service: Service) -> None:
        try:
            await service()
            self._note("a service has ended", self.host.name)
        except Exception as exc:
            self._failed(self.host.name, exc)

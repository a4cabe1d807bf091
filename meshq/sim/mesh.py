"""A simulated mesh for users: real nodes on simulated hosts, their services beside them, and the hand of fate.

``Mesh(nodes=5, seed=7).run(main())`` plays asyncio code in virtual time. The nodes are ``meshq.Node``; hosts, network,
disks and clocks are simulated, and all that happens follows from the seed. Decides how a run begins and ends, and which
program lives on which host; what may befall it is in ``hand``, what code does is its author's.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from meshq.config import Config
from meshq.errors import Closed, LocalProtocolError
from meshq.machine.events import Event
from meshq.node import Node
from meshq.sim.clocks import virtual_clocks
from meshq.sim.drawing import Diagram, svg
from meshq.sim.hand import Hand
from meshq.sim.loop import VirtualLoop
from meshq.sim.network import LAN, Weather
from meshq.sim.program import Program, Service
from meshq.sim.surroundings import SimulatedSurroundings

OPEN_S: Final = 30.0
END_S: Final = 10.0
CHECK_S: Final = 0.01
WITHIN_S: Final = 3_600.0
SEEDS: Final = 2
"""Other nodes that each node is told of."""
TIMELINE_LINES: Final = 60

T = TypeVar("T")


class Happened(NamedTuple):
    """One event of the log: at which virtual second which node told what."""

    at_s: float
    node: str
    event: Event


class Mesh(Hand):
    """A mesh of ``nodes`` (named n1, n2 ..., or as given) for one run.

    ::

        mesh = Mesh(nodes=3, seed=7)

        async def main() -> None:
            async with mesh.node("n2").subscribe("orders", "billing") as messages:
                await mesh.node("n1").publish("orders", b"one")
                mesh.cut("n1", "n2")
                message = await anext(messages)

        mesh.run(main())

    ``main`` is on no host: no fault touches it, and it reaches nodes by ``node(name)`` or ``meshq.connect(name)``.
    Services and faults may be given before the run as well.
    """

    def __init__(
        self, nodes: int | Iterable[str] = 3, *, seed: int = 1, config: Config | None = None, weather: Weather = LAN,
        store: bool = True,
    ) -> None:  # fmt: skip
        """``config`` holds for all nodes but for name and seeds; ``weather`` is the network's on a good day.

        ``store``: each node has one on its host's disk, so that a restart finds what was confirmed; without, nodes
        keep messages in memory only.
        """
        self.seed = seed
        self.names = _names(nodes)
        self._surroundings = SimulatedSurroundings(seed, weather, stores=store)
        super().__init__(self._surroundings.fleet)
        self._loop: VirtualLoop | None = None
        self._failure: asyncio.Future[None]
        self._programs: dict[str, Program] = {}
        self._told = ""
        self._diagram: Diagram | None = None
        for at, name in enumerate(self.names):
            seeds = tuple(self.names[(at + 1 + more) % len(self.names)] for more in range(len(self.names) - 1)[:SEEDS])
            self._add(name, replace(config or Config(name=name), name=name, seeds=seeds).check())

    # Running

    def run(self, main: Coroutine[Any, Any, T], *, within_s: float = WITHIN_S) -> T:
        """Open the nodes, play ``main`` to its end, and end everything; returns or raises what it does.

        A service that fails ends the run with its error. Raises TimeoutError when ``main`` takes longer than
        ``within_s`` virtual seconds, LocalProtocolError on a second run. Meanwhile the global ``random`` follows from
        the seed, and the clocks of ``time`` are virtual.
        """
        self._check_run(main)
        loop = self._loop = VirtualLoop(self._fleet.world, self._fleet.streams, self._surroundings)
        self._failure = loop.create_future()
        chance = random.getstate()
        random.seed(self.seed)
        try:
            with virtual_clocks(self._fleet.world):
                try:
                    return loop.run_until_complete(self._play(main, within_s))
                finally:
                    if inspect.getcoroutinestate(main) == inspect.CORO_CREATED:
                        main.close()
                    self._told, self._diagram = self.report(), self._drawn()
                    self._end(loop)
        finally:
            random.setstate(chance)

    async def run_until(self, condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Wait until ``condition()`` holds; TimeoutError when it does not within so many virtual seconds."""
        await self._wait(condition, within_s, "the condition did not come to hold")

    async def up(self, name: str) -> Node:
        """The node of that name, once it is open: after a restart. TimeoutError when it is not in half a minute."""
        program = self._program(name)
        await self._wait(lambda: program.node is not None, OPEN_S, f"node {name} did not open")
        return self.node(name)

    # Who is there

    def node(self, name: str) -> Node:
        """The open node of that name. Closed while it does not run, or is not open yet (``await up(name)``)."""
        node = self._program(name).node
        if node is None:
            raise Closed(f"node {name} is not open: await mesh.up({name!r}) once it has been started")
        return node

    def service(self, where: str, service: Service) -> None:
        """Have ``service()`` run in the process of node ``where``, or, if there is none, on a new host of that name.

        It begins when its node is open, dies with the process, stands still with it, and begins anew after a restart::

            mesh.service("n2", lambda: bill(mesh.node("n2"), table))
        """
        if not callable(service):
            if inspect.iscoroutine(service):
                service.close()
            raise LocalProtocolError("give what makes the coroutine, which is called at each start: lambda: bill(...)")
        if where not in self._programs:
            self._add(where, None)
            self._programs[where].add(service)
            if self._running():
                self._fleet.hosts[where].boot()
        else:
            self._programs[where].add(service)

    # Looking

    @property
    def events(self) -> list[Happened]:
        """What nodes told so far, in order; the newest 20,000."""
        return [Happened(*each) for each in self._fleet.events]

    @property
    def trace(self) -> str:
        """A hash of all that happened so far: equal for equal seeds."""
        return self._fleet.world.hash()

    def timeline(self, lines: int = TIMELINE_LINES) -> str:
        """The last ``lines`` of what happened, faults included, a line each."""
        return "\n".join(map(str, list(self._fleet.world.notes)[-lines:]))

    def report(self) -> str:
        """Seed, faults and timeline, for a failure; of the end of ``main``, once it has ended."""
        if self._told:
            return self._told
        planned = "".join(f"  {fault}\n" for fault in self.plan)
        return (
            f"{len(self.names)} nodes, seed {self.seed}, {self.now_s:.3f} virtual seconds, trace {self.trace}\n"
            f"{f'planned faults:{chr(10)}{planned}' if planned else ''}timeline:\n{self.timeline()}"
        )

    def draw(self, path: str | PathLike[str]) -> None:
        """Write a space-time diagram (SVG): nodes as lanes, faults, suspicions, deaths. After a run: of ``main``."""
        if not self.now_s:
            raise LocalProtocolError("nothing has happened yet: draw within the run, or after it")
        Path(path).write_text(svg(self._diagram or self._drawn()), encoding="utf-8")

    # Inside

    def _add(self, name: str, config: Config | None) -> None:
        host = self._fleet.add(name)
        self._programs[name] = host.guest = Program(host, config, self._failed, self.note)

    def _check_run(self, main: Coroutine[Any, Any, Any]) -> None:
        if not inspect.iscoroutine(main):
            raise LocalProtocolError(f"run takes a coroutine, as asyncio.run does: mesh.run(main()), not {main!r}")
        wrong = "a Mesh is good for one run: make a new one" if self._loop is not None else ""
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            wrong = "another event loop runs: call mesh.run from plain code, or await main() where the mesh runs"
        if wrong:
            main.close()
            raise LocalProtocolError(wrong)

    def _running(self) -> bool:
        return self._loop is not None and self._loop.is_running()

    async def _play(self, main: Coroutine[Any, Any, T], within_s: float) -> T:
        for name in self._programs:
            self._fleet.hosts[name].boot()
        opening = self._wait(self._open, OPEN_S, "the nodes did not open")
        await self._first(asyncio.create_task(opening, name="open"), OPEN_S + 1)
        return await self._first(asyncio.create_task(main, name="main"), within_s)

    def _open(self) -> bool:
        return all(program.node is not None for program in self._programs.values() if program.config is not None)

    async def _wait(self, condition: Callable[[], bool], within_s: float, otherwise: str) -> None:
        self._check_running()
        end_s = self.now_s + within_s
        while not (held := condition()):
            if self.now_s >= end_s:
                raise TimeoutError(f"{otherwise} within {within_s:g} s (seed {self.seed})")
            await asyncio.sleep(CHECK_S)
        if inspect.iscoroutine(held):
            held.close()
            raise LocalProtocolError("a condition is a plain function that returns whether it holds, not an async one")

    async def _first(self, task: asyncio.Task[T], within_s: float) -> T:
        """What the task comes to, unless a service fails first or time runs out."""
        await asyncio.wait((task, self._failure), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait((task,), timeout=END_S)
        if self._failure.done():
            self._failure.result()
        raise TimeoutError(f"{task.get_name()}() did not end within {within_s:g} virtual seconds (seed {self.seed})")

    def _failed(self, where: str, error: BaseException) -> None:
        error.add_note(f"raised by a service on {where}, at {self.now_s:.3f} virtual seconds, seed {self.seed}")
        if not self._failure.done():
            self._failure.set_exception(error)

    def _end(self, loop: VirtualLoop) -> None:
        """Cancel what runs, bury what was killed, close the loop."""
        living = [task for task, process in loop.tasks.items() if process is None or process.alive]
        for task in living:
            task.cancel()
        if living:
            loop.run_until_complete(asyncio.wait(living, timeout=END_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
        for task in list(loop.tasks):
            _bury(task)
        if self._failure.done():
            self._failure.exception()
        loop.close()

    def _program(self, name: str) -> Program:
        """The program with a node of the mesh's own, while the mesh runs."""
        self._known([name])
        self._check_running()
        program = self._programs.get(name)
        if program is None or program.config is None:
            raise LocalProtocolError(f"host {name} has no node of the mesh's own: there are {', '.join(self.names)}")
        return program

    def _check_running(self) -> None:
        if not self._running():
            raise LocalProtocolError(
                "the mesh does not run: mesh.run(main()), or an async test that the meshq plugin plays (one without the"
                " marks of asyncio or anyio, and without async fixtures; pytest-asyncio in its strict mode)"
            )

    def _drawn(self) -> Diagram:
        return self._recorder.diagram(f"{len(self.names)} nodes, seed {self.seed}")


def _names(nodes: int | Iterable[str]) -> tuple[str, ...]:
    names = tuple(f"n{number + 1}" for number in range(nodes)) if isinstance(nodes, int) else tuple(nodes)
    if isinstance(nodes, str) or not names or len(set(names)) < len(names):
        raise LocalProtocolError(f"nodes is how many, 1 or more, or a list of different names, not {nodes!r}")
    return names


def _bury(task: asyncio.Task[Any]) -> None:
    """Free what a killed task holds, now and not whenever memory is collected; what it has to say comes too late."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    main = task.get_coro()
    if isinstance(main, Coroutine):
        with suppress(BaseException):
            main.close()

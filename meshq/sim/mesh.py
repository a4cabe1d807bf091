"""A simulated mesh for users: real nodes on simulated hosts, their services beside them, and the hand of fate.

``Mesh(nodes=5, seed=7).run(main())`` plays asyncio code in virtual time. The nodes are ``meshq.Node``; hosts, network,
disks and clocks are simulated, and all that happens follows from the seed. Decides how a run begins and ends, and which
program lives on which host; what faults do is the fleet's, what code does is its author's.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from meshq.config import Config
from meshq.errors import Closed, LocalProtocolError
from meshq.machine.events import Event
from meshq.node import Node
from meshq.sim import faults, swarm
from meshq.sim.disk import Fate
from meshq.sim.drawing import Diagram, Recorder, svg
from meshq.sim.faults import Fault
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
Undo = Callable[[], None]


class Happened(NamedTuple):
    """One event of the log: at which virtual second which node told what."""

    at_s: float
    node: str
    event: Event


class Mesh:
    """A mesh of ``nodes`` (named n1, n2 ..., or as given) for one run.

    ::

        mesh = Mesh(nodes=3, seed=7)

        async def main() -> None:
            async with mesh.node("n2").subscribe("orders", "billing") as messages:
                await mesh.node("n1").publish("orders", b"one")
                mesh.cut("n1", "n2")
                message = await anext(messages)

        mesh.run(main())

    Everything may be called from ``main``, and before the run. Verbs of fate take effect at once; those that last are
    ended by what they return, or by their counterpart. Names that are none raise LocalProtocolError.
    """

    def __init__(
        self, nodes: int | Iterable[str] = 3, *, seed: int = 1, config: Config | None = None, weather: Weather = LAN
    ) -> None:
        """``config`` holds for all nodes but for name and seeds; ``weather`` is the network's on a good day."""
        self.seed = seed
        self.names = tuple(f"n{number + 1}" for number in range(nodes)) if isinstance(nodes, int) else tuple(nodes)
        self.plan: list[Fault] = []
        """Faults that were scheduled."""
        self._surroundings = SimulatedSurroundings(seed, weather)
        self._fleet = self._surroundings.fleet
        self._loop = VirtualLoop(self._fleet.world, self._fleet.streams, self._surroundings)
        self._programs: dict[str, Program] = {}
        self._disks: dict[str, Fate] = {}
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._ran = False
        self._told = ""
        self._recorder = Recorder(self._fleet)
        self._diagram: Diagram | None = None
        for at, name in enumerate(self.names):
            seeds = tuple(self.names[(at + 1 + more) % len(self.names)] for more in range(len(self.names) - 1)[:SEEDS])
            self._add(name, replace(config or Config(name=name), name=name, seeds=seeds).check())

    # Running

    def run(self, main: Coroutine[Any, Any, T], *, within_s: float = WITHIN_S) -> T:
        """Open the nodes, play ``main`` to its end, and end everything; returns or raises what it does.

        A service that fails ends the run with its error. Raises TimeoutError when ``main`` takes longer than
        ``within_s`` virtual seconds, LocalProtocolError on a second run. The global ``random`` is seeded meanwhile.
        """
        if self._ran:
            main.close()
            raise LocalProtocolError("a Mesh is good for one run: make a new one")
        self._ran = True
        chance = random.getstate()
        random.seed(self.seed)
        try:
            return self._loop.run_until_complete(self._play(main, within_s))
        finally:
            if inspect.getcoroutinestate(main) == inspect.CORO_CREATED:
                main.close()
            self._told, self._diagram = self.report(), self._drawn()
            self._end()
            random.setstate(chance)

    async def run_until(self, condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Wait until ``condition()`` holds; TimeoutError when it does not within so many virtual seconds."""
        end_s = self.now_s + within_s
        while not condition():
            if self.now_s >= end_s:
                raise TimeoutError(f"the condition did not come to hold within {within_s:g} s (seed {self.seed})")
            await asyncio.sleep(CHECK_S)

    async def up(self, name: str) -> Node:
        """The node of that name, once it is open: after a restart."""
        program = self._program(name)
        await self.run_until(lambda: program.node is not None, within_s=OPEN_S)
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
        if where not in self._programs:
            self._add(where, None)
            if self._loop.is_running():
                self._fleet.hosts[where].boot()
        self._programs[where].add(service)

    # The hand of fate

    def partition(self, *groups: Iterable[str]) -> Undo:
        """Nothing passes between the groups (who is in none is with the first)."""
        sides = [self._known(group) for group in groups]
        self._note(f"partition {' | '.join(','.join(side) for side in sides)}")
        return self._fleet.partition(*sides)

    def one_way(self, source: str, target: str) -> Undo:
        """Nothing passes from ``source`` to ``target``; the other way is open."""
        self._note(f"one way: nothing passes from {source} to {target}")
        return self._fleet.one_way(*self._known((source, target)))

    def cut(self, one: str, other: str, *, silently: bool = False) -> None:
        """The streams between two hosts are reset, or half-open from now on (``silently``). New ones work."""
        self._note(f"{'silent ' if silently else ''}cut between {one} and {other}")
        self._fleet.cut_streams(*self._known((one, other)), silently=silently)

    def lossy(self, loss: float, source: str | None = None, target: str | None = None) -> Undo:
        """That share of packets is lost, from ``source`` to ``target`` (None: any)."""
        return self.storm(Weather(loss=loss), source, target)

    def storm(self, weather: Weather, source: str | None = None, target: str | None = None) -> Undo:
        """``weather`` holds as well, from ``source`` to ``target`` (None: any)."""
        self._known(name for name in (source, target) if name is not None)
        self._note(f"{weather} from {source or 'any'} to {target or 'any'}")
        return self._fleet.spell(weather, source, target)

    def heal(self) -> None:
        """Every path is whole again; processes stay as they are."""
        self._note("all paths heal")
        self._fleet.paths.mend_all()

    def slow(self, name: str, turn_s: float = 0.05) -> Undo:
        """Each turn of the node comes ``turn_s`` after its input."""
        self._known((name,))
        self._note(f"{name} takes {turn_s:g} s for each turn")
        return faults.Slow(at_s=0.0, node=name, turn_s=turn_s).begin(self._fleet)

    def pause(self, name: str) -> Undo:
        """The process stands still, its services too, until ``resume`` or what this returns."""
        self._known((name,))
        return faults.Pause(at_s=0.0, node=name).begin(self._fleet)

    def resume(self, name: str) -> None:
        """The process goes on, whatever made it stand still."""
        host = self._fleet.hosts[self._known((name,))[0]]
        while host.paused:
            host.resume()

    def crash(self, name: str, *, host: bool = False, disk: Fate = "kept") -> None:
        """The process dies as by kill -9, or the whole ``host``: without a word to anybody.

        ``disk``: what the next start finds: all that was committed, what was synced (``unsynced-lost``: the power
        failed, so the host dies too), or nothing (``lost``). What runs on it is gone in the middle of what it did.
        """
        self._disks[name] = disk
        self._fleet.crash(*self._known((name,)), host=host or disk == "unsynced-lost")

    def restart(self, name: str) -> None:
        """Start the process again, with its services; ``up`` waits until its node is open. Nothing if it runs."""
        self._known((name,))
        self._fleet.restart(name, self._disks.pop(name, "kept"))

    def skew(self, name: str, offset_s: float, drift: float = 0.0) -> None:
        """The wall clock of ``name`` is off by ``offset_s`` from now on, and gains ``drift`` seconds a second."""
        self._note(f"the clock of {name} is off by {offset_s:g} s, drifting by {drift:g}")
        self._fleet.hosts[self._known((name,))[0]].skew(offset_s, drift)

    def befall(self, plan: Sequence[Fault]) -> None:
        """Have faults happen, their times counted from now (or from the start of the run)."""
        self.plan += plan
        self._recorder.befell(plan, self.now_s)
        faults.schedule(self._fleet, plan, self.now_s)

    def swarm(
        self,
        count: int = 4,
        *,
        within_s: float = 20.0,
        kinds: Sequence[swarm.Kind] | None = None,
        among: Sequence[str] | None = None,
    ) -> list[Fault]:
        """Have ``count`` faults happen within ``within_s`` from now, drawn by the seed; returns them.

        They are of ``kinds`` (None: one to four kinds, drawn too), and befall hosts ``among`` those (None: any).
        """
        rng = self._fleet.world.rng("swarm", len(self.plan))
        hosts = self._known(self._programs if among is None else among)
        plan = swarm.draw(rng, hosts, kinds or swarm.kinds(rng), count=count, within_s=within_s)
        self.befall(plan)
        return plan

    # Looking

    @property
    def now_s(self) -> float:
        """Virtual seconds since the beginning."""
        return self._fleet.world.now

    @property
    def events(self) -> list[Happened]:
        """What nodes told so far, in order; the newest 20,000."""
        return [Happened(*each) for each in self._fleet.events]

    @property
    def trace(self) -> str:
        """A hash of all that happened so far: equal for equal seeds."""
        return self._fleet.world.hash()

    def note(self, text: str, who: str = "main") -> None:
        """Add a line to the timeline."""
        self._fleet.world.note(who, text)

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
        Path(path).write_text(svg(self._diagram or self._drawn()), encoding="utf-8")

    # Inside

    def _add(self, name: str, config: Config | None) -> None:
        host = self._fleet.add(name)
        self._programs[name] = host.guest = Program(host, self._loop, config, self._failed)

    async def _play(self, main: Coroutine[Any, Any, T], within_s: float) -> T:
        for name in self._programs:
            self._fleet.hosts[name].boot()
        opened = self._loop.create_task(self.run_until(self._open, within_s=OPEN_S), name="open")
        await self._first(opened, OPEN_S + 1)
        return await self._first(self._loop.create_task(main, name="main"), within_s)

    def _open(self) -> bool:
        return all(program.serving for program in self._programs.values() if program.config is not None)

    async def _first(self, task: asyncio.Task[T], within_s: float) -> T:
        """What the task comes to, unless a service fails first or time runs out."""
        await asyncio.wait((task, self._failure), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait((task,), timeout=END_S)
        if self._failure.done():
            self._failure.result()
        raise TimeoutError(f"main() did not end within {within_s:g} virtual seconds (seed {self.seed})")

    def _failed(self, where: str, error: BaseException) -> None:
        error.add_note(f"raised by a service on {where}, at {self.now_s:.3f} virtual seconds, seed {self.seed}")
        if not self._failure.done():
            self._failure.set_exception(error)

    def _end(self) -> None:
        """Cancel what runs, bury what was killed, close the loop."""
        loop = self._loop
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
        self._known((name,))
        return self._programs[name]

    def _known(self, names: Iterable[str]) -> tuple[str, ...]:
        found = tuple(names)
        for name in found:
            if name not in self._fleet.hosts:
                raise LocalProtocolError(f"no host is called {name!r}: there are {', '.join(self._fleet.hosts)}")
        return found

    def _drawn(self) -> Diagram:
        return self._recorder.diagram(f"{len(self.names)} nodes, seed {self.seed}")

    def _note(self, text: str) -> None:
        self._recorder.moment(text)
        self.note(text, "fault")


def _bury(task: asyncio.Task[Any]) -> None:
    """Free what a killed task holds, now and not whenever memory is collected; what it has to say comes too late."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    main = task.get_coro()
    if isinstance(main, Coroutine):
        with suppress(BaseException):
            main.close()

"""Where one story is played with whole nodes: processes on this host, or the simulator's mesh.

A theatre opens three nodes, n1 to n3, gives the story the public verbs at each, and remembers what the nodes told.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

import meshq
from meshq.client import Mesh as Verbs
from meshq.launcher import Launcher
from meshq.machine import events
from meshq.runtime.loop import run
from meshq.sim import Mesh

NAMES: Final = ("n1", "n2", "n3")
T = TypeVar("T")


class Theatre(Protocol):
    """Any three nodes."""

    def play(self, story: Callable[[Theatre], Coroutine[Any, Any, T]]) -> T:
        """Open the nodes, play the story, end everything."""

    async def at(self, name: str) -> Verbs:
        """The verbs at that node; the same object each time."""

    async def kill(self, name: str) -> None:
        """The node's process dies without a word."""

    def told(self, name: str) -> list[events.Event]:
        """What the node has told so far, in order."""


class Clients:
    """Thin clients by the name of the node that each was opened at."""

    def __init__(self) -> None:
        self._open: dict[str, Verbs] = {}

    async def at(self, name: str, address: str) -> Verbs:
        if name not in self._open:
            self._open[name] = await meshq.connect(address)
        return self._open[name]

    async def close(self, name: str) -> None:
        await self._open.pop(name).close()

    async def until_closed(self, story: Coroutine[Any, Any, T]) -> T:
        """The story, and then the end of every client."""
        try:
            return await story
        finally:
            for name in list(self._open):
                await self.close(name)


class RealTheatre:
    """Three processes of ``meshq join``."""

    def __init__(self) -> None:
        self._clients = Clients()

    def play(self, story: Callable[[Theatre], Coroutine[Any, Any, T]]) -> T:
        with Launcher() as self._launcher:
            self._launcher.start_mesh(*NAMES)
            return run(self._clients.until_closed(story(self)))

    async def at(self, name: str) -> Verbs:
        return await self._clients.at(name, self._launcher.nodes[name].mesh)

    async def kill(self, name: str) -> None:
        await self._clients.close(name)
        self._launcher.nodes[name].kill()

    def told(self, name: str) -> list[events.Event]:
        known = (events.from_map(said) for said in self._launcher.nodes[name].said())
        return [event for event in known if event is not None]


class SimulatedTheatre:
    """Three simulated hosts with a ``meshq.Node`` each."""

    def __init__(self, seed: int) -> None:
        self._clients = Clients()
        self._mesh = Mesh(NAMES, seed=seed, store=False)

    def play(self, story: Callable[[Theatre], Coroutine[Any, Any, T]]) -> T:
        return self._mesh.run(self._clients.until_closed(story(self)))

    async def at(self, name: str) -> Verbs:
        return await self._clients.at(name, name)

    async def kill(self, name: str) -> None:
        await self._clients.close(name)
        self._mesh.crash(name)

    def told(self, name: str) -> list[events.Event]:
        return [happened.event for happened in self._mesh.events if happened.node == name]

"""A full node in this process, with the same verbs as a thin client.

Decides on which loop the node runs, how its settings are put together, and in which order it starts and
ends: engine, doors, the program's own mesh; and back. The node itself is ``meshq.runtime.Host`` and below, or a
simulated host.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar

from meshq.client.mesh import Mesh
from meshq.config import DRAIN_TIMEOUT_S, Config
from meshq.errors import Closed, ConfigError, MeshError
from meshq.machine.effects import Address, Stop
from meshq.machine.events import Event
from meshq.names import RELEASE, check_node
from meshq.runtime.addresses import show_address
from meshq.runtime.contract import Stream, StreamOwner
from meshq.runtime.keyfile import hold
from meshq.runtime.loop import LoopThread
from meshq.runtime.surroundings import surroundings
from meshq.wire.keyring import Keyring

T = TypeVar("T")
_log = logging.getLogger("meshq.node")
_EMBEDDED: Final[Address] = ("embedded", 0)
"""The one address that the mesh of an embedded node has; it is dialled through a pipe."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a door may tell of its node."""

    name: str
    version: str
    advertised: Address
    """The mesh address that other members use."""
    config: Config


class Door(Protocol):
    """Where messages enter or leave besides this API: HTTP, for one. Runs on the node's loop."""

    @property
    def address(self) -> Address:
        """Where it listens, once started."""

    async def start(self, mesh: Mesh, node: NodeInfo) -> None:
        """Listen and serve through ``mesh``, which is this door's own. Raises what keeps it from that."""

    async def stop(self) -> None:
        """Stop; what is under way may end first. The mesh is closed afterwards."""


class Node(Mesh):
    """A node of the mesh, embedded: entered, it has joined and serves; left, it has handed over and gone.

    ::

        async with meshq.Node(seeds=["10.0.0.1"], name="billing-1") as node:
            await node.publish("orders", b"...")

    By default it runs in a thread and an event loop of its own, so that a handler that blocks delays its own messages
    only; ``loop="shared"`` runs it on the loop that enters it. All verbs of Mesh work on the entering loop.
    """

    def __init__(
        self,
        seeds: Sequence[str] = (),
        *,
        name: str | None = None,
        label: str | None = None,
        zone: str | None = None,
        bind: str | None = None,
        port: int | None = None,
        advertise: str | None = None,
        http_port: int | None = None,
        nsq_port: int | None = None,
        doors: Sequence[Door] = (),
        loop: Literal["own", "shared"] = "own",
        config: Config | None = None,
        drain_timeout_s: float = DRAIN_TIMEOUT_S,
        open_to_all: bool = False,
        on_event: Callable[[Event], None] | None = None,
        data: str | Path | None = None,
        key: str | Path | Keyring | None = None,
    ) -> None:
        """A plain call: nothing is opened yet. Raises ConfigError, InvalidName.

        ``seeds`` are nodes of the mesh (host, host:port, names with all their addresses); without any it begins one.
        ``name`` must be the node's alone; by default it is the host's with a random end. ``port`` None takes 4155, or
        100 more while that is taken; 0 any free one. ``http_port`` and ``nsq_port`` are told to the other members.
        ``config`` holds all other settings, and those given here go before it. ``drain_timeout_s`` bounds how long
        leaving may take to hand to other nodes what this one owns. ``open_to_all`` lets it listen on public addresses.
        ``data`` is the directory of its store: with one its messages survive its process, its name is the one it had
        there before, and ``config.broker.level`` holds; without one it keeps messages in memory only.
        ``key`` is the file with the keys of the mesh (`meshq keys generate`): nobody joins or reads it without; what is
        changed by `meshq keys` is written there.
        ``on_event`` hears every event from the start, on the node's loop; it must not block and must not raise.
        """
        if loop not in ("own", "shared"):
            raise ConfigError(f"loop is 'own' or 'shared', not {loop!r}")
        around = surroundings()
        self.data = Path(data).expanduser().absolute() if data is not None else None
        own_name = check_node(name or (config.name if config else "") or around.node_name(self.data))
        given = {"label": label, "zone": zone, "http_port": http_port, "nsq_port": nsq_port}
        self.config = _with_given(config or Config(name=own_name), own_name, seeds, given)
        super().__init__(self._dial_own, [_EMBEDDED], name=f"{own_name}:api", config=self.config.link)
        self._host = around.host(
            self.config,
            bind=bind,
            port=port,
            advertise=advertise,
            open_to_all=open_to_all,
            on_event=on_event,
            data=self.data,
            keys=hold(key),
        )
        self._thread = LoopThread(f"meshq:{own_name}") if loop == "own" and around.threads else None
        self._doors = tuple(doors)
        self._open_doors: list[tuple[Door, Mesh]] = []
        self._drain_timeout_s = drain_timeout_s
        self._loop: asyncio.AbstractEventLoop
        self._stop: Stop | None = None
        self._over: asyncio.Future[Stop] | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The node's name in the mesh."""
        return self.config.name

    @property
    def address(self) -> str:
        """Where other nodes and thin clients reach it, as host:port; what to give them as a seed."""
        return show_address(self._host.address)

    async def drain(self, timeout_s: float = DRAIN_TIMEOUT_S) -> int:
        """Leave the mesh in order: refuse publishes, hand what this node owns to others, for at most ``timeout_s``.

        Returns how many unfinished messages went with it. Its iterators end; only ``close`` is left to do.
        """
        if self._over is None:
            raise Closed("the node is not open")
        await self._on_node(self._host_drain(timeout_s))
        return (await self.stopped()).messages_left

    async def stopped(self) -> Stop:
        """Wait until the node has ended, by ``drain`` or ``close``, or on its own: then ``error`` says why (Fenced)."""
        if self._over is None:
            raise Closed("the node is not open")
        return await asyncio.shield(self._over)

    # opening: engine, doors, our own mesh

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        if self._thread is not None:
            self._thread.start()
        try:
            await self._on_node(self._begin())
            await super()._open()
        except BaseException:
            await self._end()
            raise

    async def _begin(self) -> None:
        host = self._host
        await host.start()
        self._watch = asyncio.create_task(self._watch_host(), name=f"node:{self.name}")
        await host.wait_ready()
        info = NodeInfo(self.name, RELEASE, host.address, self.config)
        for door in self._doors:
            mesh = Mesh(self._dial_own, [_EMBEDDED], name=f"{self.name}:{type(door).__name__}", config=self.config.link)
            await mesh
            try:
                await door.start(mesh, info)
            except BaseException:
                await mesh.close()
                raise
            self._open_doors.append((door, mesh))

    async def _watch_host(self) -> None:
        stop = await self._host.stopped()
        self._stop = stop
        _call(self._loop, self._stopped, stop)

    def _stopped(self, stop: Stop) -> None:
        """The node has ended: whoever still waits is told why."""
        if self._over is not None and not self._over.done():
            self._over.set_result(stop)
        self._connection.fail(self._why(stop))

    def _why(self, stop: Stop) -> MeshError:
        error = stop.error
        if error is None or isinstance(error, MeshError):
            return error or Closed(f"node {self.name} has left the mesh")
        return Closed(f"node {self.name} failed: {error!r}")

    async def _dial_own(self, address: Address, owner: StreamOwner) -> Stream:
        if self._stop is not None:
            raise self._why(self._stop)
        return self._host.pipe(asyncio.get_running_loop(), owner)

    # closing: doors, our own mesh, drain, engine, thread

    async def _close(self) -> None:
        if self._over is None:
            await super()._close()
            return
        try:
            with suppress(Closed):  # its loop has ended before
                await self._on_node(self._stop_doors())
            await super()._close()
            if self._stop is None and self._drain_timeout_s > 0:
                left = await self.drain(self._drain_timeout_s)
                if left:
                    _log.warning("%s left with %d unfinished messages", self.name, left)
        finally:
            await self._end()

    async def _stop_doors(self) -> None:
        while self._open_doors:
            door, mesh = self._open_doors.pop()
            await door.stop()
            await mesh.close()

    async def _host_drain(self, timeout_s: float) -> None:
        self._host.drain(timeout_s)

    async def _end(self) -> None:
        """Close the engine's end and stop its thread; safe after a start that failed half-way."""
        with suppress(Closed):  # its loop has ended before
            await self._on_node(self._end_host())
        if self._thread is not None:
            await asyncio.to_thread(self._thread.stop)

    async def _end_host(self) -> None:
        await self._stop_doors()
        await self._host.close()
        if self._watch is not None:
            await self._watch

    async def _on_node(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the node's loop."""
        if self._thread is None:
            return await work
        return await self._thread.run(work)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        _log.debug("the loop that entered the node has ended before it")


def _with_given(config: Config, name: str, seeds: Sequence[str], given: dict[str, Any]) -> Config:
    """``config`` with what was given beside it, which goes before it. Raises ConfigError."""
    chosen = {key: value for key, value in given.items() if value is not None}
    if seeds:
        chosen["seeds"] = (seeds,) if isinstance(seeds, str) else tuple(seeds)
    return replace(config, name=name, **chosen).check()

"""One engine on the running loop: sockets, a store and timers in, effects out.

Decides the order in which a node's process opens what it needs and gives it back. When a turn happens is decided by
``turns``; streams are ``switchboard``'s, what is kept is ``keeping``'s. It holds no protocol rule.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from meshq.config import Config
from meshq.engine.engine import Engine
from meshq.errors import Closed
from meshq.machine.effects import (
    OWN,
    Address,
    Close,
    Dial,
    Emit,
    KeepKeys,
    Load,
    LoadDue,
    Resolve,
    SendDatagram,
    Stop,
    Store,
    Write,
)
from meshq.machine.events import Event
from meshq.names import Epoch
from meshq.runtime.addresses import (
    BACKLOG,
    LOOPBACK,
    MESH_PORT,
    Admission,
    MeshSockets,
    bind_host,
    bind_mesh,
    free_ports,
    is_wildcard,
)
from meshq.runtime.contract import Machine, MachineFactory, StreamOwner
from meshq.runtime.counters import HostCounters
from meshq.runtime.datagrams import DatagramDoor
from meshq.runtime.epochs import next_epoch
from meshq.runtime.errands import RESOLVE, Errands
from meshq.runtime.keeping import Keeping
from meshq.runtime.keyfile import HeldKeys
from meshq.runtime.pipe import PipeStream, pipe
from meshq.runtime.placement import Place, find_place
from meshq.runtime.resolver import families, resolve
from meshq.runtime.switchboard import Switchboard
from meshq.runtime.turns import Perform, Turns

STOP_S: Final = 2.0
"""How long ``close`` waits for the engine to say its goodbyes, and for streams to end."""

log = logging.getLogger("meshq.runtime")


class Host:
    """Drives one engine. Every method but ``pipe`` belongs to the loop on which ``start`` ran.

    Lives from ``start`` until the engine asks for Stop, or fails: an exception from it is logged
    and ends the host with that error. ``close`` is due in every case.
    """

    def __init__(
        self,
        config: Config,
        *,
        bind: str | None = None,
        port: int | None = None,
        advertise: str | None = None,
        open_to_all: bool = False,
        factory: MachineFactory = Engine,
        epoch: Epoch | None = None,
        on_event: Callable[[Event], None] | None = None,
        data: Path | None = None,
        keys: HeldKeys | None = None,
    ) -> None:
        """Nothing is opened yet. ``port`` None takes 4155, or 100 more, and so on; 0 any free one.

        ``keys``: None for a node without; who has them need not be told apart by address, unless they take plain.
        ``data`` is the directory of the node's store; without one it keeps messages in memory only.
        ``on_event`` hears every event, on the loop; it must not block and must not raise.
        """
        self.name = config.name
        self.epoch = epoch or next_epoch()
        self._given_epoch = epoch
        self._config = config
        self._bind = bind
        self._port = port
        self._advertise = advertise
        self._open_to_all = open_to_all or (keys is not None and not keys.ring.takes_plain)
        self._factory = factory
        self._on_event = on_event
        self._keeping = Keeping(data, keys)
        self._machine: Machine | None = None
        self._bound: Address = ("", 0)
        self._family = socket.AF_INET
        self._stop: Stop | None = None
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._life: asyncio.Task[None] | None = None

    # what its user calls

    @property
    def address(self) -> Address:
        """Where the mesh reaches this node as far as the host knows: asked for, bound, or the likely interface."""
        return self._bound

    @property
    def pauses(self) -> int:
        """How often this process was found more than 100 ms late."""
        return self._turns.pauses

    @property
    def engine(self) -> Machine:
        """The machine; Closed before ``start``."""
        if self._machine is None:
            raise Closed(f"node {self.name} has not started")
        return self._machine

    async def start(self) -> None:
        """Open the sockets and start the engine. ConfigError when they can't be had; nothing stays open then."""
        self._loop = asyncio.get_running_loop()
        host = bind_host(self._bind)
        admission = Admission(host, open_to_all=self._open_to_all)
        port = MESH_PORT + free_ports(host, tcp=()) if self._port is None else self._port
        sockets = bind_mesh(host, port)
        try:
            await self._open(sockets, admission)
        except BaseException:
            sockets.close()
            self._keeping.close()
            raise
        begun = asyncio.Event()
        self._life = asyncio.create_task(self._live(begun), name=f"host:{self.name}")
        await begun.wait()

    async def wait_ready(self) -> None:
        """Until the node has joined or is alone; raises what ended it if that comes first (Closed when nothing did)."""
        while not self.engine.ready:
            if self._stop is not None:
                raise self._stop.error or Closed(f"node {self.name} stopped before it was ready")
            self._changed.clear()
            await self._changed.wait()

    async def stopped(self) -> Stop:
        """The engine's last word, once it has been said."""
        await self._ended.wait()
        assert self._stop is not None
        return self._stop

    def drain(self, timeout_s: float) -> None:
        """Have the engine hand over what it holds and leave, within ``timeout_s``; ends in ``stopped``."""
        engine = self.engine
        self._turns.feed(lambda now: engine.drain(now, timeout_s))

    def stop(self) -> None:
        """Have the engine leave at once; ends in ``stopped``."""
        self._turns.feed(self.engine.stop)

    def pipe(self, loop: asyncio.AbstractEventLoop, owner: StreamOwner | None = None) -> PipeStream:
        """A client's stream into this node, for use on ``loop``; may be called from any thread.

        ``owner`` may be set on the stream until that loop's next turn. Closed when this host's loop has ended.
        """
        near, far = pipe(loop, self._loop, mark=self._config.link.write_buffer_bytes, near_owner=owner)
        try:
            self._loop.call_soon_threadsafe(self._switchboard.adopt, far)
        except RuntimeError as exc:
            raise Closed(f"node {self.name} has ended") from exc
        return near

    def stop_now(self) -> None:
        """End without asking the engine: no goodbyes; every stream still says its end."""
        self._end(Stop(None))

    async def close(self) -> None:
        """Leave if that has not happened yet, and give every socket back. Idempotent."""
        if self._life is None:
            return
        if self._stop is None:
            self.stop()
            await self._within(self._ended.wait())
        self._end(Stop(None))
        await self._within(self._switchboard.all_gone())
        self._switchboard.abort()
        await self._life
        await asyncio.to_thread(self._keeping.close)

    # opening

    async def _open(self, sockets: MeshSockets, admission: Admission) -> None:
        self._family = sockets.udp.family
        place = await find_place(sockets, self._advertise, self._config.seeds)
        self._bound = place.bound
        self._own = (LOOPBACK if is_wildcard(sockets.address[0]) else sockets.address[0], sockets.address[1])
        self.epoch = await self._keeping.open(self.name, self._given_epoch) or self.epoch
        self._machine = self._make(place)
        self._compose(self._machine, admission)
        await self._door.open(sockets.udp)
        self._server = await self._loop.create_server(self._switchboard.incoming, sock=sockets.tcp, backlog=BACKLOG)

    def _make(self, place: Place) -> Machine:
        rng = random.Random(secrets.randbits(128))
        return self._factory(
            self._config,
            self.epoch,
            rng,
            bound=place.bound,
            advertised=place.advertised,
            recovered=self._keeping.recovered(),
            secrecy=self._keeping.secrecy(),
        )

    def _compose(self, machine: Machine, admission: Admission) -> None:
        self._door = DatagramDoor(admission, self._datagram)
        self.counters = counters = HostCounters(self._door.counters)
        self._turns = turns = Turns(self._loop, machine, counters, self._changed, self._fail)
        self._switchboard = Switchboard(self._config.link, machine, turns, admission, counters, self._changed)
        self._keeping.start(self._loop, machine, turns)
        turns.perform = self._performers()

    def _performers(self) -> Perform:
        board, keeping = self._switchboard, self._keeping
        return {
            SendDatagram: self._send_datagram,
            Dial: board.dial,
            Write: board.write,
            Close: board.close,
            Resolve: self._resolve,
            Store: keeping.keep,
            Load: keeping.load,
            LoadDue: keeping.load,
            KeepKeys: keeping.keep_keys,
            Emit: self._emit,
            Stop: self._end,
        }

    # datagrams, names, events

    def _datagram(self, data: bytes, source: Address) -> None:
        self._turns.feed(lambda now: self.engine.datagram(now, data, source))

    def _send_datagram(self, effect: SendDatagram) -> None:
        self._door.send(self._own if effect.to == OWN else effect.to, effect.data)

    def _resolve(self, effect: Resolve) -> None:
        self._errands.start((RESOLVE, effect.query), self._resolving(effect))

    async def _resolving(self, effect: Resolve) -> None:
        addresses = await resolve(effect.host, effect.port, family=families(self._family))
        self._turns.feed(lambda now: self.engine.resolved(now, effect.query, addresses))

    def _emit(self, effect: Emit) -> None:
        log.info("%s: %s", self.name, effect.event)
        if self._on_event is not None:
            self._on_event(effect.event)

    # life and end

    async def _live(self, begun: asyncio.Event) -> None:
        """The parent of every task of this host: runs until the end, then ends what is under way."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._errands = self._switchboard.errands = Errands(self.name, tasks)
                tasks.create_task(self._door.read(), name=f"datagrams:{self.name}")
                self._turns.start()
                begun.set()
                await self._ended.wait()
                self._errands.cancel_all()
        except* Exception as group:
            self._fail(group)
        finally:  # a loop that is torn down under the host
            self._end(Stop(None), abort=True)

    def _fail(self, error: Exception) -> None:
        """The engine broke: say so, and end loudly."""
        if self._stop is None:
            log.critical("node %s ends: its engine failed", self.name, exc_info=error)
            self._end(Stop(error), abort=True)

    def _end(self, stop: Stop, abort: bool = False) -> None:
        """The engine has ended: stop listening, end every stream after its last words."""
        if self._stop is not None:
            return
        self._stop = stop
        self._turns.end()
        self._server.close()
        self._switchboard.end(abort)
        self._door.close()
        self._changed.set()
        self._ended.set()

    async def _within(self, wait: Coroutine[Any, Any, object]) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await wait
        except TimeoutError:
            return

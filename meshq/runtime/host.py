"""One engine on the running loop: sockets and timers in, effects out.

Decides when a turn happens (after the inputs of one turn of the loop, once), when the engine is
woken, and in which order a late process catches up. It holds no protocol rule.
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
from meshq.errors import Closed, Unreachable
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
from meshq.machine.store import EMPTY, BatchRow
from meshq.names import Epoch
from meshq.runtime.addresses import (
    BACKLOG,
    LOOPBACK,
    MESH_PORT,
    Admission,
    bind_host,
    bind_mesh,
    free_ports,
    is_wildcard,
)
from meshq.runtime.alarm import Alarm
from meshq.runtime.clock import WallWatch, monotonic, wall_ns
from meshq.runtime.contract import Machine, MachineFactory, Stream, StreamOwner
from meshq.runtime.counters import HostCounters
from meshq.runtime.datagrams import DatagramDoor
from meshq.runtime.epochs import next_epoch
from meshq.runtime.errands import DIAL, RESOLVE, Errands
from meshq.runtime.keyfile import HeldKeys, write_key_file
from meshq.runtime.pipe import PipeStream, pipe
from meshq.runtime.placement import Place, find_place
from meshq.runtime.resolver import families, resolve
from meshq.runtime.store.store import SqliteStore
from meshq.runtime.store.writer import Answer
from meshq.runtime.streams import TcpStream, connect, reason_of
from meshq.wire.keyring import Secrecy, read_keyring

WALL_CHECK_S: Final = 1.0
STOP_S: Final = 2.0
"""How long ``close`` waits for the engine to say its goodbyes, and for streams to end."""

log = logging.getLogger("meshq.runtime")


class _Held:
    """The owner of a stream that belongs to the engine: knows its number there."""

    __slots__ = ("host", "number")

    def __init__(self, host: Host, number: int) -> None:
        self.host = host
        self.number = number

    def stream_received(self, data: bytes) -> None:
        self.host._received(self.number, data)

    def stream_closed(self, reason: str) -> None:
        self.host._closed(self.number, reason)

    def stream_drained(self) -> None:
        self.host._buffered(self.number, 0)


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
        self._data = data
        self._store: SqliteStore | None = None
        self._config = config
        self._bind = bind
        self._port = port
        self._advertise = advertise
        self._keys = keys
        self._open_to_all = open_to_all or (keys is not None and not keys.ring.takes_plain)
        self._factory = factory
        self._on_event = on_event
        self._machine: Machine | None = None
        self._bound: Address = ("", 0)
        self._family = socket.AF_INET
        self._streams: dict[int, Stream] = {}
        self._sockets: dict[TcpStream, None] = {}
        self._turn_due = False
        self._wall = WallWatch()
        self._stop: Stop | None = None
        self._perform: dict[type[Any], Callable[[Any], None]] = {
            SendDatagram: self._send_datagram,
            Dial: self._dial,
            Write: self._write,
            Close: self._close,
            Resolve: self._resolve,
            Store: self._keep,
            Load: self._load,
            LoadDue: self._load,
            KeepKeys: self._keep_keys,
            Emit: self._emit,
            Stop: self._end,
        }

    # What its user calls

    @property
    def address(self) -> Address:
        """Where the mesh reaches this node as far as the host knows: asked for, bound, or the likely interface."""
        return self._bound

    @property
    def pauses(self) -> int:
        """How often this process was found more than 100 ms late."""
        return self._alarm.pauses

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
            self._family = sockets.udp.family
            place = await find_place(sockets, self._advertise, self._config.seeds)
            self._bound = place.bound
            self._own = (LOOPBACK if is_wildcard(sockets.address[0]) else sockets.address[0], sockets.address[1])
            self._door = DatagramDoor(admission, self._datagram)
            self.counters = HostCounters(self._door.counters)
            self._alarm = Alarm(self._loop, self._deadline, self._input_mark, self._tick)
            self._admission = admission
            await self._open_store()
            self._machine = self._make(place)
            await self._door.open(sockets.udp)
            self._server = await self._loop.create_server(self._incoming, sock=sockets.tcp, backlog=BACKLOG)
        except BaseException:
            sockets.close()
            self._close_store()
            raise
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        begun = asyncio.Event()
        self._life = asyncio.create_task(self._live(begun), name=f"host:{self.name}")
        await begun.wait()

    async def _open_store(self) -> None:
        """Open the data directory, if there is one; the epoch of this start is in it before anybody hears of it."""
        if self._data is not None:
            self._store = await asyncio.to_thread(SqliteStore, self._data)
            self.epoch = self._store.begin(self.name, self._given_epoch)

    def _make(self, place: Place) -> Machine:
        recovered = None
        if self._store is not None:
            recovered, self._store.recovered = self._store.recovered, EMPTY
            self._store.start(self._loop, self)
        rng = random.Random(secrets.randbits(128))
        return self._factory(
            self._config,
            self.epoch,
            rng,
            bound=place.bound,
            advertised=place.advertised,
            recovered=recovered,
            secrecy=Secrecy(self._keys.ring, secrets.token_bytes) if self._keys is not None else None,
        )

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

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
        self._feed(lambda now: self.engine.drain(now, timeout_s))

    def stop(self) -> None:
        """Have the engine leave at once; ends in ``stopped``."""
        self._feed(lambda now: self.engine.stop(now))

    def pipe(self, loop: asyncio.AbstractEventLoop, owner: StreamOwner | None = None) -> PipeStream:
        """A client's stream into this node, for use on ``loop``; may be called from any thread.

        ``owner`` may be set on the stream until that loop's next turn. Closed when this host's loop has ended.
        """
        near, far = pipe(loop, self._loop, mark=self._config.link.write_buffer_bytes, near_owner=owner)
        try:
            self._loop.call_soon_threadsafe(self._adopt, far)
        except RuntimeError as exc:
            raise Closed(f"node {self.name} has ended") from exc
        return near

    def stop_now(self) -> None:
        """End without asking the engine: no goodbyes; every stream still says its end."""
        self._end(Stop(None))

    async def close(self) -> None:
        """Leave if that has not happened yet, and give every socket back. Idempotent."""
        if self._machine is None or not hasattr(self, "_life"):
            return
        if self._stop is None:
            self.stop()
            await self._within(self._ended.wait())
        self._end(Stop(None))
        await self._within(self._all_gone())
        for stream in list(self._sockets):
            stream.close(abort=True)
        await self._life
        await asyncio.to_thread(self._close_store)

    # Inputs

    def _feed(self, give: Callable[[float], object]) -> None:
        """One input: ``give(now)``, and a turn soon. Not after the end."""
        if self._stop is None:
            self.counters.inputs += 1
            try:
                give(monotonic())
            except Exception as exc:
                self._fail(exc)
            self._turn_soon()

    def _received(self, number: int, data: bytes) -> None:
        # The hottest input: as _feed, without its closure
        if self._stop is None and number in self._streams:
            self.counters.inputs += 1
            try:
                self.engine.received(monotonic(), number, data)
            except Exception as exc:
                self._fail(exc)
            if not self._turn_due:
                self._turn_due = True
                self._loop.call_soon(self._due_turn)

    def _datagram(self, data: bytes, source: Address) -> None:
        self._feed(lambda now: self.engine.datagram(now, data, source))

    def _closed(self, number: int, reason: str) -> None:
        if self._streams.pop(number, None) is not None:
            self._feed(lambda now: self.engine.closed(now, number, reason))

    def _buffered(self, number: int, size_bytes: int) -> None:
        if number in self._streams:
            self._feed(lambda now: self.engine.buffered(now, number, size_bytes))

    def _incoming(self) -> TcpStream:
        return TcpStream(mark=self._config.link.write_buffer_bytes, opened=self._opened, gone=self._gone)

    def _opened(self, stream: TcpStream) -> None:
        source = stream.peer
        self._sockets[stream] = None
        if self._stop is not None:
            stream.close(abort=True)
        elif not self._admission.admits(source[0]):
            self.counters.strangers_refused += 1
            stream.close(abort=True)
        else:
            self._accept(stream, source)

    def _adopt(self, far: PipeStream) -> None:
        if self._stop is not None:
            far.close(abort=True)
        else:
            self._accept(far, ("", 0))

    def _accept(self, stream: Stream, source: Address) -> None:
        def take(now: float) -> None:
            number = self.engine.accepted(now, source)
            self._streams[number] = stream
            stream.owner = _Held(self, number)

        stream.owner = _Held(self, -1)  # whom a failing engine leaves behind
        self._feed(take)

    def _gone(self, stream: TcpStream) -> None:
        self._sockets.pop(stream, None)
        self._changed.set()

    def store_answered(self, answers: list[Answer]) -> None:
        """Stores were committed, or their batches given up."""

        def take(now: float) -> None:
            for token, why in answers:
                if why:
                    self.engine.unstored(now, token, why)
                else:
                    self.engine.stored(now, token)

        self._feed(take)

    def store_loaded(self, token: int, rows: list[BatchRow] | None) -> None:
        """What a Load asked for."""
        self._feed(lambda now: self.engine.loaded(now, token, rows))

    def store_health(self, text: str, full: bool) -> None:
        """What is wrong with the store, or nothing any more; ``full``: it has no room."""
        self._feed(lambda now: self.engine.store_health(now, text, full=full))

    # Turns

    def _turn_soon(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._due_turn)

    def _due_turn(self) -> None:
        if self._turn_due:
            self._turn()

    def _turn(self) -> None:
        """Carry out what the engine wants after its inputs, and wait for its deadline."""
        self._turn_due = False
        if self._stop is not None:
            return
        self.counters.turns += 1
        perform, engine = self._perform, self.engine
        try:
            for effect in engine.ahead():
                perform[type(effect)](effect)
            for effect in engine.effects():
                perform[type(effect)](effect)
            self._alarm.arm(engine.deadline())
        except Exception as exc:
            self._fail(exc)
        if not self._changed.is_set() and engine.ready:
            self._changed.set()

    def _tick(self) -> None:
        if self._stop is None:
            try:
                self.engine.tick(monotonic())
            except Exception as exc:
                self._fail(exc)
            self._turn()

    def _deadline(self) -> float | None:
        return self.engine.deadline() if self._stop is None else None

    def _check_wall(self) -> None:
        if self._stop is None:
            if self._wall.moved():
                self._feed(lambda now: self.engine.wall(now, wall_ns()))
            self._loop.call_later(WALL_CHECK_S, self._check_wall)

    def _input_mark(self) -> int:
        """Another number after anything came in, packets that wait for their reader included."""
        return self.counters.inputs + self._door.counters.received

    # Effects

    def _send_datagram(self, effect: SendDatagram) -> None:
        self._door.send(self._own if effect.to == OWN else effect.to, effect.data)

    def _write(self, effect: Write) -> None:
        stream = self._streams.get(effect.stream)
        if stream is not None:
            stream.write(effect.chunks)
            if stream.full:
                self._buffered(effect.stream, stream.buffered_bytes)

    def _close(self, effect: Close) -> None:
        stream = self._streams.pop(effect.stream, None)
        if stream is not None:
            stream.close(effect.abort)
        else:
            self._errands.cancel((DIAL, effect.stream))

    def _dial(self, effect: Dial) -> None:
        self._errands.start((DIAL, effect.stream), self._dialling(effect.stream, effect.to))

    def _resolve(self, effect: Resolve) -> None:
        self._errands.start((RESOLVE, effect.query), self._resolving(effect))

    def _keep(self, effect: Store) -> None:
        if self._store is not None:
            self._store.write(effect)

    def _load(self, effect: Load | LoadDue) -> None:
        if self._store is not None:
            self._store.read(effect)

    def _keep_keys(self, effect: KeepKeys) -> None:
        """At once, on the loop: somebody turns a key now and then, and the next turn may seal with it."""
        why = "this node has its keys from a variable, not from a file"
        if self._keys is not None and self._keys.file is not None:
            try:
                write_key_file(self._keys.file, read_keyring(effect.text, "the ring"))
            except OSError as exc:
                why = f"{self._keys.file} can't be written: {exc.strerror or exc}"
            else:
                return
        self._feed(lambda now: self.engine.keys_unkept(now, why))

    def _emit(self, effect: Emit) -> None:
        log.info("%s: %s", self.name, effect.event)
        if self._on_event is not None:
            self._on_event(effect.event)

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
        self._alarm.cancel()
        self._server.close()
        for stream in [*self._streams.values(), *self._sockets]:
            stream.close(abort)
        self._streams.clear()
        self._door.close()
        self._changed.set()
        self._ended.set()

    # Errands and life

    async def _dialling(self, number: int, to: Address) -> None:
        def opened(stream: TcpStream) -> None:
            self._sockets[stream] = None
            if (DIAL, number) not in self._errands:
                stream.close(abort=True)
            elif stream.local == stream.peer:  # the system has joined the socket to itself: nobody listens there
                stream.close(abort=True)
                self._refuse(number, "refused")
            else:
                self._streams[number] = stream
                self._feed(lambda now: self.engine.connected(now, number, stream.local, stream.peer))

        link = self._config.link
        try:
            await connect(
                to,
                _Held(self, number),
                mark=link.write_buffer_bytes,
                timeout_s=link.hello_timeout_s,
                opened=opened,
                gone=self._gone,
            )
        except Unreachable as exc:
            self._refuse(number, reason_of(exc.__cause__))

    def _refuse(self, number: int, reason: str) -> None:
        self._feed(lambda now: self.engine.closed(now, number, reason))

    async def _resolving(self, effect: Resolve) -> None:
        addresses = await resolve(effect.host, effect.port, family=families(self._family))
        self._feed(lambda now: self.engine.resolved(now, effect.query, addresses))

    async def _live(self, begun: asyncio.Event) -> None:
        """The parent of every task of this host: runs until the end, then ends what is under way."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._errands = Errands(self.name, tasks)
                tasks.create_task(self._door.read(), name=f"datagrams:{self.name}")
                self._feed(lambda now: self.engine.start(now, wall_ns()))
                self._loop.call_later(WALL_CHECK_S, self._check_wall)
                begun.set()
                await self._ended.wait()
                self._errands.cancel_all()
        except* Exception as group:
            self._fail(group)
        finally:  # a loop that is torn down under the host
            self._end(Stop(None), abort=True)

    async def _all_gone(self) -> None:
        while self._sockets:
            self._changed.clear()
            await self._changed.wait()

    async def _within(self, wait: Coroutine[Any, Any, object]) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await wait
        except TimeoutError:
            return

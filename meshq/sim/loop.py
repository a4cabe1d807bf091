"""An asyncio event loop in virtual time: users' own code on simulated hosts, unchanged.

Decides when what asyncio code asked for is done: after what the simulated network brings up to that moment, and in the
name of the process that asked. Waiting costs nothing; a turn of the loop takes ``TURN_S``, so that code that polls sees
time pass. Connections lead through the simulated network; there are no real sockets, child processes and threads here:
what is given to a thread is called on the spot.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Final, NoReturn, Protocol, TypeVarTuple, cast

from meshq.runtime.surroundings import Surroundings
from meshq.sim.process import PROCESS, Process
from meshq.sim.streams import Streams
from meshq.sim.transport import Transport
from meshq.sim.world import World

Ts = TypeVarTuple("Ts")

TURN_S: Final = 0.000_01
FOREVER_S: Final = 86_400.0


class Place(Surroundings, Protocol):
    """Where the code is that runs: what nodes and clients take from around them, and the network's side of it."""

    def ip(self) -> str:
        """The address of its host."""

    def find(self, host: str) -> str | None:
        """The address of a host by name or address, as seen from there."""


class _Selector:
    """Stands where a loop waits for its sockets: lets the world go on until there is something to do."""

    def __init__(self, world: World, ready: Callable[[], bool]) -> None:
        self._world = world
        self._ready = ready

    def select(self, timeout_s: float | None) -> list[Any]:
        world = self._world
        if timeout_s == 0:
            world.run_until(world.now + TURN_S)
            return []
        end = world.now + (FOREVER_S if timeout_s is None else timeout_s)
        while not self._ready():
            if not world.step(end):
                world.run_until(end)
                break
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs asyncio code in the time of ``world``. ``surroundings`` is what ``meshq`` itself asks (see there)."""

    _ready: deque[asyncio.Handle]
    """What asyncio's own loop is about to call."""

    def __init__(self, world: World, streams: Streams, place: Place) -> None:
        super().__init__()
        self.world = world
        self.surroundings = place
        self._streams = streams
        self._clock_resolution = 1e-9
        self._selector = _Selector(world, self._has_work)
        self._rng = world.rng("loop")
        self.tasks: dict[asyncio.Task[Any], Process | None] = {}
        """Every task that has not ended, oldest first, and whose it is."""
        self.set_task_factory(cast("Any", self._task))

    def time(self) -> float:
        """Virtual seconds since the beginning of the run."""
        return self.world.now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        context = copy_context() if context is None else context
        return super().call_soon(*_owned(context, callback, args), context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = copy_context() if context is None else context
        return super().call_at(when, *_owned(context, callback, args), context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """``func`` is called at once: a thread would bring real time in."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:
            future.set_exception(exc)
        return future

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """A stream over the simulated network. OSError as from a real one; options other than None are not known."""
        if any(options.values()):
            unknown(f"create_connection({', '.join(name for name, value in options.items() if value)})")
        ip = self.surroundings.find(host)
        if ip is None:
            raise OSError(errno.EHOSTUNREACH, f"no simulated host is called {host!r}")
        transport = Transport(self, protocol_factory(), self._rng)
        transport.attach(self._streams.dial(self.surroundings.ip(), (ip, port), transport))
        await transport.opened()
        return transport, transport.get_protocol()

    def _task(
        self,
        loop: asyncio.AbstractEventLoop,
        main: Coroutine[Any, Any, Any],
        *,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:
        """Each task is one of the process whose code makes it. Later Pythons give more options."""
        task: asyncio.Task[Any] = asyncio.Task(main, loop=loop, context=context, **options)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        self.tasks[task] = process
        task.add_done_callback(self.tasks.pop)
        return task

    def _has_work(self) -> bool:
        return bool(self._ready)

    def _process_events(self, event_list: list[Any]) -> None:
        """Whatever the world brought has asked for its own turn."""

    def _write_to_self(self) -> None:
        """Nobody waits in a system call."""


def unknown(what: str) -> NoReturn:
    """Say that the simulated loop does not know it, and what to do."""
    raise NotImplementedError(
        f"the simulated loop knows no {what}: nothing real is reached from here. Put what your service talks to behind"
        " an object of its own, and give it one that keeps things in memory when it is simulated"
    )


def _unknown(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        unknown(f"{name}()")

    return refuse


for _name in (
    "create_server", "create_datagram_endpoint", "create_unix_connection", "create_unix_server", "start_tls",
    "connect_accepted_socket", "sendfile", "subprocess_exec", "subprocess_shell", "connect_read_pipe",
    "connect_write_pipe", "add_reader", "add_writer", "sock_connect", "sock_accept", "sock_recv", "sock_recv_into",
    "sock_recvfrom", "sock_sendall", "sock_sendto", "getaddrinfo", "getnameinfo", "add_signal_handler",
):  # fmt: skip
    setattr(VirtualLoop, _name, _unknown(_name))


def _owned(context: Context, callback: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The call, through the process that asks for it, if one does."""
    process = context.get(PROCESS)
    return (callback, *arguments) if process is None else (process.do, callback, *arguments)

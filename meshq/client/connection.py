"""A connection that lasts: one live session after the other, to whichever node can be had.

Decides where to connect, when to try again, and when to move on. The desks (publishing, subscriptions,
questions, events) speak over it and are told when a session begins and ends; what is
lost or said again then is theirs to know. Everything they say in one turn of the loop leaves in one write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from meshq.client.addresses import AddressBook
from meshq.client.backoff import Backoff
from meshq.client.session import LiveSession
from meshq.config import LinkConfig
from meshq.errors import Closed, Fenced, LocalProtocolError, MeshError, RemoteProtocolError, Unreachable
from meshq.link.client import ClientSession
from meshq.machine.effects import Address
from meshq.machine.rng import Rng
from meshq.names import Epoch
from meshq.runtime.addresses import show_address
from meshq.runtime.contract import Stream, StreamOwner
from meshq.wire.frames import Hello
from meshq.wire.keyring import Secrecy

Dial: TypeAlias = Callable[[Address, StreamOwner], Awaitable[Stream]]
"""Opens a stream. Raises Unreachable (try again) or Closed or Fenced (the node is gone for good)."""

CLOSE_TIMEOUT_S = 2.0
"""How long a closing connection waits for the node to have read everything."""

MOVE_TIMEOUT_S = 2.0
"""How long what is outstanding may keep a session with a node that is draining."""

_log = logging.getLogger("meshq.client")


class Identity:
    """Who the client says it is: ``name`` is shown by the node, ``label`` must be the mesh's or empty.

    ``secrecy``: the mesh's keys, if it has them.
    """

    __slots__ = ("epoch", "label", "name", "secrecy")

    def __init__(self, name: str, label: str, epoch: Epoch, secrecy: Secrecy | None = None) -> None:
        self.secrecy = secrecy
        self.name = name
        self.label = label
        self.epoch = epoch


class Desk(Protocol):
    """A part of the client that speaks over the connection."""

    def began(self, session: LiveSession, hello: Hello) -> None:
        """A session is up: say again what must be said on each."""

    def turn(self, session: LiveSession | None) -> None:
        """The turn ends: say what was gathered, or note that nobody is there to hear it."""

    def lost(self, error: MeshError) -> None:
        """The session ended; another one will be tried."""

    def stop(self, error: MeshError) -> None:
        """No session will come any more; whoever waits is told ``error``."""

    def leaving(self, session: LiveSession) -> None:
        """The session will be left on purpose as soon as every desk is idle, or MOVE_TIMEOUT_S are over."""

    def idle(self) -> bool:
        """Whether the session can be left without making anything doubtful."""


class Connection:
    """``session`` is the live one or None. All calls belong to one loop."""

    def __init__(self, dial: Dial, book: AddressBook, identity: Identity, config: LinkConfig, rng: Rng) -> None:
        self._dial = dial
        self._book = book
        self._identity = identity
        self._config = config
        self._wait = Backoff(config.redial_min_s, config.redial_max_s, rng=rng)
        self._desks: list[Desk] = []
        self._handlers: dict[type[Any], Callable[[Any], None]] = {}
        self._loop: asyncio.AbstractEventLoop
        self._task: asyncio.Task[None] | None = None
        self._scheduled = False
        self._moving = False
        self._arrivals: list[asyncio.Future[None]] = []
        self.session: LiveSession | None = None
        self.node = ""
        """The name of the node at the other end, of the latest one when there is none."""
        self.ended: MeshError | None = LocalProtocolError("open the mesh first: async with it, or await it")
        """Why there are no sessions: not started, or ended for this reason."""
        self.trouble = "not connected yet"
        """Why there is no session, in words."""

    def add(self, desk: Desk, handlers: dict[type[Any], Callable[[Any], None]]) -> None:
        """Let a desk speak, and have it hear the frames that it names."""
        self._desks.append(desk)
        self._handlers.update(handlers)

    async def start(self) -> None:
        """Connect to the first address that answers. Raises Unreachable, or what the only one said."""
        self._loop = asyncio.get_running_loop()
        self.ended = None
        failures: list[str] = []
        for address in self._book.round():
            try:
                await self._try(address)
            except MeshError as exc:
                error, why = exc, f"{show_address(address)}: {exc}"
                failures.append(why)
            else:
                return
        if len(failures) == 1 and isinstance(error, RemoteProtocolError):
            raise RemoteProtocolError(why, code=error.code) from error
        if len(failures) == 1 and not isinstance(error, Unreachable):
            raise error
        raise Unreachable(f"no node could be reached: {'; '.join(failures)}") from error

    def schedule(self) -> None:
        """End a turn soon: what the desks have gathered then leaves.

        Also called when frames were read: the tasks that they woke run first, so what these say is in the same turn.
        """
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def move_on(self) -> bool:
        """Leave the node for another one as soon as nothing is outstanding; False when there is no other."""
        if self.session is None:
            return True
        if not self._book.has_other(self.session.address):
            return False
        if not self._moving:
            self._moving = True
            self._loop.call_later(MOVE_TIMEOUT_S, self._move, self.session)
            for desk in self._desks:
                desk.leaving(self.session)
        self.schedule()
        return True

    async def arrival(self, timeout_s: float) -> LiveSession:
        """The live session, waited for if need be. Raises Unreachable, or why there will be none."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.session is None:
                    if self.ended is not None:
                        raise again(self.ended)
                    future = self._loop.create_future()
                    self._arrivals.append(future)
                    await future
        except TimeoutError:
            raise Unreachable(f"no node reached within {timeout_s:g} s: {self.trouble}") from None
        return self.session

    async def close(self, error: MeshError) -> None:
        """Say goodbye after everything said so far, and end. Idempotent; safe to cancel."""
        self._stop(error)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self.session is not None:
            await self.session.leave(error, CLOSE_TIMEOUT_S)

    def fail(self, error: MeshError) -> None:
        """There is nobody left to connect to: end at once."""
        self._stop(error)
        if self.session is not None:
            self.session.end(error, abort=True)

    def _stop(self, error: MeshError) -> None:
        if self.ended is None:
            self._turn()
            self.ended = error
            for desk in self._desks:
                desk.stop(error)
            self._turn()
            self._announce()

    # one session after the other

    async def _try(self, address: Address) -> None:
        machine = ClientSession(
            self._config,
            self._loop.time(),
            label=self._identity.label,
            name=self._identity.name,
            epoch=self._identity.epoch,
            secrecy=self._identity.secrecy,
        )
        session = LiveSession(address, machine, self._handlers, self._began, self._lost, self.schedule)
        try:
            async with asyncio.timeout(self._config.hello_timeout_s):
                session.attach(await self._dial(address, session))
                await asyncio.shield(session.greeted)
        except TimeoutError:
            session.end(Unreachable("no answer"), abort=True)
            raise Unreachable(f"no answer within {self._config.hello_timeout_s:g} s") from None
        except BaseException:
            session.end(Closed("given up"), abort=True)
            raise

    def _began(self, session: LiveSession, hello: Hello) -> None:
        self.session = session
        self.node = hello.name
        self.trouble = f"{hello.name} does not answer"
        self._moving = False
        self._book.learn(hello.options.get("peers"))
        for desk in self._desks:
            desk.began(session, hello)
        self.schedule()
        self._announce()

    def _lost(self, session: LiveSession, error: MeshError) -> None:
        if session is not self.session:
            return
        self.session = None
        self.trouble = str(error)
        if self.ended is not None:
            return
        _log.info("lost %s: %s; trying again", self.node, error)
        self._book.put_last(session.address)
        for desk in self._desks:
            desk.lost(error)
        self._task = self._loop.create_task(self._reconnect(), name="meshq:reconnect")

    async def _reconnect(self) -> None:
        try:
            await self._find()
        except (Closed, Fenced) as exc:
            self.fail(exc)
        except Exception as exc:
            _log.exception("reconnecting failed for good")
            self.fail(MeshError(f"reconnecting failed: {exc!r}"))

    async def _find(self) -> None:
        """Try every address in turn, with growing waits between rounds. Raises Closed, Fenced."""
        rounds = 0
        while True:
            for address in self._book.round():
                try:
                    await self._try(address)
                except (Closed, Fenced):
                    raise
                except MeshError as exc:
                    self.trouble = f"{show_address(address)}: {exc}"
                else:
                    _log.info("connected to %s", self.node)
                    return
            rounds += 1
            await asyncio.sleep(self._wait(rounds))

    def _turn(self) -> None:
        self._scheduled = False
        session = self.session
        for desk in self._desks:
            desk.turn(session)
        if session is not None:
            session.flush()
            if self._moving and all(desk.idle() for desk in self._desks):
                self._move(session)

    def _move(self, session: LiveSession) -> None:
        if session is self.session:
            session.end(Unreachable(f"left {self.node}, which is draining"))

    def _announce(self) -> None:
        arrivals, self._arrivals = self._arrivals, []
        for future in arrivals:
            if not future.done():
                future.set_result(None)


def again(error: MeshError) -> MeshError:
    """The same error as a new object, so that each caller has a traceback of its own."""
    twin = type(error)(str(error), code=error.code)
    twin.__dict__.update(error.__dict__)
    return twin

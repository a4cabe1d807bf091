"""A client of the mesh: a connection that comes back. What is done on it is in ``publisher`` and ``consumer``.

They use the same client session as the asyncio client, over in-process pipes or over the simulated network, and
write what they saw into the ledger. Decides how clients behave, well or badly; what nodes owe them is the
checkers'.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.config import LinkConfig
from meshq.errors import RemoteProtocolError
from meshq.link.client import ClientSession
from meshq.names import Epoch
from meshq.sim.ends import End
from meshq.sim.fleet import Fleet
from meshq.sim.ledger import Ledger
from meshq.sim.world import Alarm
from meshq.wire.frames import Answer, Frame, Goodbye, Hello
from meshq.wire.keyring import Secrecy, read_keyring

RETRY_S: Final = (0.1, 0.6)


class Client:
    """One connection to ``node``; when it ends, another, to the same node or (``roaming``) to one that runs."""

    def __init__(
        self, fleet: Fleet, ledger: Ledger, name: str, node: str, *, remote: bool = False, roaming: bool = False
    ) -> None:
        self.name = name
        self.node = node
        self.up = False
        self.connections = 0
        self._fleet = fleet
        self._world = fleet.world
        self._ledger = ledger
        self._rng = fleet.world.rng("client", name)
        self._ip = f"10.200.{self._rng.randrange(250)}.{self._rng.randrange(1, 250)}" if remote else ""
        self.sealed = remote
        """Whether it uses the key of its node, if that has one; on the same host it need not."""
        self.roaming = roaming
        self._config = LinkConfig()
        self._alarm = Alarm(fleet.world, self._tick)
        self._flushing = False
        self._end: End | None = None
        self._session: ClientSession
        self._gone = False
        self._handlers: dict[type[Any], Any] = {}

    @property
    def remote(self) -> bool:
        """Whether it reaches its node over the network."""
        return bool(self._ip)

    def start(self) -> None:
        """Connect, and stay connected."""
        self._connect()

    def leave(self) -> None:
        """Say goodbye, and stay away."""
        self._gone = True
        if self._end is not None:
            self._session.goodbye()
            self._flush_now()
            self._drop()

    def cut(self) -> None:
        """The connection breaks, if there is one; the client comes back."""
        if self._end is not None:
            self._lost()

    def came_up(self) -> None:
        """The node said hello."""

    def went_down(self) -> None:
        """The connection is over; what was under way on it is."""

    # The stream's owner.

    def stream_accepted(self, end: End) -> None:
        """Nobody dials a client."""

    def stream_connected(self, end: End) -> None:
        if end is self._end:
            self._open()

    def stream_buffered(self, end: End, size_bytes: int) -> None:
        """A client writes little."""

    def stream_readable(self, end: End) -> None:
        if end is not self._end:
            return
        data = end.read(self._rng)
        if data:
            try:
                frames = self._session.receive(self._world.now, data)
            except RemoteProtocolError as exc:
                self._ledger.say(f"{self.name} was sent bad bytes by {self.node}: {exc}")
                self._lost()
                return
            for frame in frames:
                self._frame(frame)
        if end.ended is not None:
            self._lost()
        elif end is self._end:
            if end.waiting:
                end.notice()
            self._flush()

    # Inside.

    def _connect(self) -> None:
        if self._gone:
            return
        self.connections += 1
        if self.roaming and not self._fleet.hosts[self.node].running and self._fleet.running:
            self.node = self._rng.choice(self._fleet.running).name
        if self._ip:
            self._end = self._fleet.streams.dial(self._ip, self._fleet.address(self.node), self)
            return
        self._end = self._fleet.hosts[self.node].pipe(self)
        if self._end is None:
            self._retry()
        else:
            self._open()

    def _open(self) -> None:
        epoch = Epoch(int(self._world.now * 1000) + 1, self.connections)
        self._session = ClientSession(
            self._config, self._world.now, label="meshq", name=self.name, epoch=epoch, secrecy=self._secrecy()
        )
        self._flush_now()

    def _secrecy(self) -> Secrecy | None:
        keys = self._fleet.hosts[self.node].keys
        if not keys or not self.sealed:
            return None
        return Secrecy(
            read_keyring(keys, self.node), self._world.rng("client entropy", self.name, self.connections).randbytes
        )

    def _retry(self) -> None:
        self._world.after(self._rng.uniform(*RETRY_S), self._connect)

    def _lost(self) -> None:
        self._drop()
        self._retry()

    def _drop(self) -> None:
        end, self._end = self._end, None
        self._alarm.arm(None)
        if end is not None:
            end.close()
            self._fleet.streams.forget(end)
        if self.up:
            self.up = False
            self.went_down()

    def _frame(self, frame: Frame) -> None:
        if type(frame) is Hello:
            self.up = True
            self.came_up()
        elif type(frame) is Goodbye:
            self._lost()
        else:
            handler = self._handlers.get(type(frame))
            if handler is not None and self._end is not None:
                handler(frame)

    def _flush(self) -> None:
        """Write once for all that is said at this instant."""
        if not self._flushing:
            self._flushing = True
            self._world.at(self._world.now, self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = False
        end = self._end
        if end is not None and end.connected:
            chunks = self._session.output(self._world.now)
            if chunks:
                end.write(chunks)
            self._alarm.arm(self._session.deadline())

    def _tick(self) -> None:
        if self._end is None or not self._end.connected:
            return
        if self._session.dead(self._world.now) is not None:
            self._lost()
            return
        self._session.tick(self._world.now)
        self._flush_now()


class Admin(Client):
    """Asks its node for things: create, delete, drain."""

    DEADLINE_MS: Final = 2_000

    def __init__(self, fleet: Fleet, ledger: Ledger, name: str, node: str, *, roaming: bool = False) -> None:
        super().__init__(fleet, ledger, name, node, roaming=roaming)
        self.answers: dict[int, Answer] = {}
        self._paused: dict[tuple[str, str], int] = {}
        """What it paused, with the question that resumes it, once that is asked."""
        self._numbers = 0
        self._handlers = {Answer: self._answered}

    def ask(self, kind: str, arguments: dict[str, Any]) -> int:
        """Ask, if the node can be reached; the answer comes under the number returned, or never."""
        self._numbers += 1
        if kind == "pause":
            self._paused.setdefault((arguments["topic"], arguments.get("channel", "")), 0)
        if kind == "delete":
            self._ledger.deletes.append(arguments["topic"])
        if self.up:
            self._world.note(self.name, f"asks {self.node} to {kind} {arguments}")
            self._session.ask(self._numbers, kind, arguments, self.DEADLINE_MS)
            self._flush()
        return self._numbers

    def settle_down(self) -> None:
        """Have everything go on that it paused: again until the node has answered."""
        for (topic, channel), number in list(self._paused.items()):
            if number in self.answers:
                del self._paused[topic, channel]
            else:
                name = {"topic": topic, **({"channel": channel} if channel else {})}
                self._paused[topic, channel] = self.ask("resume", name)
        if self._paused:
            self._world.after(self.DEADLINE_MS / 1000, self.settle_down)

    @property
    def busy(self) -> bool:
        """Whether something that it paused has not gone on."""
        return bool(self._paused)

    def _answered(self, frame: Answer) -> None:
        self.answers[frame.number] = frame

"""Scripted nodes for the client's tests: real frames over in-process streams, no broker behind them.

A ``ScriptedNode`` keeps what a client said, frame by frame, and says what the test tells it to. ``Lan`` is the
dialler: addresses that are nodes, and addresses where nobody listens.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from meshq.client.mesh import Mesh
from meshq.config import LinkConfig
from meshq.errors import Unreachable
from meshq.link.session import Session
from meshq.machine.effects import Address
from meshq.names import Epoch, LogId
from meshq.runtime.contract import Stream, StreamOwner
from meshq.runtime.loop import run as run_loop
from meshq.runtime.pipe import pipe
from meshq.wire import bodies
from meshq.wire.frames import (
    VERSION,
    Answer,
    Ask,
    Confirmed,
    Deliver,
    Ended,
    Fin,
    Frame,
    Goodbye,
    Hello,
    Publish,
    Refused,
    Req,
    Return,
    Span,
    Subscribe,
    Subscribed,
    Unsubscribe,
)

F = TypeVar("F")
WAIT_S = 5.0


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition`` holds; fails after WAIT_S."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def on_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test that runs on an event loop of its own, for at most half a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    @functools.wraps(test)
    def run() -> None:
        run_loop(bounded())

    return run


class ScriptedNode:
    """One node. Publishes are confirmed and subscriptions accepted unless the test took that over."""

    def __init__(self, lan: Lan, name: str, address: Address) -> None:
        self.lan = lan
        self.name = name
        self.address = address
        self.frames: list[Frame] = []
        self.options: dict[str, Any] = {"publish_messages": 65_536, "publish_bytes": 1 << 25, "timeout_ms": 60_000}
        self.on_publish: Callable[[Publish], None] = self.confirm
        self.on_subscribe: Callable[[Subscribe], None] = self.accept
        self.on_ask: Callable[[Ask], None] = lambda ask: self.say(Answer(ask.number, "", ask.arguments))
        self.log = LogId(name, 1, 2, 1, 0)
        self.next = 1
        self.greet = True
        self.stream: Stream | None = None
        self.session: Session
        self.sessions = 0
        self.goodbyes: list[Goodbye] = []

    # what a test says

    def say(self, frame: Frame) -> None:
        """Send a frame to the client."""
        self.session.send(frame)
        self._flush()

    def confirm(self, frame: Publish) -> None:
        """Accept a publish."""
        self.say(Confirmed(frame.request, self.log, self.next, "memory"))
        self.next += frame.messages

    def refuse(self, frame: Publish | Subscribe, code: str = "FULL", limit: str = "memory_bytes_max") -> None:
        """Refuse a publish or a subscription."""
        self.say(Refused(frame[0], code, f"no: {code}", limit))

    def accept(self, frame: Subscribe) -> None:
        """Accept a subscription."""
        self.say(Subscribed(frame.flow, 3, 3, 1))

    def deliver(self, flow: int, items: list[Any], *, attempts: list[list[int]] | None = None) -> Span:
        """Lend messages to a subscription; returns where they are in the log."""
        start, stop = self.next, self.next + len(items)
        self.next = stop
        self.say(Deliver(flow, self.log, start, stop, 1_700_000_000_000_000_000, attempts or [], bodies.encode(items)))
        return self.log, start, stop

    def end(self, *, goodbye: str = "") -> None:
        """End the connection, as a leaving node (with a code) or as one that was killed."""
        assert self.stream is not None
        if goodbye:
            self.session.goodbye(goodbye, "the test said so")
            self._flush()
        self.stream.close(abort=not goodbye)
        self.stream = None

    # what a test asks

    def all(self, kind: type[F]) -> list[F]:
        """The frames of one kind, in order."""
        return [frame for frame in self.frames if type(frame) is kind]

    def finished(self) -> list[tuple[int, int]]:
        """The finished spans, in order."""
        return [(start, stop) for fin in self.all(Fin) for _, start, stop in fin.spans]

    def requeued(self) -> list[tuple[int, int, int, str]]:
        """The requeued spans, in order, with delay and reason."""
        return [(req.start, req.stop, req.delay_ms, req.reason) for req in self.all(Req)]

    def returned(self) -> list[tuple[int, int]]:
        """The spans that were given back untaken."""
        return [(back.start, back.stop) for back in self.all(Return)]

    def published(self) -> list[bytes]:
        """Every body that was published, in order."""
        items = [item for frame in self.all(Publish) for item in bodies.decode(frame.body)]
        return [item if isinstance(item, bytes) else item[0] for item in items]

    @property
    def flow(self) -> int:
        """The number of the latest subscription."""
        return self.all(Subscribe)[-1].flow

    # the stream

    def adopt(self, stream: Stream) -> None:
        """A client dialled."""
        self.stream = stream
        self.sessions += 1
        self.session = Session(LinkConfig(), asyncio.get_running_loop().time())

    def stream_received(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        for frame in self.session.receive(now, data):
            self.frames.append(frame)
            if type(frame) is Hello and self.greet:
                peers = [list(address) for address in self.lan.nodes if address != self.address]
                options = {"peers": peers, **self.options}
                epoch = Epoch(1, 2)
                self.session.welcome(Hello(VERSION, VERSION, [], "meshq", "node", self.name, epoch, "", {}, options))
            elif type(frame) is Publish:
                self.on_publish(frame)
            elif type(frame) is Subscribe:
                self.on_subscribe(frame)
            elif type(frame) is Unsubscribe:
                self.say(Ended(frame.flow, "", ""))
            elif type(frame) is Ask:
                self.on_ask(frame)
            elif type(frame) is Goodbye:
                self.goodbyes.append(frame)
                self._flush()
                if self.stream is not None:
                    self.stream.close()
                return
        self._flush()

    def stream_closed(self, reason: str) -> None:
        self.stream = None

    def stream_drained(self) -> None:
        pass

    def _flush(self) -> None:
        chunks = self.session.output(asyncio.get_running_loop().time())
        if chunks and self.stream is not None:
            self.stream.write(chunks)


class Lan:
    """Addresses and the nodes behind them."""

    def __init__(self) -> None:
        self.nodes: dict[Address, ScriptedNode] = {}
        self.down: set[Address] = set()
        self.dialled: list[Address] = []

    def node(self, name: str = "a") -> ScriptedNode:
        """A node at an address of its own."""
        address = (f"host-{name}", 4155)
        self.nodes[address] = ScriptedNode(self, name, address)
        return self.nodes[address]

    def mesh(self, *nodes: ScriptedNode, **config: Any) -> Mesh:
        """A client that is given the addresses of ``nodes`` (of all, if none are named)."""
        link = LinkConfig(**{"redial_min_s": 0.01, "redial_max_s": 0.05, **config})
        addresses = [node.address for node in nodes or self.nodes.values()]
        return Mesh(self.dial, addresses, name="test", config=link)

    async def dial(self, address: Address, owner: StreamOwner) -> Stream:
        self.dialled.append(address)
        node = self.nodes.get(address)
        if node is None or address in self.down:
            raise Unreachable(f"can't connect to {address[0]}: refused")
        loop = asyncio.get_running_loop()
        near, far = pipe(loop, loop, near_owner=owner, far_owner=node)
        node.adopt(far)
        return near


def silent(frame: Any) -> None:
    """A node's answer to what it is not to answer."""

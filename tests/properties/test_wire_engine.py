"""Whatever comes in at a node's two ports, no input raises, and the node goes on serving.

A whole engine hears valid datagrams and frames that were changed a little, in any order, as a stranger, as a member
and as a client. Afterwards another client publishes and is confirmed.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshq.config import Config
from meshq.engine.engine import Engine
from meshq.link.client import ClientSession
from meshq.machine.effects import Store, Write
from meshq.names import ChannelKey, Epoch, LogId
from meshq.wire import bodies, codec, gossip, interest
from meshq.wire.frames import KINDS, MAGIC, VERSION, Confirmed, Hello
from meshq.wire.prefix import PACKET_BYTES_MAX, Prefix
from tests.properties.strategies import mutated
from tests.properties.test_wire import any_frame
from tests.properties.test_wire_packets import gossips, interests
from tests.wire.samples import FRAMES

US = ("127.0.0.1", 4155)
THEM = ("10.0.0.2", 4155)
PREFIX = Prefix("meshq")

packets = st.one_of(gossips, interests.map(interest.encode)).filter(lambda packet: len(packet) <= PACKET_BYTES_MAX)
datagrams = st.one_of(
    packets.map(PREFIX.wrap),
    mutated(packets).filter(lambda packet: len(packet) <= PACKET_BYTES_MAX).map(PREFIX.wrap),
    mutated(packets.map(PREFIX.wrap)),
)
told = st.one_of(any_frame, st.sampled_from(FRAMES)).map(codec.encode)
streams = st.tuples(
    st.sampled_from(["node", "client", "gossip", "nobody"]), st.lists(st.one_of(told, mutated(told)), max_size=6)
)

KEY = ChannelKey("orders", "billing", 1)
LOGS = st.sampled_from(
    [LogId("us", 1, 1, 1, 0), LogId("them", 5, 5, 1, 0), LogId("us", 1, 1, 2, 0), LogId("us", 0, 0, 1, 0)]
)
NUMBERS = st.one_of(st.integers(0, 5), st.sampled_from([200, 2**32, 2**63, 2**64 - 1]))
SPANS = st.builds(lambda log, start, more: (log, start, min(start + more, 2**64 - 1)), LOGS, st.integers(1, 5), NUMBERS)
NEAR: dict[str, st.SearchStrategy[Any]] = {
    "int": NUMBERS,
    "str": st.sampled_from(["requeue", "timeout", "departed", "orders", "billing", ""]),
    "bytes": st.sampled_from([bodies.encode([b"x"]), bodies.encode([b"x", b"y"]), b"", b"\x81"]),
    "bool": st.booleans(),
    "Any": st.just({}),
    "Flow": st.one_of(st.just(KEY), st.just(KEY._replace(generation=2)), st.integers(0, 2)),
    "LogId": LOGS,
    "Epoch": st.just(Epoch(5, 5)),
    "list[str]": st.just([]),
    "list[Span]": st.lists(SPANS, max_size=3),
    "list[Range]": st.lists(st.tuples(NUMBERS, NUMBERS).map(list), max_size=2),
    "list[Tried]": st.lists(
        st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.just("first"), st.just("last")).map(list), max_size=2
    ),
    "list[list[int]]": st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(list), max_size=2),
    "list[tuple[LogId, int, int]]": st.lists(st.tuples(LOGS, NUMBERS, NUMBERS), max_size=2),
    "dict[str, Any]": st.just({}),
    "dict[str, list[Any]]": st.just({}),
}


def near(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Frames of a kind that speak of what exists: a channel with a consumer, and its logs."""
    return st.builds(kind, **{name: NEAR[hint.__forward_arg__] for name, hint in kind.__annotations__.items()})


near_frames = st.lists(st.sampled_from(list(KINDS.values())).flatmap(near), max_size=12)


class Node:
    """An engine that has started on its own, with time and what it wrote."""

    def __init__(self) -> None:
        self.engine = Engine(Config(name="us"), Epoch(1, 1), random.Random(1), bound=US, advertised=US)
        self.now = 100.0
        self.written: dict[int, list[bytes]] = {}
        self.engine.start(self.now, 10**18)
        self.turn()

    def turn(self) -> None:
        """End the turn, then let what is due happen."""
        self.perform()
        self.now += 0.3
        self.engine.tick(self.now)
        self.perform()

    def perform(self) -> None:
        """Keep what is written; what is to be stored is stored at once."""
        while effects := self.engine.effects():
            for effect in effects:
                if isinstance(effect, Write):
                    self.written.setdefault(effect.stream, []).extend(effect.chunks)
                elif isinstance(effect, Store):
                    self.engine.stored(self.now, effect.token)

    def hello(self, role: str, data: list[bytes]) -> None:
        """A stream of that role, and what comes over it until it is closed."""
        stream = self.engine.accepted(self.now, THEM)
        said = Hello(VERSION, VERSION, [], "meshq", role, "them", Epoch(5, 5), "", {"mesh": list(THEM)})
        self.engine.received(self.now, stream, MAGIC + codec.encode(said))
        self.turn()
        for part in data:
            self.engine.received(self.now, stream, part)
        self.turn()
        self.engine.closed(self.now, stream, "reset")

    def serves(self) -> bool:
        """Whether a new client's publish is confirmed."""
        client = ClientSession(Config(name="x").link, self.now, epoch=Epoch(1, 1))
        stream = self.engine.accepted(self.now, ("", 0))
        self.talk(client, stream)
        client.publish(1, "orders", 1, bodies.encode([b"x"]))
        return any(isinstance(frame, Confirmed) for frame in self.talk(client, stream))

    def talk(self, client: ClientSession, stream: int) -> list[Any]:
        """What the node answers to what the client has to say."""
        self.engine.received(self.now, stream, b"".join(client.output(self.now)))
        self.perform()
        return client.receive(self.now, b"".join(self.written.pop(stream, [])))


def joined(node: Node) -> None:
    """They are a member that we hold alive."""
    packet = gossip.join(gossip.Join(1, "them", Epoch(5, 5), *THEM, *US, True))
    node.engine.datagram(node.now, PREFIX.wrap(packet), THEM)
    node.turn()


@given(st.lists(datagrams, max_size=12), st.booleans())
def test_any_datagrams_leave_a_node_that_serves(data: list[bytes], member: bool) -> None:
    node = Node()
    if member:
        joined(node)
    for datagram in data:
        node.engine.datagram(node.now, datagram, THEM)
        node.turn()
    assert node.serves()


@given(st.lists(streams, min_size=1, max_size=3), st.booleans())
def test_any_frames_leave_a_node_that_serves(said: list[tuple[str, list[bytes]]], member: bool) -> None:
    node = Node()
    if member:
        joined(node)
    for role, data in said:
        node.hello(role, data)
    assert node.serves()


@given(st.sampled_from(["node", "client"]), near_frames, st.integers(0, 12))
def test_a_peer_that_talks_nonsense_of_what_exists_leaves_a_node_that_serves(
    role: str, said: list[Any], cut: int
) -> None:
    node = Node()
    joined(node)
    client = ClientSession(Config(name="x").link, node.now, epoch=Epoch(1, 1))
    stream = node.engine.accepted(node.now, ("", 0))
    client.subscribe(1, "orders", "billing", 3, 1000)
    client.publish(2, "orders", 5, bodies.encode([b"x"] * 5))
    node.talk(client, stream)
    node.turn()
    data = [codec.encode(frame) for frame in said]
    node.hello(role, [b"".join(data[:cut]), b"".join(data[cut:])])
    node.engine.broker.check()
    assert node.serves()


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_bytes_leave_a_node_that_serves(data: list[bytes]) -> None:
    node = Node()
    for part in data:
        node.engine.datagram(node.now, part, THEM)
        stream = node.engine.accepted(node.now, THEM)
        node.engine.received(node.now, stream, part)
        node.turn()
        node.engine.closed(node.now, stream, "eof")
    assert node.serves()

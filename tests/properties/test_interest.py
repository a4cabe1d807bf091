"""Laws of interest: copies are right about what they claim, meshes agree when faults stop, barriers tell the truth.

The copy is checked against its owner after every part, whatever was lost, doubled, cut or forgotten before. The
mesh is four routings that speak encoded packets over a bad network; every barrier is checked when it ends.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshq.config import RoutingConfig
from meshq.errors import RemoteProtocolError
from meshq.names import Epoch
from meshq.routing.counters import Counters
from meshq.routing.interest import Interest, Key, Outcome
from meshq.routing.news import News
from meshq.wire import interest as wire
from meshq.wire import strict
from meshq.wire.interest import CONSUMERS_MAX, Entry
from tests.routing.net import Net
from tests.routing.story import Story

EPOCH = Epoch(1, 2)
keys = st.tuples(st.just("t"), st.sampled_from("abcdef"))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), keys, st.integers(0, 2)),
        st.tuples(st.just("prune"), st.integers(0, 40)),
        st.tuples(st.just("part"), st.integers(0, 40), st.integers(0, 40)),
        st.tuples(st.just("deliver"), st.integers(0, 40)),
        st.tuples(st.just("mask"), st.booleans()),
    ),
    max_size=80,
)


class Copy:
    """An owner's news and one copy of them; parts wait in a bag and may be delivered at any time, or never."""

    def __init__(self) -> None:
        self.news = News()
        self.versions: dict[Key, int] = {}
        self.counts: dict[Key, int] = {}
        self.interest = Interest(RoutingConfig(), Counters())
        self.interest.show("owner", EPOCH)
        self.masked = False
        self.bag: list[tuple[int, int, int, list[Entry]]] = []

    def set(self, key: Key, count: int) -> None:
        if self.counts.get(key, 0) != count:
            self.news.set_consumers(key, count)
            self.counts[key], self.versions[key] = count, self.news.version

    def part(self, start: int, length: int) -> None:
        """What the owner would send to one that knows ``start``, cut after ``length`` entries."""
        start = start if self.news.floor <= start <= self.news.version else 0
        items = self.news.since(start)
        stop = items[length - 1].version if 0 < length < len(items) else self.news.version
        entries = [
            Entry(*item.key, self.news.consumers(item.key), item.version, 0) for item in items if item.version <= stop
        ]
        self.bag.append((self.news.floor, start, stop, entries))

    def deliver(self, at: int) -> Outcome | None:
        return self.interest.apply("owner", EPOCH, *self.bag[at % len(self.bag)]) if self.bag else None

    def mask(self, masked: bool) -> None:
        self.masked = masked
        if masked:
            self.interest.mask("owner")
        else:
            self.interest.show("owner", EPOCH)

    def check(self) -> None:
        """Whatever last changed at or before the copy's version is as the owner has it; the index says the same."""
        holding = self.interest.holding("owner", EPOCH)
        assert holding is not None
        for key, version in self.versions.items():
            if version <= holding.version:
                assert holding.consumers(key) == self.counts[key], (key, version, holding.version)
        for key in self.versions:
            shown = self.interest.index.interested(key) == ("owner",)
            assert shown == (not self.masked and holding.consumers(key) > 0)
        assert self.interest.pairs == len(holding.entries)


@given(steps)
def test_a_copy_is_right_about_everything_up_to_its_version(drawn: list[Any]) -> None:
    copy = Copy()
    version = 0
    for verb, *arguments in drawn:
        if verb == "prune":
            copy.news.prune(*arguments)
        else:
            getattr(copy, verb)(*arguments)
        copy.check()
        assert copy.interest.version("owner", EPOCH) >= version
        version = copy.interest.version("owner", EPOCH)


@given(steps)
def test_a_copy_that_asks_for_what_it_misses_gets_equal_to_its_owner(drawn: list[Any]) -> None:
    copy = Copy()
    for verb, *arguments in drawn:
        getattr(copy.news if verb == "prune" else copy, verb)(*arguments)
    for _ in range(2):
        copy.part(copy.interest.since("owner", EPOCH, copy.news.floor), 0)
        copy.deliver(len(copy.bag) - 1)
    holding = copy.interest.holding("owner", EPOCH)
    assert holding is not None
    assert (holding.version, holding.hash, len(holding.entries)) == (copy.news.version, copy.news.hash, len(copy.news))
    assert all(packed & CONSUMERS_MAX for packed in holding.entries.values())


@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0.003, 0.05]),
)
def test_a_mesh_agrees_when_faults_stop_and_no_barrier_lied(
    seed: int, loss: float, doubled: float, delay_s: float
) -> None:
    net = Net("a", "b", "c", "d", seed=seed, loss=loss, doubled=doubled, delay_s=(0.001, delay_s))
    net.meet()
    story = Story(net, seed)
    story.go(40)
    story.heal()


junk: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-2, 2**64), st.text(max_size=3), st.binary(max_size=9),
        st.sampled_from(["a", "b", "t", "c", "t#ephemeral", [1, 2], {}, bytes(512)]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=12,
)  # fmt: skip


@st.composite
def nearly_packets(draw: st.DrawFn, like: list[Any]) -> list[Any]:
    """A packet that was valid, with one field at some depth made something else."""
    fields = [list(item) if isinstance(item, list) else item for item in like]
    at = draw(st.integers(0, len(fields) - 1))
    deeper = draw(st.booleans())
    inner = fields[at]
    if deeper and isinstance(inner, list) and inner:
        inner[draw(st.integers(0, len(inner) - 1))] = draw(junk)
    else:
        fields[at] = draw(junk)
    return fields


def plain(packet: wire.Packet) -> list[Any]:
    read: list[Any] = strict.decode(wire.encode(packet))
    return read


@given(st.data())
def test_whatever_comes_is_taken_or_refused_and_what_is_refused_changes_nothing(data: st.DataObject) -> None:
    net = Net("a", "b")
    net.meet()
    net["a"].use_channel(net.now, "t", "c")
    net["a"].consumers(net.now, "t", "c", 1)
    net.run(2.0)
    epoch = net.nodes["a"].epoch
    own = net.nodes["b"].epoch
    likes = [
        plain(wire.Announce("a", epoch, 0, 2, 9, [Entry("t", "d", 1, 7, 0)], [wire.Record("t", "d", 1, False, 0, {})])),
        plain(wire.Announced("a", epoch, own, 0, 0)),
        plain(wire.Pull("a", epoch, own, 0)),
        plain(wire.Digest("a", epoch, bytes(512))),
        plain(wire.Entries("a", epoch, [(1, 2)], [wire.Record("u", "", 1, False, 0, {})])),
        plain(wire.CatalogPull("a", epoch, 3)),
        plain(wire.CatalogPart(3, 0, True, True, [], [])),
    ]
    drawn = data.draw(st.one_of([nearly_packets(like) for like in likes]))
    routing = net["b"]
    before = list(routing.topics()), routing._head._state(), routing.ready
    try:
        routing.packet(net.now, drawn, "a", net.nodes["a"].address, data.draw(st.sampled_from([None, 7])))
    except RemoteProtocolError:
        assert (list(routing.topics()), routing._head._state(), routing.ready) == before
        assert routing.effects() == []
    routing.effects()

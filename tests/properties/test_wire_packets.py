"""Laws of the packets of gossip and interest: there and back, and any bytes are read or refused."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshq.errors import RemoteProtocolError
from meshq.names import COUNT_MAX, Epoch
from meshq.wire import gossip, interest, strict
from meshq.wire.prefix import PACKET_BYTES_MAX
from meshq.wire.rumours import Claim, Head, News, Record, encode_claim, encode_news, encode_record
from tests.properties.strategies import mutated, plain, text

whole = st.one_of(st.integers(0, 30), st.integers(0, 2**64 - 1))
counts = st.one_of(st.integers(0, 30), st.integers(0, COUNT_MAX))
small = st.one_of(st.integers(0, 30), st.integers(0, 2**63 - 1))
nodes = st.text("abc.-_9", min_size=1, max_size=64)
names = st.builds(
    lambda name, end: name + end, st.text("abc.-_9", min_size=1, max_size=54), st.sampled_from(["", "#ephemeral"])
)
hosts = st.one_of(st.ip_addresses(v=4, network="10.0.0.0/8"), st.ip_addresses(v=6, network="fd00::/8")).map(str)
ports = st.integers(1, 65535)
epochs = st.builds(Epoch, counts, whole)
heads = st.builds(Head, whole, whole, whole, whole, whole)
options = st.dictionaries(text, whole, max_size=2)
records = st.builds(
    Record, st.integers(0, 3), nodes, hosts, ports, ports, ports, epochs, counts, whole, st.text("1.", max_size=32),
    st.text("ab", max_size=64), heads, options,
)  # fmt: skip
claims = st.builds(Claim, st.integers(1, 3), nodes, epochs, counts, nodes)
news = st.builds(News, nodes, epochs, heads)
rumours = st.one_of(records.map(encode_record), claims.map(encode_claim), news.map(encode_news))
gossips = st.one_of(
    st.builds(gossip.ping, whole, nodes, nodes, whole, whole, whole, st.lists(rumours, max_size=4)),
    st.builds(gossip.ack, whole, nodes, whole, st.lists(rumours, max_size=4)),
    st.builds(gossip.ping_req, whole, nodes, nodes, whole, st.lists(rumours, max_size=4)),
    st.builds(gossip.nack, whole, nodes),
    st.builds(gossip.gossip, nodes, st.lists(rumours, max_size=30)),
    st.builds(gossip.Join, whole, nodes, epochs, hosts, ports, hosts, ports, st.booleans()).map(gossip.join),
    st.builds(
        gossip.welcome, whole, nodes, hosts, epochs, st.booleans(), st.lists(records.map(encode_record), max_size=4)
    ),
    st.builds(gossip.Refusal, whole, nodes, st.just("NAME"), hosts, ports).map(gossip.refusal),
    st.builds(gossip.ask, whole, nodes, st.lists(whole, min_size=64, max_size=64)),
    st.builds(gossip.answer, whole, nodes, whole, st.booleans(), st.lists(records.map(encode_record), max_size=4)),
    st.builds(gossip.rows, nodes, st.lists(records.map(encode_record), max_size=4)),
    st.builds(gossip.loop, whole, nodes),
    st.builds(gossip.Doubt, whole, nodes, nodes, epochs, counts).map(gossip.doubt),
    st.builds(gossip.account, whole, nodes, st.lists(rumours, max_size=4)),
)

ages = st.integers(0, 2**40)
consumers = st.integers(0, interest.CONSUMERS_MAX)
words = st.text(st.characters(codec="utf-8"), max_size=7)
"""With its name and its stamp a setting has 48 bytes at most; a character has up to four."""
settings = st.dictionaries(st.text("ab", max_size=5), st.tuples(small, st.one_of(small, words)), max_size=3)
topics = st.builds(interest.Record, names, st.just(""), st.integers(1, 2**31 - 1), st.booleans(), ages, settings)
generations = st.builds(interest.channel_generation, st.integers(1, 2**31 - 1), st.integers(1, interest.LIFE_MAX))
channels = st.builds(interest.Record, names, names, generations, st.booleans(), ages, settings)
listed = st.lists(st.one_of(topics, channels), max_size=4)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int, int, list[interest.Entry]]:
    """Floor, start, stop and entries of versions between the last two."""
    start, more = draw(st.integers(0, 1000)), draw(st.integers(0, 1000))
    entries = st.builds(interest.Entry, names, names, consumers, st.integers(start + 1, start + more), ages)
    return draw(small), start, start + more, draw(st.lists(entries, max_size=4)) if more else []


def announce(name: str, epoch: Epoch, parts: Any, listed: list[interest.Record], more: Any) -> interest.Announce:
    """An Announce out of a name, a range of versions, and records."""
    floor, start, stop, entries = parts
    return interest.Announce(name, epoch, floor, start, stop, entries, listed, more)


shares = st.builds(lambda name, epoch, parts: interest.Share(name, epoch, *parts), nodes, epochs, ranges())
interests: st.SearchStrategy[Any] = st.one_of(
    st.builds(announce, nodes, epochs, ranges(), listed, options),
    st.builds(interest.Announced, nodes, epochs, epochs, small, small, options),
    st.builds(interest.Pull, nodes, epochs, epochs, small, options),
    st.builds(interest.Digest, nodes, epochs, st.binary(min_size=512, max_size=512), options),
    st.builds(
        interest.Entries, nodes, epochs, st.lists(st.tuples(st.integers(0, 63), whole), max_size=5), listed, options
    ),
    st.builds(interest.CatalogPull, nodes, epochs, small, options),
    st.builds(
        interest.CatalogPart, small, small, st.booleans(), st.booleans(), listed, st.lists(shares, max_size=3), options
    ),
)


def is_refused(data: bytes) -> bool:
    """The law of both parsers: a packet, None for an unknown kind, or RemoteProtocolError."""
    try:
        fields = strict.decode(data)
        if type(fields) is list:
            gossip.decode(fields)
            interest.decode(fields)
    except RemoteProtocolError:
        return True
    return False


@given(rumours)
def test_every_rumour_comes_back_and_fits_a_datagram(rumour: bytes) -> None:
    packet = gossip.gossip("n", [rumour])
    read = gossip.decode(packet)
    assert isinstance(read, gossip.Gossip)
    assert len(read.rumours) == 1
    match read.rumours[0]:
        case Record() as record:
            assert encode_record(record) == rumour
        case Claim() as claim:
            assert encode_claim(claim) == rumour
        case News() as head:
            assert encode_news(head) == rumour
    if len(rumour) <= 1000:
        assert len(packet) <= PACKET_BYTES_MAX


@given(gossips)
def test_every_packet_of_membership_is_read(packet: bytes) -> None:
    assert gossip.decode(packet) is not None
    assert gossip.decode(strict.decode(packet)) == gossip.decode(packet)


@given(gossips)
def test_every_truncation_of_a_packet_is_refused(packet: bytes) -> None:
    assert all(is_refused(packet[:length]) for length in range(len(packet)))


@given(mutated(gossips))
def test_a_changed_packet_of_membership_is_read_or_refused(data: bytes) -> None:
    is_refused(data)


@given(interests)
def test_every_packet_of_interest_comes_back_as_it_went(packet: interest.Packet) -> None:
    assert interest.decode(strict.decode(interest.encode(packet))) == packet


@given(mutated(interests.map(interest.encode)))
def test_a_changed_packet_of_interest_is_read_or_refused(data: bytes) -> None:
    is_refused(data)


@given(st.integers(0, 64), st.lists(plain, max_size=12))
def test_any_plain_fields_are_a_packet_or_refused(kind: int, fields: list[Any]) -> None:
    is_refused(strict.encode([kind, *fields]))

"""The packets of membership: one CBOR array each, in a datagram (behind the prefix) or on a stream.

    Ping     [1, number, source, target, digest, head, round, [rumour, ...], {}]
    Ack      [2, number, source, digest, [rumour, ...], {}]
    PingReq  [3, number, source, target, wait_ms, [rumour, ...], {}]
    Nack     [4, number, source, {}]
    Gossip   [5, source, [rumour, ...], {}]
    Join     [6, number, source, epoch ms, nonce, host, port, reached host, reached port, announced, {}]
    Welcome  [7, number, source, observed host, highest ms, nonce, last, [record, ...], {}]
    Refusal  [8, number, source, code, host, port, {}]
    Ask      [9, number, source, buckets, {}]                               buckets: 64 hashes of 8 bytes
    Answer   [10, number, source, differing, last, [record, ...], {}]       differing: a bit for each bucket
    Rows     [11, source, [record, ...], {}]
    Loop     [12, number, source, {}]
    Doubt    [13, number, source, name, epoch ms, nonce, incarnation, {}]
    Account  [14, number, source, [rumour, ...], {}]

Rumours and records are laid out in ``wire.rumours``; those of an outgoing packet are given already encoded
and are spliced in: a rumour is encoded once, however often it is sent. A Ping with a full-size digest is
never shorter than the plain Ack that answers it.

Decides shape, type and range of every field; what a packet does is for ``membership``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from meshq.errors import RemoteProtocolError
from meshq.names import Epoch
from meshq.wire import strict
from meshq.wire.rumours import (
    NO_HEAD,
    NO_OPTIONS,
    Claim,
    Head,
    News,
    Record,
    Rumour,
    array,
    encode_claim,
    encode_news,
    encode_record,
    name_bytes,
    read_count,
    read_flag,
    read_host_or_none,
    read_node,
    read_options,
    read_port,
    read_records,
    read_rumours,
    read_text,
    read_whole,
    uint,
)

__all__ = [
    "BUCKETS", "NO_HEAD", "NO_OPTIONS", "ROUNDS", "Account", "Ack", "Answer", "Ask", "Claim", "Doubt", "Gossip",
    "Head", "Join", "Loop", "Nack", "News", "Packet", "Ping", "PingReq", "Record", "Refusal", "Rows", "Rumour",
    "Welcome", "account", "ack", "answer", "ask", "decode", "doubt", "encode_claim", "encode_news", "encode_record",
    "gossip", "join", "loop", "nack", "ping", "ping_req", "refusal", "rows", "welcome",
]  # fmt: skip

BUCKETS: Final = 64
ROUNDS: Final = 1 << 32
"""Rounds of probes are counted up to this, then from 0."""


class Ping(NamedTuple):
    """Are you there? ``head``: the version of the target's head that the source knows; ``round``: of its probes,
    if the target's turn has come, else the one before."""

    number: int
    source: str
    target: str
    digest: int
    head: int
    round: int
    rumours: list[Rumour]


class Ack(NamedTuple):
    """Answer to the Ping or PingReq of that number, from the target or from a relay."""

    number: int
    source: str
    digest: int
    rumours: list[Rumour]


class PingReq(NamedTuple):
    """Ping ``target`` for me; I wait ``wait_ms`` longer."""

    number: int
    source: str
    target: str
    wait_ms: int
    rumours: list[Rumour]


class Nack(NamedTuple):
    """A relay's answer: I am well, the target has not answered me so far."""

    number: int
    source: str


class Gossip(NamedTuple):
    """Rumours without an occasion."""

    source: str
    rumours: list[Rumour]


class Join(NamedTuple):
    """Tell me your table. ``host`` may be empty (not known yet); ``announced``: the epoch is in use already."""

    number: int
    source: str
    epoch: Epoch
    host: str
    port: int
    reached_host: str
    reached_port: int
    announced: bool


class Welcome(NamedTuple):
    """Answer to Join, in parts: the live members, how the joiner was seen, the highest epoch heard for it."""

    number: int
    source: str
    observed_host: str
    highest: Epoch
    last: bool
    records: list[Record]


class Refusal(NamedTuple):
    """Answer to Join: NAME (held by the member at ``host`` and ``port``), SELF (you reached yourself) or FULL."""

    number: int
    source: str
    code: str
    host: str
    port: int


class Ask(NamedTuple):
    """Compare views: the hashes of my live members, by bucket of their names."""

    number: int
    source: str
    buckets: tuple[int, ...]


class Answer(NamedTuple):
    """Answer to Ask, in parts: my records in the buckets that differ."""

    number: int
    source: str
    differing: int
    last: bool
    records: list[Record]


class Rows(NamedTuple):
    """Records that the receiver lacks or holds in an older form."""

    source: str
    records: list[Record]


class Loop(NamedTuple):
    """From a node to itself: when it is read, what had come before it has been."""

    number: int
    source: str


class Doubt(NamedTuple):
    """Is ``name`` still suspect to you at this incarnation? Here its suspicion has run out."""

    number: int
    source: str
    name: str
    epoch: Epoch
    incarnation: int


class Account(NamedTuple):
    """Answer to Doubt: a later account of that member, or nothing."""

    number: int
    source: str
    rumours: list[Rumour]


Packet: TypeAlias = (
    Ping | Ack | PingReq | Nack | Gossip | Join | Welcome | Refusal | Ask | Answer | Rows | Loop | Doubt | Account
)  # fmt: skip


# Encoding. Small and by hand where a packet is built from parts that are bytes already.


def _list(items: Sequence[bytes]) -> bytes:
    """The last two elements of a packet that carries ``items``: the array and the empty options."""
    if not items:
        return b"\x80\xa0"
    return array(len(items)) + b"".join(items) + b"\xa0"


def ping(number: int, source: str, target: str, digest: int, head: int, round_: int, rumours: Sequence[bytes]) -> bytes:
    """A Ping, ready to send."""
    start = (b"\x89\x01", uint(number), name_bytes(source), name_bytes(target))
    return b"".join((*start, uint(digest), uint(head), uint(round_), _list(rumours)))


def ack(number: int, source: str, digest: int, rumours: Sequence[bytes]) -> bytes:
    """An Ack, ready to send."""
    return b"".join((b"\x86\x02", uint(number), name_bytes(source), uint(digest), _list(rumours)))


def ping_req(number: int, source: str, target: str, wait_ms: int, rumours: Sequence[bytes]) -> bytes:
    """A PingReq, ready to send."""
    return b"".join((b"\x87\x03", uint(number), name_bytes(source), name_bytes(target), uint(wait_ms), _list(rumours)))


def nack(number: int, source: str) -> bytes:
    """A Nack, ready to send."""
    return b"".join((b"\x84\x04", uint(number), name_bytes(source), b"\xa0"))


def gossip(source: str, rumours: Sequence[bytes]) -> bytes:
    """A Gossip, ready to send."""
    return b"".join((b"\x84\x05", name_bytes(source), _list(rumours)))


def join(packet: Join) -> bytes:
    """A Join, ready to send."""
    number, source, epoch, *rest = packet
    return strict.encode((6, number, source, *epoch, *rest, NO_OPTIONS))


def welcome(
    number: int, source: str, observed_host: str, highest: Epoch, last: bool, records: Sequence[bytes]
) -> bytes:
    """One part of a Welcome, ready to send."""
    start = (b"\x89\x07", uint(number), name_bytes(source), strict.encode(observed_host), *map(uint, highest))
    return b"".join((*start, strict.encode(last), _list(records)))


def refusal(packet: Refusal) -> bytes:
    """A Refusal, ready to send."""
    return strict.encode((8, *packet, NO_OPTIONS))


def ask(number: int, source: str, buckets: Sequence[int]) -> bytes:
    """An Ask, ready to send."""
    return strict.encode((9, number, source, b"".join(h.to_bytes(8, "big") for h in buckets), NO_OPTIONS))


def answer(number: int, source: str, differing: int, last: bool, records: Sequence[bytes]) -> bytes:
    """One part of an Answer, ready to send."""
    start = (b"\x87\x0a", uint(number), name_bytes(source), uint(differing), strict.encode(last))
    return b"".join((*start, _list(records)))


def rows(source: str, records: Sequence[bytes]) -> bytes:
    """A Rows, ready to send."""
    return b"".join((b"\x84\x0b", name_bytes(source), _list(records)))


def loop(number: int, source: str) -> bytes:
    """A Loop, ready to send."""
    return b"".join((b"\x84\x0c", uint(number), name_bytes(source), b"\xa0"))


def doubt(packet: Doubt) -> bytes:
    """A Doubt, ready to send."""
    number, source, name, epoch, incarnation = packet
    return strict.encode((13, number, source, name, *epoch, incarnation, NO_OPTIONS))


def account(number: int, source: str, rumours: Sequence[bytes]) -> bytes:
    """An Account, ready to send."""
    return b"".join((b"\x85\x0e", uint(number), name_bytes(source), _list(rumours)))


# Decoding. Readers raise ValueError, ``decode`` turns it into RemoteProtocolError.


def _read_ping(fields: list[Any]) -> Ping:
    _, number, source, target, digest, head, round_, rumours, options = fields
    read_options(options)
    return Ping(
        read_whole(number),
        read_node(source),
        read_node(target),
        read_whole(digest),
        read_whole(head),
        read_whole(round_) % ROUNDS,
        read_rumours(rumours),
    )


def _read_ack(fields: list[Any]) -> Ack:
    _, number, source, digest, rumours, options = fields
    read_options(options)
    return Ack(read_whole(number), read_node(source), read_whole(digest), read_rumours(rumours))


def _read_ping_req(fields: list[Any]) -> PingReq:
    _, number, source, target, wait_ms, rumours, options = fields
    read_options(options)
    return PingReq(read_whole(number), read_node(source), read_node(target), read_whole(wait_ms), read_rumours(rumours))


def _read_nack(fields: list[Any]) -> Nack:
    read_options(fields[3])
    return Nack(read_whole(fields[1]), read_node(fields[2]))


def _read_gossip(fields: list[Any]) -> Gossip:
    read_options(fields[3])
    return Gossip(read_node(fields[1]), read_rumours(fields[2]))


def _read_join(fields: list[Any]) -> Join:
    _, number, source, ms, nonce, host, port, reached_host, reached_port, announced, options = fields
    read_options(options)
    if not read_port(port):
        raise ValueError("a joiner has a port")
    return Join(
        read_whole(number), read_node(source), Epoch(read_count(ms), read_whole(nonce)), read_host_or_none(host), port,
        read_host_or_none(reached_host), read_port(reached_port), read_flag(announced),
    )  # fmt: skip


def _read_welcome(fields: list[Any]) -> Welcome:
    _, number, source, observed, ms, nonce, last, records, options = fields
    read_options(options)
    highest = Epoch(read_count(ms), read_whole(nonce))
    return Welcome(
        read_whole(number),
        read_node(source),
        read_host_or_none(observed),
        highest,
        read_flag(last),
        read_records(records),
    )


def _read_refusal(fields: list[Any]) -> Refusal:
    _, number, source, code, host, port, options = fields
    read_options(options)
    return Refusal(read_whole(number), read_node(source), read_text(code, 16), read_host_or_none(host), read_port(port))


def _read_ask(fields: list[Any]) -> Ask:
    _, number, source, buckets, options = fields
    read_options(options)
    if type(buckets) is not bytes or len(buckets) != BUCKETS * 8:
        raise ValueError(f"{BUCKETS} hashes of 8 bytes were expected")
    hashes = tuple(int.from_bytes(buckets[at : at + 8], "big") for at in range(0, len(buckets), 8))
    return Ask(read_whole(number), read_node(source), hashes)


def _read_answer(fields: list[Any]) -> Answer:
    _, number, source, differing, last, records, options = fields
    read_options(options)
    return Answer(read_whole(number), read_node(source), read_whole(differing), read_flag(last), read_records(records))


def _read_rows(fields: list[Any]) -> Rows:
    read_options(fields[3])
    return Rows(read_node(fields[1]), read_records(fields[2]))


def _read_loop(fields: list[Any]) -> Loop:
    read_options(fields[3])
    return Loop(read_whole(fields[1]), read_node(fields[2]))


def _read_doubt(fields: list[Any]) -> Doubt:
    _, number, source, name, ms, nonce, incarnation, options = fields
    read_options(options)
    epoch = Epoch(read_count(ms), read_whole(nonce))
    return Doubt(read_whole(number), read_node(source), read_node(name), epoch, read_count(incarnation))


def _read_account(fields: list[Any]) -> Account:
    _, number, source, rumours, options = fields
    read_options(options)
    return Account(read_whole(number), read_node(source), read_rumours(rumours))


# The numbers are the wire's: never reuse one.
_READERS: Final[dict[int, tuple[int, Callable[[list[Any]], Packet]]]] = {
    1: (9, _read_ping), 2: (6, _read_ack), 3: (7, _read_ping_req), 4: (4, _read_nack), 5: (4, _read_gossip),
    6: (11, _read_join), 7: (9, _read_welcome), 8: (7, _read_refusal), 9: (5, _read_ask), 10: (7, _read_answer),
    11: (4, _read_rows), 12: (4, _read_loop), 13: (8, _read_doubt), 14: (5, _read_account),
}  # fmt: skip


def decode(packet: bytes | list[Any]) -> Packet | None:
    """The packet in ``packet`` (bytes, or decoded strictly before); None for a kind of a later version.

    Raises RemoteProtocolError (BAD_PACKET, BAD_CBOR) for anything malformed, nothing else.
    """
    fields = strict.decode(packet) if isinstance(packet, bytes) else packet
    if type(fields) is not list or not fields or type(fields[0]) is not int:
        raise RemoteProtocolError("a packet is an array that starts with its kind", code="BAD_PACKET")
    reader = _READERS.get(fields[0])
    if reader is None:
        return None
    length, read = reader
    if len(fields) != length:
        raise RemoteProtocolError(f"kind {fields[0]} has {length} fields, not {len(fields)}", code="BAD_PACKET")
    try:
        return read(fields)
    except ValueError as exc:
        raise RemoteProtocolError(f"kind {fields[0]}: {exc}", code="BAD_PACKET") from exc

"""What gossip is about: records of members, claims about them, heads; as values and as CBOR.

    record   [0..3, name, host, port, http, nsq, epoch ms, nonce, incarnation, lag ms, version, zone, head, {}]
    claim    [4..6, name, epoch ms, nonce, incarnation, by, {}]             4 suspect, 5 dead, 6 left
    news     [7, name, epoch ms, nonce, head, {}]
    head     [version, interest version, interest hash, count, catalog hash]

A record's state is 0 alive, 1 suspect, 2 dead, 3 left. Its options are carried on; those of claims and
news, and rumours of a kind that this version does not know, are left out of what is decoded.

Decides shape, type and range of every field (a reader raises ValueError); ``wire.gossip`` puts rumours
into packets, ``membership`` says which of two supersedes the other.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, TypeAlias

from meshq.errors import InvalidName
from meshq.names import COUNT_MAX, Epoch, check_node
from meshq.wire import strict

HOST_CHARACTERS_MAX: Final = 64
ZONE_CHARACTERS_MAX: Final = 64
VERSION_CHARACTERS_MAX: Final = 32
OPTIONS_BYTES_MAX: Final = 512
"""A record's options, so that every record fits into a datagram."""
NO_OPTIONS: Final[dict[str, Any]] = {}

SUSPECT: Final = 1
"""The state numbers are those of ``membership.member.State``: alive 0, suspect 1, dead 2, left 3."""
LEFT: Final = 3
_CLAIM: Final = 3
"""A claim's number is its state plus this."""
_NEWS: Final = 7


class Head(NamedTuple):
    """What a node's catalog and interest look like, without a name in it; ``version`` rises at each change."""

    version: int = 0
    interest_version: int = 0
    interest_hash: int = 0
    count: int = 0  # type: ignore[assignment]
    catalog_hash: int = 0


NO_HEAD: Final = Head()


class Record(NamedTuple):
    """A member in full: as its owner announces it (state 0), or as a table holds it.

    ``lag_ms`` is how late it says that it reads what is sent to it; 0 when it is in time.
    """

    state: int
    name: str
    host: str
    port: int
    http_port: int
    nsq_port: int
    epoch: Epoch
    incarnation: int
    lag_ms: int
    version: str
    zone: str
    head: Head
    options: dict[str, Any] = NO_OPTIONS


class Claim(NamedTuple):
    """``by`` says of a member, at this epoch and incarnation, that it is suspect, dead or (by itself) left."""

    state: int
    name: str
    epoch: Epoch
    incarnation: int
    by: str


class News(NamedTuple):
    """A node's head has changed."""

    name: str
    epoch: Epoch
    head: Head


Rumour: TypeAlias = Record | Claim | News


# Encoding.


def uint(value: int) -> bytes:
    """A whole number below 2^64, in its shortest form."""
    if value < 24:
        return bytes((value,))
    if value < 0x100:
        return bytes((0x18, value))
    if value < 0x10000:
        return b"\x19" + value.to_bytes(2, "big")
    if value < 0x1_0000_0000:
        return b"\x1a" + value.to_bytes(4, "big")
    return b"\x1b" + value.to_bytes(8, "big")


def array(count: int) -> bytes:
    """The start of an array of ``count`` elements."""
    head = uint(count)
    return bytes((head[0] | 0x80,)) + head[1:]


@lru_cache(maxsize=32768)
def name_bytes(name: str) -> bytes:
    """A node's name as CBOR."""
    return strict.encode(name)


def encode_record(record: Record) -> bytes:
    """A record as rumour or row; to be spliced into packets."""
    return strict.encode((*record[:6], *record.epoch, *record[7:]))


def encode_claim(claim: Claim) -> bytes:
    """A claim as rumour."""
    return strict.encode((claim.state + _CLAIM, claim.name, *claim.epoch, claim.incarnation, claim.by, NO_OPTIONS))


def encode_news(news: News) -> bytes:
    """A head as rumour."""
    return strict.encode((_NEWS, news.name, *news.epoch, news.head, NO_OPTIONS))


# Reading.


def read_whole(value: Any) -> int:
    """A whole number below 2^64, or ValueError."""
    if type(value) is int and 0 <= value < 1 << 64:
        return value
    raise ValueError("a whole number below 2^64 was expected")


def read_count(value: Any) -> int:
    """An epoch's milliseconds or an incarnation, COUNT_MAX at most, or ValueError.

    Nodes count on from what they hear of themselves: a number at the end of its range would leave them nowhere to go.
    """
    if type(value) is int and 0 <= value <= COUNT_MAX:
        return value
    raise ValueError("an epoch or an incarnation is below 2^53")


def read_port(value: Any) -> int:
    """A port, 0 included, or ValueError."""
    if type(value) is int and 0 <= value <= 65535:
        return value
    raise ValueError("a port is 0 to 65535")


def read_flag(value: Any) -> bool:
    """True or false, or ValueError."""
    if type(value) is bool:
        return value
    raise ValueError("true or false was expected")


@lru_cache(maxsize=32768)
def _known_name(value: str) -> str:
    try:
        return check_node(value)
    except InvalidName as exc:
        raise ValueError(str(exc)) from exc


def read_node(value: Any) -> str:
    """The name of a node, or ValueError."""
    if type(value) is str:
        return _known_name(value)
    raise ValueError("a node's name was expected")


def read_text(value: Any, characters_max: int) -> str:
    """Text of limited length that moves no cursor, or ValueError."""
    if type(value) is str and len(value) <= characters_max and value.isprintable():
        return value
    raise ValueError(f"text of at most {characters_max} printable characters was expected")


@lru_cache(maxsize=32768)
def _known_host(value: str) -> str:
    if len(value) > HOST_CHARACTERS_MAX or ip_address(value).is_multicast:
        raise ValueError("a numeric host was expected")
    return value


@lru_cache(maxsize=32768)
def _known_own_host(value: str) -> str:
    if ip_address(_known_host(value)).is_unspecified:
        raise ValueError("a member has an address of its own")
    return value


def _host(value: Any) -> str:
    if type(value) is str:
        return _known_host(value)
    raise ValueError("a numeric host was expected")


def read_host_or_none(value: Any) -> str:
    """A numeric host or the empty text, or ValueError."""
    return value if type(value) is str and not value else _host(value)


def read_options(value: Any) -> dict[str, Any]:
    """A map of plain values with text keys, small, or ValueError (RemoteProtocolError for its contents)."""
    if type(value) is not dict:
        raise ValueError("the options are a map")
    if not value:
        return NO_OPTIONS
    strict.check_plain(value)
    if len(strict.encode(value)) > OPTIONS_BYTES_MAX:
        raise ValueError(f"options of more than {OPTIONS_BYTES_MAX} bytes")
    return value


def _head(value: Any) -> Head:
    if type(value) is list and len(value) == len(Head._fields):
        return Head(*map(read_whole, value))
    raise ValueError("a head is five numbers")


def _record(value: Any) -> Record:
    if type(value) is not list or len(value) != 14:
        raise ValueError("a record has 14 fields")
    state, name, host, port, http, nsq, ms, nonce, incarnation, lag_ms, version, zone, head, options = value
    if type(state) is not int or not 0 <= state <= LEFT:
        raise ValueError("a state is 0 to 3")
    if type(host) is not str or not read_port(port):
        raise ValueError("a member has a host and a port")
    return Record(
        state, read_node(name), _known_own_host(host), port, read_port(http), read_port(nsq),
        Epoch(read_count(ms), read_whole(nonce)), read_count(incarnation), read_whole(lag_ms),
        read_text(version, VERSION_CHARACTERS_MAX), read_text(zone, ZONE_CHARACTERS_MAX),
        _head(head), read_options(options),
    )  # fmt: skip


def _claim(value: list[Any]) -> Claim:
    if len(value) != 7:
        raise ValueError("a claim has 7 fields")
    kind, name, ms, nonce, incarnation, by, options = value
    read_options(options)
    epoch = Epoch(read_count(ms), read_whole(nonce))
    return Claim(kind - _CLAIM, read_node(name), epoch, read_count(incarnation), read_node(by))


def _news(value: list[Any]) -> News:
    if len(value) != 6:
        raise ValueError("news has 6 fields")
    _, name, ms, nonce, head, options = value
    read_options(options)
    return News(read_node(name), Epoch(read_count(ms), read_whole(nonce)), _head(head))


def read_rumours(value: Any) -> list[Rumour]:
    """The rumours of kinds that are known, or ValueError."""
    if type(value) is not list:
        raise ValueError("a list of rumours was expected")
    found: list[Rumour] = []
    for entry in value:
        if type(entry) is not list or not entry or type(entry[0]) is not int or entry[0] < 0:
            raise ValueError("a rumour is an array that starts with its kind")
        kind = entry[0]
        if kind <= LEFT:
            found.append(_record(entry))
        elif kind <= LEFT + _CLAIM:
            found.append(_claim(entry))
        elif kind == _NEWS:
            found.append(_news(entry))
    return found


def read_records(value: Any) -> list[Record]:
    """Records only, or ValueError."""
    if type(value) is not list:
        raise ValueError("a list of records was expected")
    return [_record(entry) for entry in value]

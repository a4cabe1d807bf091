"""The packets of routing: who consumes what, and which names exist.

One CBOR array each, kinds 32 to 63, in a datagram behind the prefix or in a Gossip frame of a stream. The
last element is a map with text keys for what later versions add; unknown keys are ignored.

    Announce     [32, name, epoch, floor, start, stop, [entry, ..], [record, ..], {}]
    Announced    [33, name, epoch, owner epoch, version, refused, {}]
    Pull         [34, name, epoch, owner epoch, since, {}]
    Digest       [35, name, epoch, bucket hashes (64 x 8 bytes), {}]
    Entries      [36, name, epoch, [[bucket, hash], ..], [record, ..], {}]
    CatalogPull  [37, name, epoch, number, {}]
    CatalogPart  [38, number, part, last, settled, [record, ..], [share, ..], {}]

    epoch        [ms, nonce]
    entry        [topic, channel, consumers, version, age ms]
    record       [topic, channel or "", generation, dead, age ms, {setting: [stamp, value]}]
    share        [name, epoch, floor, start, stop, [entry, ..]]

A topic's generation counts its lives from 1. A channel's generation says which life of the topic it is in
and counts its own lives there, from 1 again:

     63                 32 31                 0
    +---------------------+--------------------+
    | topic generation - 1 | life of the channel |
    +---------------------+--------------------+

so that a topic's delete ends every channel of that life, those included that the deleter never heard of,
and no generation of a channel is used twice. In the first life of a topic it reads 1, 2, 3.

Ages are how long ago the name came to its state: what the sender was told plus the time it held it.
Decides shape, type and size of every field; what is done about a packet is for ``routing``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from meshq.errors import MeshError, RemoteProtocolError
from meshq.names import Epoch, check_channel, check_node, check_topic
from meshq.wire import strict
from meshq.wire.fields import boolean as _bool
from meshq.wire.fields import epoch as _epoch
from meshq.wire.fields import mapping as _map

BUCKETS: Final = 64
"""Parts in which catalogs are compared: 512 bytes of hashes fit a datagram."""
ITEMS_MAX: Final = 16_384
"""Entries, records or shares of one packet."""
SETTINGS_MAX: Final = 16
SETTING_BYTES_MAX: Final = 48
"""Name, stamp and value of one: so any record fits a datagram, whatever was merged into it."""
LIFE_BITS: Final = 32
LIFE_MAX: Final = (1 << LIFE_BITS) - 1
TOPIC_GENERATION_MAX: Final = (1 << 31) - 1
CONSUMERS_MAX: Final = (1 << 20) - 1
NO_OPTIONS: Final[dict[str, Any]] = {}

Settings: TypeAlias = dict[str, tuple[int, Any]]
"""Setting -> (stamp, value)."""


class Entry(NamedTuple):
    """A node has ``consumers`` on this channel since its ``version``; 0: none any more. Age: of #ephemeral only."""

    topic: str
    channel: str
    consumers: int
    version: int
    age_ms: int


class Record(NamedTuple):
    """A topic (``channel`` is empty) or a channel lives in ``generation``, or ended there (``dead``)."""

    topic: str
    channel: str
    generation: int
    dead: bool
    age_ms: int
    settings: Settings


class Share(NamedTuple):
    """Every entry of a node's interest with a version above ``start`` and up to ``stop``.

    Removals up to version ``floor`` are forgotten: who knows an older version begins again at 0.
    """

    name: str
    epoch: Epoch
    floor: int
    start: int
    stop: int
    entries: list[Entry]


class Announce(NamedTuple):
    """A node tells of its own interest (as in a Share) and of the names it used or deleted in that time."""

    name: str
    epoch: Epoch
    floor: int
    start: int
    stop: int
    entries: list[Entry]
    records: list[Record]
    options: dict[str, Any] = NO_OPTIONS


class Announced(NamedTuple):
    """``name`` has everything up to ``version``; of what came up to ``refused`` its limits kept something out."""

    name: str
    epoch: Epoch
    owner_epoch: Epoch
    version: int
    refused: int
    options: dict[str, Any] = NO_OPTIONS


class Pull(NamedTuple):
    """``name`` knows the receiver's interest up to ``since`` and asks for the rest."""

    name: str
    epoch: Epoch
    owner_epoch: Epoch
    since: int
    options: dict[str, Any] = NO_OPTIONS


class Digest(NamedTuple):
    """The catalog of ``name`` as one hash per bucket; answered with the entries of differing ones."""

    name: str
    epoch: Epoch
    buckets: bytes
    options: dict[str, Any] = NO_OPTIONS


class Entries(NamedTuple):
    """Catalog records of ``name``. ``digest``: its buckets that differed; where the receiver's still differ
    after merging, it answers with its own records (and an empty digest)."""

    name: str
    epoch: Epoch
    digest: list[tuple[int, int]]
    records: list[Record]
    options: dict[str, Any] = NO_OPTIONS


class CatalogPull(NamedTuple):
    """A newcomer asks for all names and all interest; the answer repeats ``number``."""

    name: str
    epoch: Epoch
    number: int
    options: dict[str, Any] = NO_OPTIONS


class CatalogPart(NamedTuple):
    """Part ``part`` (from 0, in order) of the answer. ``settled``: the answerer is no newcomer itself."""

    number: int
    part: int
    last: bool
    settled: bool
    records: list[Record]
    shares: list[Share]
    options: dict[str, Any] = NO_OPTIONS


Packet: TypeAlias = Announce | Announced | Pull | Digest | Entries | CatalogPull | CatalogPart

_Reader: TypeAlias = Callable[[Any], Any]


def channel_generation(topic_generation: int, life: int) -> int:
    """The generation of a channel in its ``life``-th life within that life of its topic."""
    return (topic_generation - 1) << LIFE_BITS | life


def topic_generation(generation: int) -> int:
    """The life of the topic in which a channel of this generation is."""
    return (generation >> LIFE_BITS) + 1


def life(generation: int) -> int:
    """Which life of the channel this is, within that life of its topic."""
    return generation & LIFE_MAX


def entry_bytes(entry: Entry) -> int:
    """No less than what ``entry`` takes in a packet."""
    return 5 + len(entry.topic) + len(entry.channel) + 5 + 9 + 9


def record_bytes(record: Record) -> int:
    """No less than what ``record`` takes in a packet."""
    settings = len(strict.encode(record.settings)) if record.settings else 1
    return 6 + len(record.topic) + len(record.channel) + 9 + 9 + settings


def _whole(value: Any) -> int:
    if type(value) is int and 0 <= value < 1 << 63:
        return value
    raise ValueError("a whole number below 2^63 was expected")


def _list(value: Any, of: _Reader) -> list[Any]:
    if type(value) is not list or len(value) > ITEMS_MAX:
        raise ValueError(f"an array of at most {ITEMS_MAX} was expected")
    return [of(item) for item in value]


def _fields(value: Any, count: int, what: str) -> list[Any]:
    if type(value) is not list or len(value) < count:
        raise ValueError(f"{what} has {count} fields")
    return value


def _node(value: Any) -> str:
    return check_node(value)


def _entry(value: Any) -> Entry:
    topic, channel, consumers, version, age_ms = _fields(value, 5, "an entry")[:5]
    if _whole(consumers) > CONSUMERS_MAX or not _whole(version):
        raise ValueError("an entry has at most 2^20 - 1 consumers and a version from 1")
    return Entry(check_topic(topic), check_channel(channel), consumers, version, _whole(age_ms))


def _entries(value: Any) -> list[Entry]:
    entries: list[Entry] = _list(value, _entry)
    return entries


def read_record(value: Any) -> Record:
    """A record from its fields, as in packets. Raises ValueError."""
    topic, channel, generation, dead, age_ms, settings = _fields(value, 6, "a record")[:6]
    check_topic(topic)
    if channel != "":
        check_channel(channel)
    number = topic_generation(_whole(generation)) if channel else _whole(generation)
    if not 0 < number <= TOPIC_GENERATION_MAX or (channel and not life(generation)):
        raise ValueError("no such generation")
    return Record(topic, channel, generation, _bool(dead), _whole(age_ms), _settings(settings))


def _settings(value: Any) -> Settings:
    if not _map(value):
        return {}
    if len(value) > SETTINGS_MAX:
        raise ValueError(f"at most {SETTINGS_MAX} settings")
    for key, setting in value.items():
        if type(setting) is not list or len(setting) != 2 or len(strict.encode([key, setting])) > SETTING_BYTES_MAX:
            raise ValueError(f"settings are [stamp, value] under a name, of at most {SETTING_BYTES_MAX} bytes")
    return {key: (_whole(stamp), content) for key, (stamp, content) in value.items()}


def _records(value: Any) -> list[Record]:
    records: list[Record] = _list(value, read_record)
    return records


def _share(value: Any) -> Share:
    name, epoch, floor, start, stop, entries = _fields(value, 6, "a share")[:6]
    share = Share(_node(name), _epoch(epoch), _whole(floor), _whole(start), _whole(stop), _entries(entries))
    _check_range(share.start, share.stop, share.entries)
    return share


def _check_range(start: int, stop: int, entries: list[Entry]) -> None:
    if start > stop:
        raise ValueError(f"no interest from {start} to {stop}")
    for entry in entries:
        if not start < entry.version <= stop:
            raise ValueError(f"version {entry.version} is not from {start} to {stop}")


def _shares(value: Any) -> list[Share]:
    shares: list[Share] = _list(value, _share)
    return shares


def _buckets(value: Any) -> bytes:
    if type(value) is bytes and len(value) == BUCKETS * 8:
        return value
    raise ValueError(f"{BUCKETS} hashes of 8 bytes were expected")


def _digest(value: Any) -> list[tuple[int, int]]:
    if type(value) is not list or len(value) > BUCKETS:
        raise ValueError(f"at most {BUCKETS} buckets were expected")
    digest: list[tuple[int, int]] = []
    for item in value:
        bucket, hashed = _fields(item, 2, "a bucket")[:2]
        if _whole(bucket) >= BUCKETS or type(hashed) is not int or not 0 <= hashed < 1 << 64:
            raise ValueError("a bucket is [number, hash]")
        digest.append((bucket, hashed))
    return digest


# The numbers are the wire's: never reuse one.
_SHAPES: Final[dict[int, tuple[type[Any], tuple[_Reader, ...]]]] = {
    32: (Announce, (_node, _epoch, _whole, _whole, _whole, _entries, _records, _map)),
    33: (Announced, (_node, _epoch, _epoch, _whole, _whole, _map)),
    34: (Pull, (_node, _epoch, _epoch, _whole, _map)),
    35: (Digest, (_node, _epoch, _buckets, _map)),
    36: (Entries, (_node, _epoch, _digest, _records, _map)),
    37: (CatalogPull, (_node, _epoch, _whole, _map)),
    38: (CatalogPart, (_whole, _whole, _bool, _bool, _records, _shares, _map)),
}
_NUMBERS: Final[dict[type[Any], int]] = {packet: number for number, (packet, _) in _SHAPES.items()}


def encode(packet: Packet) -> bytes:
    """The packet as CBOR, without a prefix."""
    return strict.encode((_NUMBERS[type(packet)], *packet))


def decode(fields: list[Any]) -> Packet | None:
    """The packet in an array that ``strict.decode`` returned; None for a kind that a later version brought.

    Raises RemoteProtocolError (BAD_PACKET) for anything malformed.
    """
    shape = _SHAPES.get(fields[0]) if fields and type(fields[0]) is int else None
    if shape is None:
        return None
    packet, readers = shape
    if len(fields) != len(readers) + 1:
        raise RemoteProtocolError(
            f"{packet.__name__} has {len(readers)} fields, not {len(fields) - 1}", code="BAD_PACKET"
        )
    try:
        read: Packet = packet(*[reader(field) for reader, field in zip(readers, fields[1:], strict=True)])
        if type(read) is Announce:
            _check_range(read.start, read.stop, read.entries)
    except ValueError as exc:
        raise RemoteProtocolError(f"{packet.__name__}: {exc}", code="BAD_PACKET") from exc
    except MeshError as exc:
        raise RemoteProtocolError(f"{packet.__name__}: {exc}", code=exc.code) from exc
    return read

"""CBOR from strangers: one value, every byte used, plain types only.

cbor2's own ``loads`` ignores trailing bytes, turns tags into dates, addresses and compiled
patterns, and takes the last of duplicate keys. Here a value is numbers, text, bytes, arrays, maps
with text keys, booleans and null, or it is refused. An empty array costs its sender one byte and us
seventy, so what is large is counted before it is built. What the values mean is decided above.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final, NoReturn

from cbor2 import CBORDecodeError, CBORDecoder, CBOREncodeError, dumps

from meshq.errors import LocalProtocolError, RemoteProtocolError

DEPTH_MAX: Final = 12
"""The deepest of ours, the statistics of a whole mesh in an Answer, nests eight deep."""
UNCOUNTED_BYTES_MAX: Final = 64 * 1024
"""Data of at most this size is decoded at once: it can't become more than about 5 MB."""
ITEMS_MAX: Final = 262_144
"""Values in one larger piece of data: about 20 MB when every one is an empty map."""
_PLAIN: Final = (int, str, bytes, bool, float, type(None))
# The tags that cbor2 would decode by itself; every other tag reaches tag_hook.
_BUILT_IN_TAGS: Final = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)


def _refuse(*_: Any) -> NoReturn:
    raise CBORDecodeError("tags are not allowed")


PLAIN_ONLY: Final[dict[str, Any]] = {
    "max_depth": DEPTH_MAX,
    "allow_indefinite": False,
    "allow_duplicate_keys": False,
    "strict_hashable_types": True,
    "tag_hook": _refuse,
    "semantic_decoders": dict.fromkeys((*_BUILT_IN_TAGS, 55799), _refuse),
}
"""What cbor2's ``loads`` is told to leave out; it still ignores trailing bytes."""


def encode(value: Any) -> bytes:
    """``value`` as CBOR. Raises LocalProtocolError for what has no plain form."""
    try:
        return dumps(value)
    except (CBOREncodeError, ValueError, RecursionError) as exc:
        raise LocalProtocolError(f"cannot encode {type(value).__name__}: {exc}") from exc


def decode(data: bytes) -> Any:
    """The one value that ``data`` holds. Raises RemoteProtocolError; nothing else."""
    if len(data) > UNCOUNTED_BYTES_MAX:
        _count_items(data)
    stream = BytesIO(data)
    try:
        value = CBORDecoder(stream, **PLAIN_ONLY).decode()
    except (CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError) as exc:
        raise RemoteProtocolError(f"malformed CBOR: {str(exc)[:120]}", code="BAD_CBOR") from exc
    if stream.tell() != len(data):  # the decoder reads ahead, and goes back to where the value ended
        raise RemoteProtocolError(f"{len(data) - stream.tell()} bytes after the value", code="BAD_CBOR")
    return value


def _count_items(data: bytes) -> None:
    """Refuse data of more than ITEMS_MAX values; what else is wrong with it is left to the decoder."""
    at, end, items = 0, len(data) - UNCOUNTED_BYTES_MAX, 0
    while at < end:
        items += 1
        if items > ITEMS_MAX:
            raise RemoteProtocolError(f"more than {ITEMS_MAX} values", code="BAD_CBOR")
        head = data[at]
        at += 1
        size = head & 0x1F
        if 23 < size < 28:
            width = 1 << (size - 24)
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        if 0x40 <= head < 0x80:  # a byte string or text: its content is no value
            at += size


def check_plain(value: Any) -> None:
    """Refuse what slipped through as another type (a simple value, a shared value), at any depth."""
    if isinstance(value, list):
        for item in value:
            check_plain(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise RemoteProtocolError("map keys must be text", code="BAD_CBOR")
            check_plain(item)
    elif not isinstance(value, _PLAIN):
        raise RemoteProtocolError(f"{type(value).__name__} is not allowed", code="BAD_CBOR")

"""CBOR from strangers: one value, every byte used, plain types only.

cbor2's own ``loads`` ignores trailing bytes, turns tags into dates, addresses and compiled
patterns, and takes the last of duplicate keys. Here a value is numbers, text, bytes, arrays, maps
with text keys, booleans and null, or it is refused. What the values mean is decided above.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final, NoReturn

from cbor2 import CBORDecodeError, CBORDecoder, CBOREncodeError, dumps

from meshq.errors import LocalProtocolError, RemoteProtocolError

DEPTH_MAX: Final = 8
_PLAIN: Final = (int, str, bytes, bool, float, type(None))
# The tags that cbor2 would decode by itself; every other tag reaches tag_hook.
_BUILT_IN_TAGS: Final = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)


def _refuse(*_: Any) -> NoReturn:
    raise CBORDecodeError("tags are not allowed")


_DECODER: Final[dict[str, Any]] = {
    # One byte at a time, so that the position tells where the value ended.
    "read_size": 1,
    "max_depth": DEPTH_MAX,
    "allow_indefinite": False,
    "allow_duplicate_keys": False,
    "strict_hashable_types": True,
    "tag_hook": _refuse,
    "semantic_decoders": dict.fromkeys((*_BUILT_IN_TAGS, 55799), _refuse),
}


def encode(value: Any) -> bytes:
    """``value`` as CBOR. Raises LocalProtocolError for what has no plain form."""
    try:
        return dumps(value)
    except (CBOREncodeError, ValueError, RecursionError) as exc:
        raise LocalProtocolError(f"cannot encode {type(value).__name__}: {exc}") from exc


def decode(data: bytes) -> Any:
    """The one value that ``data`` holds. Raises RemoteProtocolError; nothing else."""
    stream = BytesIO(data)
    try:
        value = CBORDecoder(stream, **_DECODER).decode()
    except (CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError) as exc:
        raise RemoteProtocolError(f"malformed CBOR: {str(exc)[:120]}", code="BAD_CBOR") from exc
    if stream.tell() != len(data):
        raise RemoteProtocolError(f"{len(data) - stream.tell()} bytes after the value", code="BAD_CBOR")
    return value


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

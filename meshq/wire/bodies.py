"""The body of a batch: a CBOR array of messages, each a byte string or ``[bytes, headers]``.

Checked once, by the door that accepts it; opaque from there on, and decoded again only by the
consuming door or to take out a part. Canonical lengths are required, so the size of a body of plain
messages follows from the sizes of its messages, which makes the check one sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from cbor2 import CBOREncodeError, CBORError, dumps, loads

from meshq.errors import InvalidMessage, RemoteProtocolError
from meshq.wire.strict import decode as strict_decode

HEADERS_MAX: Final = 64
HEADERS_BYTES_MAX: Final = 8192

Item: TypeAlias = "bytes | list[Any]"
"""A message as it stands in a body: its bytes, or ``[bytes, {text: text}]``."""


def item(body: bytes, headers: Mapping[str, str] | None = None, *, size_bytes_max: int) -> Item:
    """One message ready for ``encode``. Raises InvalidMessage: EMPTY, TOO_BIG or BAD_BODY."""
    if not isinstance(body, bytes):
        raise InvalidMessage(f"a message body is bytes, not {type(body).__name__}: encode it first")
    _check_size(len(body), size_bytes_max)
    if not headers:
        return body
    _check_headers(headers)
    return [body, dict(headers)]


def encode(items: Sequence[Item]) -> bytes:
    """The body that holds ``items``."""
    try:
        return dumps(items if isinstance(items, list) else list(items))
    except (CBOREncodeError, ValueError) as exc:
        raise InvalidMessage(f"cannot encode: {exc}") from exc


def decode(body: bytes) -> list[Item]:
    """The messages of a body that some door has checked. Raises RemoteProtocolError when broken."""
    try:
        items = loads(body)
    except (CBORError, ValueError) as exc:
        raise RemoteProtocolError(f"broken body: {exc}", code="BAD_BODY") from exc
    if type(items) is not list:
        raise RemoteProtocolError("broken body: not an array", code="BAD_BODY")
    return items


def check(body: bytes, count: int, size_bytes_max: int) -> None:
    """Refuse a body that is not ``count`` well-formed messages. Raises InvalidMessage."""
    try:
        items = strict_decode(body)
    except RemoteProtocolError as exc:
        raise InvalidMessage(f"the body is malformed: {exc}") from exc
    if type(items) is not list or len(items) != count:
        found = len(items) if type(items) is list else type(items).__name__
        raise InvalidMessage(f"the body holds {found} where {count} messages were announced")
    size_bytes = _head_bytes(count)
    for entry in items:
        size_bytes += _check_item(entry, size_bytes_max)
    if size_bytes != len(body):
        raise InvalidMessage("the body does not use the shortest form of its lengths")


def split(body: bytes, start: int, stop: int) -> bytes:
    """The body of the messages at positions ``start`` to ``stop`` (exclusive)."""
    return dumps(decode(body)[start:stop])


def merge(bodies: Sequence[bytes], counts: Sequence[int]) -> bytes:
    """One body of several checked ones, in order, without decoding them."""
    if len(bodies) == 1:
        return bodies[0]
    parts = [_head(sum(counts))]
    parts += [body[_head_bytes(count) :] for body, count in zip(bodies, counts, strict=True)]
    return b"".join(parts)


def _check_item(entry: Any, size_bytes_max: int) -> int:
    """The encoded size of one message; raises InvalidMessage when it is none."""
    if type(entry) is bytes:
        size = len(entry)
        if not 0 < size <= size_bytes_max:
            _check_size(size, size_bytes_max)
        return size + _head_bytes(size)
    if type(entry) is not list or len(entry) != 2 or type(entry[0]) is not bytes or type(entry[1]) is not dict:
        raise InvalidMessage("a message is bytes or [bytes, headers]")
    _check_size(len(entry[0]), size_bytes_max)
    _check_headers(entry[1])
    return len(dumps(entry))


def _check_size(size_bytes: int, size_bytes_max: int) -> None:
    if size_bytes == 0:
        raise InvalidMessage("a message has at least one byte", code="EMPTY")
    if size_bytes > size_bytes_max:
        raise InvalidMessage(
            f"a message of {size_bytes} bytes; at most {size_bytes_max} are allowed (message_bytes_max)", code="TOO_BIG"
        )


def _check_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > HEADERS_MAX:
        raise InvalidMessage(f"{len(headers)} headers; at most {HEADERS_MAX}")
    total = 0
    for name, value in headers.items():
        if type(name) is not str or type(value) is not str:
            raise InvalidMessage("headers are text by text")
        total += len(name.encode()) + len(value.encode())
    if total > HEADERS_BYTES_MAX:
        raise InvalidMessage(f"headers of {total} bytes; at most {HEADERS_BYTES_MAX}")


def _head_bytes(length: int) -> int:
    if length < 24:
        return 1
    if length < 1 << 8:
        return 2
    if length < 1 << 16:
        return 3
    return 5 if length < 1 << 32 else 9


def _head(count: int) -> bytes:
    """The CBOR head of an array of ``count`` entries."""
    if count < 24:
        return bytes((0x80 | count,))
    size = _head_bytes(count) - 1
    return bytes((0x98 + size.bit_length() - 1,)) + count.to_bytes(size, "big")

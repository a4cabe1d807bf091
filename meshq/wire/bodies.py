"""The body of a batch: a CBOR array of messages, each a byte string or ``[bytes, headers]``.

Checked once, by the door that accepts it; opaque from there on, and decoded again only by the
consuming door or to take out a part. The check walks over the heads and builds nothing, so it costs a
stranger's megabytes no memory. Lengths in their shortest form are required: a body has one form,
and joining bodies needs no decoding.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from cbor2 import CBOREncodeError, CBORError, dumps, loads

from meshq.errors import InvalidMessage, RemoteProtocolError
from meshq.wire.strict import PLAIN_ONLY

HEADERS_MAX: Final = 64
HEADERS_BYTES_MAX: Final = 8192
STRIDE_COUNT_MIN: Final = 8
"""Fewer messages are walked over sooner than their heads are compared at equal distances."""

Item: TypeAlias = "bytes | list[Any]"
"""A message as it stands in a body: its bytes, or ``[bytes, {text: text}]``."""


def item(body: object, headers: Mapping[Any, Any] | None = None, *, size_bytes_max: int) -> Item:
    """One message ready for ``encode``. Raises InvalidMessage: EMPTY, TOO_BIG or BAD_BODY.

    Says itself what is no message, and so takes anything.
    """
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
        items = loads(body, **PLAIN_ONLY)
    except (CBORError, ValueError, OverflowError, RecursionError, MemoryError) as exc:
        raise RemoteProtocolError(f"broken body: {str(exc)[:120]}", code="BAD_BODY") from exc
    if type(items) is not list:
        raise RemoteProtocolError("broken body: not an array", code="BAD_BODY")
    try:
        b"".join(items)  # the cheapest way to see that all of them are bytes: 10 ns a message
    except TypeError:
        _check_items(items)
    return items


def check(body: bytes, count: int, size_bytes_max: int) -> None:
    """Refuse a body that is not ``count`` well-formed messages. Raises InvalidMessage."""
    if count < 1:
        raise InvalidMessage("a batch has at least one message", code="EMPTY")
    head = _head(count)
    if not body.startswith(head):
        raise InvalidMessage(f"the body does not begin as {count} messages, as announced")
    if count >= STRIDE_COUNT_MIN and _stride(body, len(head), count, size_bytes_max):
        return
    try:
        end = _walk(body, len(head), count, size_bytes_max)
    except IndexError:
        raise InvalidMessage("the body is shorter than its messages") from None
    if end != len(body):
        more = end < len(body)
        raise InvalidMessage(f"the body is {'longer' if more else 'shorter'} than the {count} messages announced")


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


def content_bytes(body: bytes, count: int) -> int:
    """What the ``count`` messages use of their body: unlike ``len(body)`` it adds up over cuts."""
    return len(body) - _head_bytes(count)


def offsets(body: bytes, count: int) -> Sequence[int]:
    """Where each of ``count`` messages starts in the body, and where the last one ends.

    Plain messages of one size are seen without decoding: when their common head stands at every stride,
    each ends where the next begins. Raises RemoteProtocolError when the body does not hold ``count``.
    """
    start = _head_bytes(count)
    if stride := _stride(body, start, count, len(body)):
        return range(start, len(body) + 1, stride)
    try:
        found = list(_starts(body, start, count))
    except (IndexError, InvalidMessage) as exc:
        raise RemoteProtocolError(f"broken body: {exc}", code="BAD_BODY") from exc
    if found[-1] != len(body):
        raise RemoteProtocolError(f"broken body: not {count} messages", code="BAD_BODY")
    return array("Q", found)


def cut(body: bytes, starts: Sequence[int], start: int, stop: int) -> bytes:
    """The body of the messages at positions ``start`` to ``stop``, by the ``offsets`` of their body."""
    return _head(stop - start) + body[starts[start] : starts[stop]]


def _stride(body: bytes, start: int, count: int, size_bytes_max: int) -> int:
    """What each of ``count`` plain messages from ``start`` to the end takes, if all have one size; else 0."""
    stride, odd = divmod(len(body) - start, count)
    if odd or stride < 2 or body[start] >> 5 != 2:
        return 0
    head = _plain_head(stride)
    if not head or stride - len(head) > size_bytes_max:
        return 0
    for at, byte in enumerate(head, start):
        if body[at::stride].count(byte) != count:
            return 0
    return stride


@lru_cache(256)
def _plain_head(size_bytes: int) -> bytes:
    """The CBOR head of a byte string that takes ``size_bytes`` with its head; empty if none does."""
    for head_bytes in (1, 2, 3, 5):
        length = size_bytes - head_bytes
        if length > 0 and _head_bytes(length) == head_bytes:
            head = bytearray(_head(length))
            head[0] -= 0x40
            return bytes(head)
    return b""


def _starts(body: bytes, at: int, count: int) -> Iterator[int]:
    """Where each message starts, and where the last one ends."""
    yield at
    for _ in range(count):
        kind = body[at]
        if kind == 0x58:
            at += 2 + body[at + 1]
        elif kind == 0x59:
            at += 3 + (body[at + 1] << 8 | body[at + 2])
        else:
            at = _walk(body, at, 1, len(body))
        yield at


def _walk(body: bytes, at: int, count: int, size_bytes_max: int) -> int:
    """Where ``count`` messages from ``at`` end, by their heads alone; may lie past the end."""
    for _ in range(count):
        kind = body[at]
        if kind == 0x58:  # a byte string with one byte of length
            size = body[at + 1]
            least = 24
            at += 2 + size
        elif kind == 0x59:
            size = body[at + 1] << 8 | body[at + 2]
            least = 256
            at += 3 + size
        elif 0x40 <= kind < 0x58:
            size = least = kind - 0x40
            at += 1 + size
        elif kind == 0x5A:
            size = int.from_bytes(body[at + 1 : at + 5], "big")
            least = 65_536
            at += 5 + size
        elif kind == 0x82:
            at = _walk_headed(body, at, size_bytes_max)
            continue
        else:
            raise InvalidMessage("a message is bytes or [bytes, headers]")
        if size < least:
            raise InvalidMessage("the body does not use the shortest form of its lengths")
        if not 0 < size <= size_bytes_max:
            _check_size(size, size_bytes_max)
    return at


def _walk_headed(body: bytes, at: int, size_bytes_max: int) -> int:
    """Where the ``[bytes, headers]`` at ``at`` ends."""
    if body[at + 1] >> 5 != 2:
        raise InvalidMessage("a message is bytes or [bytes, headers]")
    at = _walk(body, at + 1, 1, size_bytes_max)
    kind = body[at]
    if kind >> 5 != 5:
        raise InvalidMessage("a message is bytes or [bytes, headers]")
    entries, at = _length(body, at)
    if entries > HEADERS_MAX:
        raise InvalidMessage(f"{entries} headers; at most {HEADERS_MAX}")
    headers: dict[str, str] = {}
    for _ in range(entries):
        name, at = _read_text(body, at)
        if name in headers:
            raise InvalidMessage(f"two headers of the name {name[:40]!r}")
        headers[name], at = _read_text(body, at)
    _check_headers(headers)
    return at


def _read_text(body: bytes, at: int) -> tuple[str, int]:
    if body[at] >> 5 != 3:
        raise InvalidMessage("headers are text by text")
    size, at = _length(body, at)
    if size > HEADERS_BYTES_MAX:
        raise InvalidMessage(f"a header of {size} bytes; at most {HEADERS_BYTES_MAX} together")
    try:
        return body[at : at + size].decode(), at + size
    except UnicodeDecodeError as exc:
        raise InvalidMessage(f"headers are text in UTF-8: {exc.reason}") from exc


def _length(body: bytes, at: int) -> tuple[int, int]:
    """The length in the head at ``at``, and where the head ends."""
    size = body[at] & 0x1F
    if size < 24:
        return size, at + 1
    if size > 27:
        raise InvalidMessage("the body is malformed: a length without end")
    end = at + 1 + (1 << (size - 24))
    size = int.from_bytes(body[at + 1 : end], "big")
    if _head_bytes(size) != end - at:
        raise InvalidMessage("the body does not use the shortest form of its lengths")
    return size, end


def _check_items(items: list[Any]) -> None:
    """For a body with headers, or broken: every item is a message. Raises RemoteProtocolError."""
    for entry in items:
        if type(entry) is bytes:
            continue
        if type(entry) is not list or len(entry) != 2 or type(entry[0]) is not bytes or type(entry[1]) is not dict:
            raise RemoteProtocolError("broken body: a message is bytes or [bytes, headers]", code="BAD_BODY")
        for name, value in entry[1].items():
            if type(name) is not str or type(value) is not str:
                raise RemoteProtocolError("broken body: headers are text by text", code="BAD_BODY")


def _check_size(size_bytes: int, size_bytes_max: int) -> None:
    if size_bytes == 0:
        raise InvalidMessage("a message has at least one byte", code="EMPTY")
    if size_bytes > size_bytes_max:
        raise InvalidMessage(
            f"a message of {size_bytes} bytes; at most {size_bytes_max} are allowed (message_bytes_max)", code="TOO_BIG"
        )


def _check_headers(headers: Mapping[Any, Any]) -> None:
    if len(headers) > HEADERS_MAX:
        raise InvalidMessage(f"{len(headers)} headers; at most {HEADERS_MAX}")
    total = 0
    for name, value in headers.items():
        if type(name) is not str or type(value) is not str:
            raise InvalidMessage("headers are text by text")
        try:
            total += len(name.encode()) + len(value.encode())
        except UnicodeEncodeError as exc:
            raise InvalidMessage(f"headers are text that UTF-8 can hold: {exc.reason}") from exc
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

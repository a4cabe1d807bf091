"""The four frames of a message's way, Publish, Confirmed, Deliver and Fin, read and written in one pass.

The strict reader builds a plain value of any shape and then looks at each field once more; written as a value, a frame
is walked by an encoder that knows no shapes. These four are a few small numbers around an opaque body, so here their
bytes are taken apart and put together directly. Decides nothing: a payload that is anything but such a frame in its
usual form is None here and goes to the strict reader, which accepts it or says what is wrong with it; what is read
here it would read the same.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Any, Final

from meshq.errors import RemoteProtocolError
from meshq.names import ChannelKey, LogId
from meshq.wire import strict
from meshq.wire.fields import flow_key, log_id, mapping

PUBLISH: Final = 32
CONFIRMED: Final = 33
DELIVER: Final = 18
FIN: Final = 21
SPANS_MAX: Final = 23
"""Spans of a Fin that are read here: more have a longer head."""
OPTIONS_BYTES_MAX: Final = 64
"""Options that are read here: short ones say the same again and again, and are remembered."""
REMEMBERED: Final = 1024
"""Logs, flows and options of either direction: each takes some hundred bytes."""
NO_OPTIONS: Final[dict[str, Any]] = {}
_NONE: Final = b"\xa0"
_U8: Final = Struct(">BB").pack
_U16: Final = Struct(">BH").pack
_U32: Final = Struct(">BI").pack
_U64: Final = Struct(">BQ").pack


class _Unusual(Exception):
    """Not in the form that is read here."""


def read(payload: bytes) -> tuple[int, list[Any]] | None:
    """Kind and fields of one of the four frames; None: ask the strict reader."""
    try:
        reader = _READERS.get(payload[:2])
        return reader(payload) if reader is not None else None
    except (_Unusual, IndexError, UnicodeDecodeError, RemoteProtocolError, ValueError):
        return None


def _publish(payload: bytes) -> tuple[int, list[Any]]:
    request, at = _number(payload, 3)
    topic, at = _text(payload, at)
    messages, at = _number(payload, at)
    body, at = _blob(payload, at)
    return PUBLISH, [request, topic, messages, body, _options(payload, at)]


def _confirmed(payload: bytes) -> tuple[int, list[Any]]:
    request, at = _number(payload, 3)
    log, at = _log(payload, at)
    first, at = _number(payload, at)
    level, at = _text(payload, at)
    return CONFIRMED, [request, log, first, level, _options(payload, at)]


def _deliver(payload: bytes) -> tuple[int, list[Any]]:
    flow, at = _flow(payload, 2)
    log, at = _log(payload, at)
    start, at = _number(payload, at)
    stop, at = _number(payload, at)
    accepted_ns, at = _number(payload, at)
    if payload[at] != 0x80:  # messages that came back have their attempts said
        raise _Unusual
    if not 0 < start < stop:
        raise _Unusual
    body, at = _blob(payload, at + 1)
    return DELIVER, [flow, log, start, stop, accepted_ns, [], body, _options(payload, at)]


def _fin(payload: bytes) -> tuple[int, list[Any]]:
    flow, at = _flow(payload, 2)
    number, at = _number(payload, at)
    count = payload[at] - 0x80
    if not 0 <= count <= SPANS_MAX:
        raise _Unusual
    at += 1
    spans: list[tuple[LogId, int, int]] = []
    for _ in range(count):
        if payload[at] != 0x83:
            raise _Unusual
        log, at = _log(payload, at + 1)
        start, at = _number(payload, at)
        stop, at = _number(payload, at)
        if not 0 < start < stop:
            raise _Unusual
        spans.append((log, start, stop))
    return FIN, [flow, number, spans, _options(payload, at)]


def _of_client(payload: bytes) -> tuple[int, list[Any]] | None:
    kind = payload[2]
    return _publish(payload) if kind == PUBLISH else _confirmed(payload) if kind == CONFIRMED else None


_READERS: Final = {b"\x86\x18": _of_client, b"\x89\x12": _deliver, b"\x85\x15": _fin}
"""By the array's head and the first byte of the kind."""


def _number(payload: bytes, at: int) -> tuple[int, int]:
    """The whole number at ``at``, and where it ends."""
    head = payload[at]
    if head < 24:
        return head, at + 1
    if head == 24:
        return payload[at + 1], at + 2
    if head > 27:
        raise _Unusual
    end = at + 1 + (1 << (head - 24))
    if end > len(payload):
        raise _Unusual
    return int.from_bytes(payload[at + 1 : end], "big"), end


def _text(payload: bytes, at: int) -> tuple[str, int]:
    """The short text at ``at``, and where it ends."""
    size = payload[at] - 0x60
    at += 1
    if size == 24:
        size = payload[at]
        at += 1
    elif not 0 <= size < 24:
        raise _Unusual
    end = at + size
    if end > len(payload):
        raise _Unusual
    return payload[at:end].decode(), end


def _blob(payload: bytes, at: int) -> tuple[bytes, int]:
    """The byte string at ``at``, and where it ends."""
    size = payload[at] - 0x40
    at += 1
    if 24 <= size < 28:
        width = 1 << (size - 24)
        size = int.from_bytes(payload[at : at + width], "big")
        at += width
    elif not 0 <= size < 24:
        raise _Unusual
    end = at + size
    if end > len(payload):
        raise _Unusual
    return payload[at:end], end


def _end(payload: bytes, at: int) -> int:
    """Where the short text or whole number at ``at`` ends; may lie past the end."""
    head = payload[at]
    if head < 24:
        return at + 1
    if head < 28:
        return at + 1 + (1 << (head - 24))
    if 0x60 <= head < 0x78:
        return at + 1 + head - 0x60
    if head == 0x78:
        return at + 2 + payload[at + 1]
    raise _Unusual


def _log(payload: bytes, at: int) -> tuple[LogId, int]:
    """The log at ``at``, and where it ends. Mostly it is the one read last: then its bytes need not be walked over."""
    global _last_log
    data, log = _last_log
    if payload.startswith(data, at):
        return log, at + len(data)
    if payload[at] != 0x85:
        raise _Unusual
    end = _end(payload, _end(payload, _end(payload, _end(payload, _end(payload, at + 1)))))
    data = payload[at:end]
    log = _known_log(data)
    _last_log = data, log
    return log, end


def _flow(payload: bytes, at: int) -> tuple[ChannelKey | int, int]:
    """The subscription's number or the channel at ``at``, and where it ends."""
    if payload[at] < 28:
        return _number(payload, at)
    if payload[at] != 0x83:
        raise _Unusual
    end = _end(payload, _end(payload, _end(payload, at + 1)))
    return _known_flow(payload[at:end]), end


def _options(payload: bytes, at: int) -> dict[str, Any]:
    rest = payload[at:]
    if rest == _NONE:
        return NO_OPTIONS
    if len(rest) > OPTIONS_BYTES_MAX:
        raise _Unusual
    return _known_options(rest)


@lru_cache(REMEMBERED)
def _known_log(data: bytes) -> LogId:
    return log_id(strict.decode(data))


@lru_cache(REMEMBERED)
def _known_flow(data: bytes) -> ChannelKey | int:
    return flow_key(strict.decode(data))


@lru_cache(REMEMBERED)
def _known_options(data: bytes) -> dict[str, Any]:
    [options] = strict.decode(b"\x81" + data)  # as deep as in the frame
    return mapping(options)


# writing


def publish(request: int, topic: str, messages: int, size_bytes: int) -> bytes:
    """A Publish up to its body's bytes."""
    return b"\x86\x18\x20" + _head(0, request) + _said_text(topic) + _head(0, messages) + _head(0x40, size_bytes)


def confirmed(request: int, log: LogId, first: int, level: str) -> bytes:
    """A Confirmed up to its options."""
    return b"\x86\x18\x21" + _head(0, request) + _said_key(log) + _head(0, first) + _said_text(level)


def deliver(
    flow: ChannelKey | int, log: LogId, start: int, stop: int, accepted_ns: int, attempts: list[Any], size_bytes: int
) -> bytes:
    """A Deliver up to its body's bytes."""
    return (
        b"\x89\x12"
        + _said_flow(flow)
        + _said_key(log)
        + _head(0, start)
        + _head(0, stop)
        + _head(0, accepted_ns)
        + (strict.encode(attempts) if attempts else b"\x80")
        + _head(0x40, size_bytes)
    )


def fin(flow: ChannelKey | int, number: int, spans: list[tuple[LogId, int, int]]) -> bytes:
    """A Fin up to its options."""
    parts = [b"\x85\x15", _said_flow(flow), _head(0, number), _head(0x80, len(spans))]
    for log, start, stop in spans:
        parts += (b"\x83", _said_key(log), _head(0, start), _head(0, stop))
    return b"".join(parts)


def options(given: dict[str, Any]) -> bytes:
    """What ends a frame."""
    return strict.encode(given) if given else _NONE


def _said_flow(flow: ChannelKey | int) -> bytes:
    return _head(0, flow) if type(flow) is int else _said_key(flow)


def _head(major: int, number: int) -> bytes:
    """A CBOR head of that major type (its bits in place)."""
    if number < 24:
        return bytes((major + number,))
    if number < 1 << 8:
        return _U8(major + 24, number)
    if number < 1 << 16:
        return _U16(major + 25, number)
    if number < 1 << 32:
        return _U32(major + 26, number)
    return _U64(major + 27, number)


@lru_cache(REMEMBERED)
def _said_key(key: Any) -> bytes:
    return strict.encode(tuple(key))


@lru_cache(REMEMBERED)
def _said_text(text: str) -> bytes:
    return strict.encode(text)


_NO_LOG: Final = LogId("", 0, 0, 0, 0)
_last_log: tuple[bytes, LogId] = (_said_key(_NO_LOG), _NO_LOG)

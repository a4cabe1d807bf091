"""Frames as bytes, and back.

Decides shape and type of every field that comes in: whatever does not fit is refused here, with a word for what was
expected. The four frames of a message's way are written, and read if they can be, by ``onepass``; all others, and what
is wrong with any, by way of plain values. Which frames there are is said by ``frames``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from meshq.errors import RemoteProtocolError
from meshq.names import LogId
from meshq.wire import onepass, strict
from meshq.wire.fields import blob, boolean, epoch, flow_key, log_id, mapping, plain, text, texts, whole
from meshq.wire.frames import KINDS, LENGTH_BYTES, Confirmed, Deliver, Fin, Frame, Publish, Range, Span, Tried

SPLICED_BYTES_MIN: Final = 1024
"""Bodies of this size are written as they are; below it one copy is cheaper than one more chunk."""

_Reader: TypeAlias = Callable[[Any], Any]
# What a NamedTuple's own constructor does, without the call in between: half the time, twice a frame.
_new: Final[Callable[..., Any]] = tuple.__new__


def _addresses(value: Any) -> dict[str, list[Any]]:
    for address in mapping(value).values():
        if type(address) is not list or len(address) != 2:
            raise ValueError("an address is [host, port]")
        text(address[0])
        if whole(address[1]) > 65535:
            raise ValueError("a port is at most 65535")
    return value  # type: ignore[no-any-return]


def _spans(value: Any) -> list[Span]:
    if type(value) is not list:
        raise ValueError("a list of spans was expected")
    spans: list[Span] = []
    for entry in value:
        if type(entry) is not list or len(entry) != 3:
            raise ValueError("a span is [log, start, stop]")
        start, stop = whole(entry[1]), whole(entry[2])
        if not 0 < start < stop:
            raise ValueError(f"no messages from {start} to {stop}")
        spans.append((log_id(entry[0]), start, stop))
    return spans


def _counts(value: Any) -> list[tuple[LogId, int, int]]:
    if type(value) is not list:
        raise ValueError("a list of counts was expected")
    for entry in value:
        if type(entry) is not list or len(entry) != 3:
            raise ValueError("a count is [log, received, held]")
    return [(log_id(entry[0]), whole(entry[1]), whole(entry[2])) for entry in value]


def _ranges(value: Any) -> list[Range]:
    if type(value) is not list:
        raise ValueError("a list of ranges was expected")
    for entry in value:
        if type(entry) is not list or len(entry) != 2 or not 0 < whole(entry[0]) < whole(entry[1]):
            raise ValueError("a range is [start, stop]")
    return value


def _tried(value: Any) -> list[Tried]:
    if type(value) is not list:
        raise ValueError("a list of attempts was expected")
    for entry in value:
        if type(entry) is not list or len(entry) != 6:
            raise ValueError("tried is [start, stop, attempts, due, first error, last error]")
        start, stop, attempts, due_ms, first, last = entry
        if not 0 < whole(start) < whole(stop):
            raise ValueError(f"no messages from {start} to {stop}")
        for number, error in ((attempts, first), (due_ms, last)):
            whole(number)
            text(error)
    return value


def _attempts(value: Any) -> list[list[int]]:
    if type(value) is not list:
        raise ValueError("a list of attempts was expected")
    for entry in value:
        if type(entry) is not list or len(entry) != 3:
            raise ValueError("attempts are [start, stop, number]")
        for number in entry:
            whole(number)
    return value


_READERS: Final[dict[str, _Reader]] = {
    "int": whole, "str": text, "bytes": blob, "bool": boolean, "Any": plain, "Flow": flow_key, "LogId": log_id,
    "Epoch": epoch, "list[str]": texts, "list[Span]": _spans, "list[list[int]]": _attempts,
    "list[Range]": _ranges, "list[Tried]": _tried,
    "list[tuple[LogId, int, int]]": _counts, "dict[str, Any]": mapping, "dict[str, list[Any]]": _addresses,
}  # fmt: skip

_NUMBERS: Final[dict[type[Any], int]] = {frame: number for number, frame in KINDS.items()}
_SHAPES: Final[dict[int, tuple[type[Any], tuple[_Reader, ...]]]] = {
    number: (frame, tuple(_READERS[field.__forward_arg__] for field in frame.__annotations__.values()))
    for number, frame in KINDS.items()
}


def encode(frame: Frame) -> bytes:
    """The frame with its length, ready for the stream."""
    payload = strict.encode((_NUMBERS[type(frame)], *frame))
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


def encode_parts(frame: Frame) -> list[bytes]:
    """The same bytes as ``encode``, with a large body passed on as it is instead of copied twice.

    Copies were a fifth of a busy node's time: 26 KB a batch, in the encoder and in front of the length.
    """
    writer = _WRITERS.get(type(frame))
    return writer(frame) if writer is not None else [encode(frame)]


def _publish(frame: Publish) -> list[bytes]:
    request, topic, messages, body, options = frame
    return _around(onepass.publish(request, topic, messages, len(body)), body, onepass.options(options))


def _deliver(frame: Deliver) -> list[bytes]:
    flow, log, start, stop, accepted_ns, attempts, body, options = frame
    head = onepass.deliver(flow, log, start, stop, accepted_ns, attempts, len(body))
    return _around(head, body, onepass.options(options))


def _confirmed(frame: Confirmed) -> list[bytes]:
    request, log, first, level, options = frame
    return _around(onepass.confirmed(request, log, first, level), b"", onepass.options(options))


def _fin(frame: Fin) -> list[bytes]:
    flow, number, spans, options = frame
    return _around(onepass.fin(flow, number, spans), b"", onepass.options(options))


_WRITERS: Final[dict[type[Any], Callable[[Any], list[bytes]]]] = {
    Publish: _publish, Deliver: _deliver, Confirmed: _confirmed, Fin: _fin,
}  # fmt: skip


def _around(head: bytes, body: bytes, tail: bytes) -> list[bytes]:
    length = (len(head) + len(body) + len(tail)).to_bytes(LENGTH_BYTES, "big")
    if len(body) < SPLICED_BYTES_MIN:
        return [b"".join((length, head, body, tail))]
    return [length + head, body, tail]


def decode(payload: bytes) -> Frame | None:
    """The frame in ``payload`` (without length); None for a kind that a later version brought.

    Raises RemoteProtocolError (BAD_FRAME, BAD_CBOR) for anything malformed.
    """
    found = onepass.read(payload)
    if found is not None:
        kind, fields = found
        read: Frame = _new(KINDS[kind], fields)
        return read
    return decode_strictly(payload)


def decode_strictly(payload: bytes) -> Frame | None:
    """As ``decode``, by the reader that knows every frame and says what is wrong with one."""
    fields = strict.decode(payload)
    if type(fields) is not list or not fields or type(fields[0]) is not int:
        raise RemoteProtocolError("a frame is an array that starts with its kind", code="BAD_FRAME")
    shape = _SHAPES.get(fields[0])
    if shape is None:
        return None
    frame, readers = shape
    if len(fields) != len(readers) + 1:
        raise RemoteProtocolError(
            f"{frame.__name__} has {len(readers)} fields, not {len(fields) - 1}", code="BAD_FRAME"
        )
    try:
        read: Frame = _new(frame, [reader(field) for reader, field in zip(readers, fields[1:], strict=True)])
    except ValueError as exc:
        raise RemoteProtocolError(f"{frame.__name__}: {exc}", code="BAD_FRAME") from exc
    if type(read) is Deliver and not 0 < read.start < read.stop:
        raise RemoteProtocolError("Deliver without messages", code="BAD_FRAME")
    return read

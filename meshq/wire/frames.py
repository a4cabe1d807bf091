"""The frames of a link: one CBOR array each, behind a four-byte length.

     0            4
    +------------+------------------------------------------+
    | length, BE | [kind, field, field, ..., {options}]      |
    +------------+------------------------------------------+

A stream opens with the four bytes of MAGIC. Fields are positional; the last element is a map with
text keys for what later versions add, and is carried on. Times are whole milliseconds for durations
and nanoseconds for timestamps. ``flow`` says what a frame is about: between nodes a ChannelKey, between
a client and its node the number of a subscription.

Decides shape and type of every field; who may send what and when is for ``link`` and above.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from meshq.errors import RemoteProtocolError
from meshq.names import ChannelKey, Epoch, LogId
from meshq.wire import onepass, strict
from meshq.wire.fields import blob, boolean, epoch, flow_key, log_id, mapping, plain, text, texts, whole

MAGIC: Final = b"\xf1MQ1"
SEALED_MAGIC: Final = b"\xf1MQS"
"""Of a stream that is sealed: see ``link.secure``."""
VERSION: Final = 1
LENGTH_BYTES: Final = 4
SPLICED_BYTES_MIN: Final = 1024
"""Bodies of this size are written as they are; below it one copy is cheaper than one more chunk."""
NO_OPTIONS: Final = onepass.NO_OPTIONS

Flow: TypeAlias = ChannelKey | int
Span: TypeAlias = tuple[LogId, int, int]
"""Messages ``start`` to ``stop`` (exclusive) of a log."""
Range: TypeAlias = list[int]
"""[start, stop] of a log that is named elsewhere."""
Tried: TypeAlias = list[Any]
"""[start, stop, attempts, due in ms, first error, last error]."""


class Hello(NamedTuple):
    """First frame of either side. ``role``: node, client or gossip. ``addresses``: purpose -> (host, port)."""

    version: int
    least: int
    features: list[str]
    label: str
    role: str
    name: str
    epoch: Epoch
    principal: str
    addresses: dict[str, list[Any]]
    options: dict[str, Any] = NO_OPTIONS


class Goodbye(NamedTuple):
    """Last frame before a side closes: why."""

    code: str
    text: str
    options: dict[str, Any] = NO_OPTIONS


class Ping(NamedTuple):
    """Heartbeat; any frame counts as an answer, a Pong is sent all the same."""

    number: int
    options: dict[str, Any] = NO_OPTIONS


class Pong(NamedTuple):
    """Answer to the Ping of that number."""

    number: int
    options: dict[str, Any] = NO_OPTIONS


class Ask(NamedTuple):
    """A question; answered once by Answer with the same number, or never (the asker has the deadline)."""

    number: int
    kind: str
    arguments: dict[str, Any]
    deadline_ms: int
    options: dict[str, Any] = NO_OPTIONS


class Answer(NamedTuple):
    """``code`` empty: ``value`` is the answer. Else ``value`` is a text that says why not."""

    number: int
    code: str
    value: Any
    options: dict[str, Any] = NO_OPTIONS


class Gossip(NamedTuple):
    """One gossip packet (without datagram prefix) over a stream: repair, probe fallback, deltas."""

    packet: bytes
    options: dict[str, Any] = NO_OPTIONS


class Ready(NamedTuple):
    """Origin: messages wait and the credit cannot carry the first, of ``least`` bytes. Hands all credit back."""

    flow: Flow
    least: int
    back_messages: int
    back_bytes: int
    options: dict[str, Any] = NO_OPTIONS


class Grant(NamedTuple):
    """Receiver: adds to the origin's credit."""

    flow: Flow
    messages: int
    bytes: int
    options: dict[str, Any] = NO_OPTIONS


class Deliver(NamedTuple):
    """Messages ``start`` to ``stop`` of a log, lent. ``attempts``: [start, stop, n] where n > 0 earlier ones count."""

    flow: Flow
    log: LogId
    start: int
    stop: int
    accepted_ns: int
    attempts: list[list[int]]
    body: bytes
    options: dict[str, Any] = NO_OPTIONS


class Recall(NamedTuple):
    """Receiver: give back the credit that is not used."""

    flow: Flow
    options: dict[str, Any] = NO_OPTIONS


class Recalled(NamedTuple):
    """Origin: this much was not used and is given back."""

    flow: Flow
    messages: int
    bytes: int
    options: dict[str, Any] = NO_OPTIONS


class Fin(NamedTuple):
    """Finished spans; ``number`` counts the Fin frames of this flow and session from 1."""

    flow: Flow
    number: int
    spans: list[Span]
    options: dict[str, Any] = NO_OPTIONS


class FinAck(NamedTuple):
    """Origin: every Fin up to ``number`` is applied."""

    flow: Flow
    number: int
    options: dict[str, Any] = NO_OPTIONS


class Req(NamedTuple):
    """Not finished, deliver again after ``delay_ms``. ``reason``: requeue, timeout, departed, cancelled or broken.

    What is ``broken`` (its body can't be read) goes to the dead letters instead. Options: ``error``, what the consumer
    says went wrong, at most 200 characters.
    """

    flow: Flow
    log: LogId
    start: int
    stop: int
    delay_ms: int
    reason: str
    options: dict[str, Any] = NO_OPTIONS


class Return(NamedTuple):
    """Lent, never handed over: deliver to somebody else; counts nothing."""

    flow: Flow
    log: LogId
    start: int
    stop: int
    options: dict[str, Any] = NO_OPTIONS


class Audit(NamedTuple):
    """Receiver, with the heartbeat: per log how many messages came in this session, how many are held."""

    flow: Flow
    counts: list[tuple[LogId, int, int]]
    options: dict[str, Any] = NO_OPTIONS


class Offer(NamedTuple):
    """A draining node: take over this log, whose numbers end before ``next``? About so much of it is unfinished.

    It is to be kept at ``level`` or better. Answered by Taken with number 0, or Declined. ``transfer`` is the giver's
    number for it, in this session.
    """

    transfer: int
    topic: str
    log: LogId
    next: int
    messages: int
    bytes: int
    level: str
    options: dict[str, Any] = NO_OPTIONS


class Part(NamedTuple):
    """Giver: messages ``first`` and following of the log. ``number`` counts the frames of a transfer from 1.

    They may be delivered after ``due_ms`` and are not wanted after ``expires_ms`` (0: at once, for ever). Options:
    ``key`` and ``channels``, as they were published.
    """

    transfer: int
    number: int
    first: int
    messages: int
    accepted_ns: int
    due_ms: int
    expires_ms: int
    body: bytes
    options: dict[str, Any] = NO_OPTIONS


class Place(NamedTuple):
    """Giver: where a channel is in the log: its first number, what it has finished and what it has tried.

    ``finished``: [start, stop]. ``tried``: [start, stop, attempts, due in ms (0: now), first error, last error]. One of
    many ranges comes in several frames.
    """

    transfer: int
    number: int
    channel: str
    generation: int
    born: int
    since_ns: int
    finished: list[Range]
    tried: list[Tried]
    options: dict[str, Any] = NO_OPTIONS


class Cede(NamedTuple):
    """Giver: that was all of it. The log is the taker's from the moment at which it has kept everything."""

    transfer: int
    number: int
    options: dict[str, Any] = NO_OPTIONS


class Taken(NamedTuple):
    """Taker: everything up to ``number`` is kept; of 0: it is willing; of Cede: the log is its own.

    Options: ``has`` (true, with 0: it has the messages already, only the places are wanted).
    """

    transfer: int
    number: int
    options: dict[str, Any] = NO_OPTIONS


class Declined(NamedTuple):
    """Taker: it does not take the log, and keeps nothing of it."""

    transfer: int
    code: str
    text: str
    options: dict[str, Any] = NO_OPTIONS


class Withdraw(NamedTuple):
    """Giver: it keeps the log; what came of it is to be forgotten."""

    transfer: int
    options: dict[str, Any] = NO_OPTIONS


class Publish(NamedTuple):
    """Client: ``messages`` messages for ``topic``; answered by Confirmed or Refused with ``request``.

    Options: ``delay_ms``, ``level``, ``ttl_ms`` (not wanted any more after that time), ``id`` (a second publish with
    the same id is confirmed as the first), ``channels`` (a list of the only channels that they are for), ``key`` (those
    of one key go out one at a time, in order), ``priority`` (0 to 3, the higher first).
    """

    request: int
    topic: str
    messages: int
    body: bytes
    options: dict[str, Any] = NO_OPTIONS


class Confirmed(NamedTuple):
    """The messages of ``request`` are numbers ``first`` and following of ``log``, kept at ``level``.

    Options: ``duplicate`` (true: an earlier publish with the same id had put them there).
    """

    request: int
    log: LogId
    first: int
    level: str
    options: dict[str, Any] = NO_OPTIONS


class Refused(NamedTuple):
    """Nothing was done for ``request`` (a publish or a subscription)."""

    request: int
    code: str
    text: str
    limit: str
    options: dict[str, Any] = NO_OPTIONS


class Subscribe(NamedTuple):
    """Client: become a consumer under the number ``flow``, holding at most ``messages`` and ``bytes``.

    Options: ``again`` (true: a reconnect's resubscription, refused if the channel was deleted), ``barrier_ms``,
    ``start`` (where the channel begins, if it is new: the setting of that name), ``timeout_ms`` (message timeout).
    """

    flow: int
    topic: str
    channel: str
    messages: int
    bytes: int
    options: dict[str, Any] = NO_OPTIONS


class Subscribed(NamedTuple):
    """The barrier is over: ``answered`` of ``asked`` live members know the channel.

    Options: ``created`` (true: the channel did not exist before at this node).
    """

    flow: int
    answered: int
    asked: int
    generation: int
    options: dict[str, Any] = NO_OPTIONS


class Capacity(NamedTuple):
    """Client: hold at most this much from now on; what is above comes back by Return or when settled."""

    flow: int
    messages: int
    bytes: int
    options: dict[str, Any] = NO_OPTIONS


class Unsubscribe(NamedTuple):
    """Client: the consumer leaves; what it holds is requeued at once. Answered by Ended."""

    flow: int
    options: dict[str, Any] = NO_OPTIONS


class Ended(NamedTuple):
    """The subscription is over; ``code`` is empty when the client asked for it."""

    flow: int
    code: str
    text: str
    options: dict[str, Any] = NO_OPTIONS


class Touch(NamedTuple):
    """Client: start the message timeout of these messages again (also: the application took them now)."""

    flow: int
    spans: list[Span]
    options: dict[str, Any] = NO_OPTIONS


class Watch(NamedTuple):
    """Client: send Happened for each event from now on (``on``), or stop."""

    on: bool
    options: dict[str, Any] = NO_OPTIONS


class Happened(NamedTuple):
    """One event, as ``machine.events.to_map`` writes it."""

    event: dict[str, Any]
    options: dict[str, Any] = NO_OPTIONS


Frame: TypeAlias = (
    Hello | Goodbye | Ping | Pong | Ask | Answer | Gossip
    | Ready | Grant | Deliver | Recall | Recalled | Fin | FinAck | Req | Return | Audit
    | Offer | Part | Place | Cede | Taken | Declined | Withdraw
    | Publish | Confirmed | Refused | Subscribe | Subscribed | Capacity | Unsubscribe | Ended | Touch
    | Watch | Happened
)  # fmt: skip

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

# The numbers are the wire's: never reuse one.
KINDS: Final[dict[int, type[Any]]] = {
    1: Hello, 2: Goodbye, 3: Ping, 4: Pong, 5: Ask, 6: Answer, 7: Gossip,
    16: Ready, 17: Grant, 18: Deliver, 19: Recall, 20: Recalled, 21: Fin, 22: FinAck, 23: Req, 24: Return, 25: Audit,
    26: Offer, 27: Part, 28: Place, 29: Cede, 30: Taken, 31: Declined,
    32: Publish, 33: Confirmed, 34: Refused, 35: Subscribe, 36: Subscribed, 37: Capacity, 38: Unsubscribe,
    39: Ended, 40: Touch, 41: Watch, 42: Happened, 43: Withdraw,
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

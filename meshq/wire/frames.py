"""The frames of a link: one CBOR array each, behind a four-byte length.

     0            4
    +------------+------------------------------------------+
    | length, BE | [kind, field, field, ..., {options}]      |
    +------------+------------------------------------------+

A stream opens with the four bytes of MAGIC. Fields are positional; the last element is a map with
text keys for what later versions add, and is carried on. Times are whole milliseconds for durations
and nanoseconds for timestamps. ``flow`` says what a frame is about: between nodes a ChannelKey, between
a client and its node the number of a subscription.

Decides which frames there are, and their fields; bytes are made of them, and read, by ``codec``; who may send what and
when is for ``link`` and above.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from meshq.names import ChannelKey, Epoch, LogId
from meshq.wire import onepass

MAGIC: Final = b"\xf1MQ1"
SEALED_MAGIC: Final = b"\xf1MQS"
"""Of a stream that is sealed: see ``link.secure``."""
VERSION: Final = 1
LENGTH_BYTES: Final = 4
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

# The numbers are the wire's: never reuse one.
KINDS: Final[dict[int, type[Any]]] = {
    1: Hello, 2: Goodbye, 3: Ping, 4: Pong, 5: Ask, 6: Answer, 7: Gossip,
    16: Ready, 17: Grant, 18: Deliver, 19: Recall, 20: Recalled, 21: Fin, 22: FinAck, 23: Req, 24: Return, 25: Audit,
    26: Offer, 27: Part, 28: Place, 29: Cede, 30: Taken, 31: Declined,
    32: Publish, 33: Confirmed, 34: Refused, 35: Subscribe, 36: Subscribed, 37: Capacity, 38: Unsubscribe,
    39: Ended, 40: Touch, 41: Watch, 42: Happened, 43: Withdraw,
}  # fmt: skip

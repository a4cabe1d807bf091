"""What a machine may ask of the world, as values; a driver carries them out in order.

Both drivers (the asyncio runtime and the simulator) interpret exactly these. Leaves to the
driver how a thing is done, to the machines when and why.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from meshq.machine.store import BatchRow
from meshq.names import LogId

Address: TypeAlias = tuple[str, int]
"""A numeric IP address and a port."""
OWN: Final[Address] = ("", 0)
"""This node's own datagram socket, wherever that is: the driver knows."""


class SendDatagram(NamedTuple):
    """Send one UDP packet; it may be lost. To OWN it goes through the node's own socket and back."""

    to: Address
    data: bytes


class Dial(NamedTuple):
    """Open a TCP stream under the number ``stream``; answered by ``connected`` or ``closed``."""

    stream: int
    to: Address


class Write(NamedTuple):
    """Write ``chunks`` to a stream, in order; ignored when the stream is gone."""

    stream: int
    chunks: list[bytes]


class Close(NamedTuple):
    """End a stream: after its buffered bytes are written, or at once when ``abort``.

    ``closed`` is not reported for a stream that the engine closed itself.
    """

    stream: int
    abort: bool = False


class Resolve(NamedTuple):
    """Look up every address of ``host``; answered by ``resolved`` (an empty list when none)."""

    query: int
    host: str
    port: int


NO_TOKEN: Final = 0


class Store(NamedTuple):
    """Keep ``rows``, in the order of the Stores; answered by ``stored(token)`` once they are committed.

    Nobody waits for the answer to NO_TOKEN.

    ``sync``: answered when they survive a power loss as well. When the batches among the rows cannot be kept (the
    disk is full): ``unstored(token, why)``; the other rows are tried again until they are, but for the last ``tied`` of
    them: those mean nothing without the batches, and are given up with them.
    """

    token: int
    rows: list[Any]
    sync: bool = False
    tied: int = 0

    def without_batches(self) -> list[Any]:
        """What is still to be kept when the batches can't be: all rows, if there are none."""
        rest = [row for row in self.rows if type(row) is not BatchRow]
        return rest[: len(rest) - self.tied] if len(rest) < len(self.rows) else rest


class Load(NamedTuple):
    """Read the batches of a log that end after ``start``, were not deferred (or only those), and begin before ``stop``.

    In the order of their numbers, at least one if there is one, about ``size_bytes`` of memory together
    (``BatchRow.memory_bytes``). Answered by ``loaded(token, rows)``; none: there is nothing.
    """

    token: int
    topic: str
    log: LogId
    start: int
    stop: int
    size_bytes: int
    deferred: bool = False


class LoadDue(NamedTuple):
    """Read deferred batches, in the order of their due times, of any log: due from ``after_ns`` to before ``until_ns``.

    About ``size_bytes`` of memory together, but all that are due at the same nanosecond as the last. Answered as
    ``Load``.
    """

    token: int
    after_ns: int
    until_ns: int
    size_bytes: int


class KeepKeys(NamedTuple):
    """Put ``text`` into the node's key file, in place of what it holds; ``keys_unkept(why)`` if that can't be done."""

    text: str


class Emit(NamedTuple):
    """Tell whoever listens that something happened (one of ``meshq.machine.events``)."""

    event: Any


class Stop(NamedTuple):
    """The node has ended: it left, or was refused, or fenced. ``error`` is None after a clean leave.

    ``messages_left`` are the unfinished messages that went with it.
    """

    error: Exception | None
    messages_left: int = 0


class SendPacket(NamedTuple):
    """From a gossip machine to the engine: this packet as a datagram; it may be lost."""

    to: Address
    packet: bytes


class StreamPacket(NamedTuple):
    """From a gossip machine to the engine: this packet over the link to that member, or a short stream.

    Answers come back with a handle; when no stream can be had, nothing comes back.
    """

    to: Address
    packet: bytes


class ReplyPacket(NamedTuple):
    """From a gossip machine to the engine: this packet on the stream behind the handle ``via``."""

    via: int
    packet: bytes


Effect: TypeAlias = SendDatagram | Dial | Write | Close | Resolve | Store | Load | LoadDue | KeepKeys | Emit | Stop

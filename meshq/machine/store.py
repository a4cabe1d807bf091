"""What a store keeps, as rows, and what it gives back: the words that machines and drivers share.

A machine says what is to be kept (``Store``) and asks for what has left its memory (``Load``, ``LoadDue``); the
driver answers with ``stored``, ``unstored``, ``loaded`` and, at the next start, with ``Recovered``. Rows are applied
in order; those of one Store are applied together or not at all. Wall times in nanoseconds since 1970; numbers
of messages are half open ranges, ``start`` to ``stop``.

Here is only what rows mean. How they are kept is the driver's (SQLite, or the simulator's disk), when
they are written the machine's.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from meshq.machine.ages import Ages
from meshq.names import LogId

NOTHING: Final[dict[str, Any]] = {}
BATCH_OVERHEAD_BYTES: Final = 600
"""What a batch costs in memory besides its body: the object, its marks in a log and a few channels. Counted with every
batch, wherever bytes of batches are counted: those of small messages are mostly this."""


class BatchRow(NamedTuple):
    """Messages ``first`` and following of a log, one body. Neighbours alike in all but body may become one row.

    In an answer an empty body says that they can't be read any more: they are lost.
    """

    topic: str
    log: LogId
    first: int
    messages: int
    body: bytes
    accepted_ns: int
    due_ns: int
    """When they may be delivered; 0: at once."""
    expires_ns: int
    """When they are no longer wanted; 0: never."""
    options: dict[str, Any] = NOTHING
    """What later versions, and single features, say of the batch: plain CBOR with text keys."""

    def memory_bytes(self) -> int:
        """What it costs to hold as a batch."""
        return len(self.body) + BATCH_OVERHEAD_BYTES


class Gone(NamedTuple):
    """Nobody needs ``start`` to ``stop`` any more: batches that lie within may be deleted.

    Ranges grow: the one named holds everything that is gone around what went just now.
    """

    topic: str
    log: LogId
    start: int
    stop: int


class LogOver(NamedTuple):
    """Forget the log with everything of it."""

    topic: str
    log: LogId


class Born(NamedTuple):
    """The channel's messages of the log are those from ``number`` on, if accepted ``since_ns`` or later."""

    topic: str
    log: LogId
    channel: str
    generation: int
    number: int
    since_ns: int = 0


class Backlog(NamedTuple):
    """The log has no channel: for the next first one there is what lies at ``number`` and above."""

    topic: str
    log: LogId
    number: int


class Over(NamedTuple):
    """That life of the channel is over: forget what it had finished and tried."""

    topic: str
    log: LogId
    channel: str
    generation: int


class Finished(NamedTuple):
    """The channel has finished ``start`` to ``stop``, and everything within. Ranges grow, as in ``Gone``."""

    topic: str
    log: LogId
    channel: str
    generation: int
    start: int
    stop: int


class Tried(NamedTuple):
    """These came back ``attempts`` times and wait until ``due_ns`` (0: not). Replaces what was said of them before."""

    topic: str
    log: LogId
    channel: str
    generation: int
    start: int
    stop: int
    attempts: int
    due_ns: int
    first_error: str = ""
    last_error: str = ""


class Put(NamedTuple):
    """Keep ``value`` under (``kind``, ``key``), instead of what was there; None: nothing any more."""

    kind: str
    key: str
    value: bytes | None


Row: TypeAlias = BatchRow | Gone | LogOver | Born | Backlog | Over | Finished | Tried | Put


class ChannelKept(NamedTuple):
    """A channel's place in a log, as it was kept."""

    channel: str
    generation: int
    number: int
    since_ns: int
    finished: list[tuple[int, int]]
    """Sorted, disjoint."""
    tried: list[Tried]


class LogKept(NamedTuple):
    """A log, as it was kept: its messages stay where they are until they are loaded."""

    topic: str
    log: LogId
    next: int
    """The number after the highest one kept or gone."""
    ready: list[tuple[int, int]]
    """What is there and was not deferred when published: sorted, disjoint, neighbours joined."""
    deferred: list[tuple[int, int]]
    """What is there and has a due time: also sorted and joined; when they are due, only ``LoadDue`` tells."""
    size_bytes: int
    """Of all bodies."""
    channels: list[ChannelKept]
    ages: Ages | None = None
    """When its messages were accepted."""
    backlog_from: int = 0
    """What lies before was finished when the last channel went; it counts only while there is none."""


class Recovered(NamedTuple):
    """What a start finds."""

    logs: list[LogKept]
    puts: list[Put]
    lost: int = 0
    """Rows of batches that could not be read (the file was damaged and set aside)."""


EMPTY: Final = Recovered([], [])

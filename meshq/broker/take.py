"""One log on its way to this node: what has come of it, and what its giver may say next.

Decides whether a frame can be true: whether it is the next one, whether its numbers are the log's and new, whether a
store has room for them. What is kept of it, and when the log is this node's, is ``taking``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from meshq.machine.ranges import Ranges
from meshq.machine.settings import TIME_S_MAX
from meshq.machine.store import BatchRow, ChannelKept, Tried
from meshq.names import KEY_CHARACTERS_MAX
from meshq.wire.frames import Offer, Part, Place

if TYPE_CHECKING:
    from meshq.broker.peer import Peer
    from meshq.broker.turn import Turn

NUMBERS_END: Final = 1 << 63
"""A store has no room for numbers from here on, though a frame has."""


class Take:
    """One log on its way to this node."""

    __slots__ = (
        "_turn", "ceded", "deferred", "durable", "giver", "has", "log", "marked", "memory_bytes", "next", "number",
        "offered", "offered_bytes", "over", "places", "ready", "rows", "size_bytes", "storing", "storing_bytes",
        "topic", "transfer",
    )  # fmt: skip

    def __init__(self, turn: Turn, giver: Peer, offer: Offer, *, durable: bool, has: bool) -> None:
        self._turn = turn
        self.giver = giver
        self.transfer = offer.transfer
        self.topic = offer.topic
        self.log = offer.log
        self.next = offer.next
        self.offered = offer.messages
        self.offered_bytes = offer.bytes
        self.durable = durable
        """What comes goes to the store and does not stay in memory."""
        self.has = has
        """This node has the messages: only the places are news."""
        self.number = 0
        """Of the last frame."""
        self.rows: list[BatchRow] = []
        """What came, unless it is in the store."""
        self.storing = 0
        """Parts on their way there."""
        self.storing_bytes = 0
        """Of these."""
        self.ready = Ranges()
        self.deferred = Ranges()
        self.size_bytes = 0
        self.memory_bytes = 0
        self.places: dict[str, ChannelKept] = {}
        self.marked = False
        """The store knows of it."""
        self.ceded = False
        self.over = False

    def follows(self, number: int) -> bool:
        """Whether this is the next frame; it is counted then."""
        self.number += 1
        return number == self.number and not self.ceded

    def row(self, frame: Part) -> BatchRow | None:
        """The part as the store keeps it, if it can be one."""
        first, stop = frame.first, frame.first + frame.messages
        if self.has or not 0 < first < stop <= self.next or len(frame.body) < 2 * frame.messages:
            return None
        options = _options(frame.options) if frame.accepted_ns < NUMBERS_END else None
        if options is None or self.ready.within(first, stop) or self.deferred.within(first, stop):
            return None
        (self.deferred if frame.due_ms else self.ready).add(first, stop)
        return BatchRow(self.topic, self.log, first, frame.messages, frame.body, frame.accepted_ns,
                        self._due_ns(frame.due_ms), self._wall_ns(frame.expires_ms, TIME_S_MAX), options)  # fmt: skip

    def joined(self, frame: Place) -> ChannelKept | None:
        """The place of a channel with what this frame adds; None when that is more than can be true.

        Between two ranges of a channel lies a message that it has not finished, so there are no more than these.
        """
        before = self.places.get(frame.channel)
        if before is None:
            before = ChannelKept(frame.channel, frame.generation, frame.born, frame.since_ns, [], [])
        finished = before.finished + [(start, stop) for start, stop in frame.finished]
        tried = before.tried + self._tried(frame)
        ranges_max = max(self.offered, self.ready.count() + self.deferred.count()) + 1
        if before.generation != frame.generation or max(len(finished), len(tried)) > ranges_max:
            return None
        return before._replace(finished=finished, tried=tried)

    def _tried(self, frame: Place) -> list[Tried]:
        about = (self.topic, self.log, frame.channel, frame.generation)
        return [
            Tried(*about, start, stop, attempts, self._due_ns(due_ms), first, last)
            for start, stop, attempts, due_ms, first, last in frame.tried
        ]

    def _due_ns(self, in_ms: int) -> int:
        return self._wall_ns(in_ms, self._turn.config.broker.delay_max_s)

    def _wall_ns(self, in_ms: int, most_s: float) -> int:
        """The wall time so many milliseconds from now, at most so many seconds; of 0: none."""
        turn = self._turn
        return turn.wall_ns(turn.now + min(in_ms / 1000, most_s)) if in_ms else 0


def offerable(frame: Offer) -> bool:
    """Whether a store has room for the log's numbers."""
    return max(frame.next, frame.log.epoch_ms, frame.log.generation, frame.log.lane) < NUMBERS_END


def storable(frame: Place) -> bool:
    """Whether a store has room for the numbers of a place."""
    stops = [stop for _, stop in frame.finished]
    stops += [number for _, stop, attempts, *_ in frame.tried for number in (stop, attempts)]
    return max(frame.born, frame.since_ns, *stops) < NUMBERS_END


def _options(said: dict[str, Any]) -> dict[str, Any] | None:
    """Of what a part says of its messages: what this version knows; None when that is nonsense."""
    options: dict[str, Any] = {}
    key, channels = said.get("key", ""), said.get("channels", [])
    if type(key) is not str or len(key) > KEY_CHARACTERS_MAX:
        return None
    if type(channels) is not list or not all(type(name) is str for name in channels):
        return None
    if key:
        options["key"] = key
    if channels:
        options["channels"] = channels
    return options

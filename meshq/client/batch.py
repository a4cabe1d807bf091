"""One Publish frame and those who wait for its answer.

Decides how messages are cut into frames, and what each caller is told when a frame is confirmed or given
up. When a frame leaves is the publisher's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from meshq.client.checks import is_number
from meshq.client.connection import again
from meshq.client.receipts import Numbers, Receipt
from meshq.config import BrokerConfig
from meshq.errors import InvalidMessage, LevelUnavailable, MeshError, PartlyPublished
from meshq.machine.settings import TIME_S_MAX
from meshq.names import KEY_CHARACTERS_MAX, LANES, LEVELS, check_channel
from meshq.wire.bodies import Item
from meshq.wire.frames import Confirmed

BATCH_MESSAGES_MAX: Final = BrokerConfig().batch_messages_max
BATCH_BYTES_MAX: Final = BrokerConfig().batch_bytes_max

Headers: TypeAlias = Mapping[str, str]


class Wishes(NamedTuple):
    """What a publish asks of the node besides being kept; publishes with equal wishes share a frame."""

    delay_ms: int = 0
    level: str = ""
    ttl_ms: int = 0
    id: str = ""
    """A second publish with the same one is confirmed as the first; shares no frame."""
    channels: tuple[str, ...] = ()
    """The only ones that the messages are for; none named: all."""
    key: str = ""
    """Those of one key are handed out one at a time, in order."""
    priority: int = 0

    def options(self) -> dict[str, Any]:
        """As the options of a Publish frame: what is not wished for is left out."""
        wished = {name: value for name, value in zip(self._fields, self, strict=True) if value}
        return {**wished, "channels": list(self.channels)} if self.channels else wished


NO_WISHES: Final = Wishes()


def wishes(
    delay_s: float,
    level: str,
    ttl_s: float,
    publish_id: str,
    channels: Sequence[str] | None,
    key: str = "",
    priority: int = 0,
) -> Wishes:
    """The wishes of a call.

    Raises InvalidMessage (BAD_DELAY, _TTL, _ID, _KEY, _PRIORITY, NO_CHANNEL), InvalidName or LevelUnavailable.
    """
    if type(key) is not str or len(key) > KEY_CHARACTERS_MAX:
        raise InvalidMessage(f"an ordering key is text of at most {KEY_CHARACTERS_MAX} characters", code="BAD_KEY")
    if type(priority) is not int or not 0 <= priority < LANES:
        raise InvalidMessage(f"a priority is 0 (the default) to {LANES - 1} (the most urgent)", code="BAD_PRIORITY")
    if not is_number(ttl_s) or not 0 <= ttl_s <= TIME_S_MAX:
        raise InvalidMessage(f"a time to live of {ttl_s!r:.64} s: give 0 (none) to {TIME_S_MAX:,}", code="BAD_TTL")
    if type(level) is not str:
        raise LevelUnavailable(f"{level!r:.64} is no level: give {', '.join(LEVELS)}")
    if type(publish_id) is not str or len(publish_id) > ID_CHARACTERS_MAX:
        raise InvalidMessage(f"an id is text of at most {ID_CHARACTERS_MAX} characters", code="BAD_ID")
    return Wishes(milliseconds(delay_s), level, math.ceil(ttl_s * 1000), publish_id, _named(channels), key, priority)


def _named(channels: Sequence[str] | None) -> tuple[str, ...]:
    """The only channels; nothing for all. A list that somebody's filter left empty must not become all."""
    if channels is None:
        return ()
    if isinstance(channels, str):
        return (check_channel(channels),)
    if not isinstance(channels, Collection) or not channels:
        raise InvalidMessage(
            f"channels is {channels!r:.64}: give names of channels, or leave it out for all", code="NO_CHANNEL"
        )
    return tuple(map(check_channel, channels))


class Batch:
    """One Publish frame: what it holds and who waits for it. Kept until it is answered."""

    __slots__ = (
        "body",
        "call",
        "deadline",
        "futures",
        "items",
        "refused",
        "retry",
        "sent_bytes",
        "sequence",
        "size_bytes",
        "timeout_s",
        "topic",
        "wishes",
    )

    def __init__(
        self, sequence: int, topic: str, wishes: Wishes, timeout_s: float, retry: bool, deadline: float
    ) -> None:
        self.sequence = sequence
        self.topic = topic
        self.wishes = wishes
        self.timeout_s = timeout_s
        self.retry = retry
        self.deadline = deadline
        self.items: list[Item] = []
        self.futures: list[asyncio.Future[Receipt]] = []
        self.call: Call | None = None
        """Set when all of it belongs to one ``publish_many``; ``futures`` is empty then."""
        self.size_bytes = 0
        self.body: bytes | None = None
        self.sent_bytes = 0
        self.refused: MeshError | None = None
        """The latest refusal that may pass."""

    def __lt__(self, other: Batch) -> bool:
        return self.sequence < other.sequence

    def prune(self) -> bool:
        """Leave out what its callers no longer want; whether anything is left."""
        if self.call is not None:
            return not self.call.future.done()
        if any(map(asyncio.Future.done, self.futures)):
            wanted = [pair for pair in zip(self.items, self.futures, strict=True) if not pair[1].done()]
            self.items = [item for item, _ in wanted]
            self.futures = [future for _, future in wanted]
            self.body = None
        return bool(self.items)

    def split(self, sequence: int) -> Batch:
        """The second half of its messages, with those who wait for them, as a batch of its own."""
        rest = Batch(sequence, self.topic, self.wishes, self.timeout_s, self.retry, self.deadline)
        half = len(self.items) // 2
        rest.items, self.items = self.items[half:], self.items[:half]
        rest.futures, self.futures = self.futures[half:], self.futures[:half]
        rest.refused = self.refused
        return rest

    def confirm(self, frame: Confirmed) -> None:
        """Every message is kept: tell each caller its number."""
        topic, log, number, level = self.topic, frame.log, frame.first, frame.level
        duplicate = frame.options.get("duplicate") is True
        if self.call is not None:
            self.call.confirm((log, number, len(self.items)), level, duplicate)
            return
        for future in self.futures:
            if not future.done():
                future.set_result(Receipt(topic, log, number, 1, level, duplicate=duplicate))
            number += 1

    def fail(self, error: MeshError) -> None:
        """Nothing of it will be tried again: tell each caller why."""
        if self.call is not None:
            self.call.fail(error)
            return
        for future in self.futures:
            if not future.done():
                future.set_exception(again(error))


class Call:
    """One ``publish_many``: answered when all of its batches are."""

    __slots__ = ("_duplicate", "_error", "_left", "_level", "_spans", "_topic", "_total", "future")

    def __init__(self, topic: str, future: asyncio.Future[Receipt], batches: int, messages: int) -> None:
        self._topic = topic
        self.future = future
        self._left = batches
        self._total = messages
        self._spans: list[Numbers] = []
        self._level = ""
        self._duplicate = True
        self._error: MeshError | None = None

    def confirm(self, span: Numbers, level: str, duplicate: bool) -> None:
        """One batch is kept."""
        self._spans.append(span)
        self._level = level
        self._duplicate = self._duplicate and duplicate
        self._settle()

    def fail(self, error: MeshError) -> None:
        """One batch is not."""
        self._error = self._error or again(error)
        self._settle()

    def _settle(self) -> None:
        self._left -= 1
        if self._left or self.future.done():
            return
        kept = sum(count for _, _, count in self._spans)
        if self._error is None:
            log, first, _ = self._spans[0]
            more = tuple(self._spans[1:])
            self.future.set_result(Receipt(self._topic, log, first, kept, self._level, more, duplicate=self._duplicate))
        elif not kept:
            self.future.set_exception(self._error)
        else:
            error = PartlyPublished(f"{kept} of {self._total} messages were published: {self._error}", confirmed=kept)
            error.__cause__ = self._error
            self.future.set_exception(error)


def text_bytes(headers: Headers | None) -> int:
    """About what headers add to a body. Raises InvalidMessage when they are no mapping."""
    if not headers:
        return 0
    if not isinstance(headers, Mapping) or any(type(text) is not str for pair in headers.items() for text in pair):
        raise InvalidMessage(f"headers are a mapping of text to text, not {headers!r:.64}")
    return sum(len(name) + len(value) for name, value in headers.items())


DELAY_MAX_S: Final = 1e9
"""Beyond what any node allows; the node says its own limit, which is ``broker.delay_max_s``."""
ID_CHARACTERS_MAX: Final = 128
"""As the node has it; a publish_many may put a few more behind."""


def milliseconds(delay_s: float) -> int:
    """A delay for the wire, rounded up. Raises InvalidMessage for what is no delay."""
    if not is_number(delay_s) or not 0 <= delay_s <= DELAY_MAX_S:
        most = f"{BrokerConfig().delay_max_s:,.0f}, unless the node's broker.delay_max_s says otherwise"
        raise InvalidMessage(f"a delay of {delay_s!r:.64} s: give 0 to {most}", code="BAD_DELAY")
    return math.ceil(delay_s * 1000)


def cut(sizes: Sequence[int], messages_max: int) -> list[tuple[int, int]]:
    """Where to cut messages of these sizes into frames, as few as their limits allow."""
    if len(sizes) <= messages_max and sum(sizes) <= BATCH_BYTES_MAX:
        return [(0, len(sizes))]
    cuts: list[tuple[int, int]] = []
    start = size_bytes = 0
    for at, size in enumerate(sizes):
        if at > start and (at - start >= messages_max or size_bytes + size > BATCH_BYTES_MAX):
            cuts.append((start, at))
            start, size_bytes = at, 0
        size_bytes += size
    return [*cuts, (start, len(sizes))]

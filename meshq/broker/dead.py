"""Messages that are not delivered again: they become dead letters, in a topic of their own.

Decides which (those of a channel with an attempts limit that have come back so often, and those whose body can't be
read), and what a dead letter says. The letter is published here, by the origin, and the message finished on its
channel: the store keeps both or neither, and until it does the message is dying. If it can't, the letter is withdrawn.
That the topic of dead letters exists is the engine's to see to: ``DeadLetters`` asks it, ``bury`` and ``spare`` are its
answers. A message of such a topic never becomes a dead letter again: it goes round.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from meshq.broker.batch import Batch, Traits
from meshq.broker.effects import DeadLetters
from meshq.broker.extents import Extent
from meshq.broker.gathering import Publishing
from meshq.errors import RemoteProtocolError
from meshq.names import DEAD_HEADER, MEMORY, dead_topic, is_dead_topic, is_ephemeral, message_id
from meshq.wire import bodies

if TYPE_CHECKING:
    from meshq.broker.cursor import Cursor
    from meshq.broker.intake import Intake
    from meshq.broker.log import Log
    from meshq.broker.topic import Topic
    from meshq.broker.turn import Turn

SPARED_S: Final = 60.0
"""When there can be no topic of dead letters, the messages are delivered once more after this time."""
ATTEMPTS: Final = "attempts"
BROKEN: Final = "broken"


class Dying:
    """Messages ``start`` to ``stop`` of a batch that are to become dead letters, and why."""

    __slots__ = ("batch", "buried", "reason", "start", "stop")

    def __init__(self, batch: Batch, start: int, stop: int, reason: str, *, buried: bool = False) -> None:
        self.batch = batch
        self.start = start
        self.stop = stop
        self.reason = reason
        self.buried = buried
        """Their letters are on their way to the store."""


def doom(cursor: Cursor, batch: Batch, start: int, stop: int, *, broken: bool) -> list[tuple[int, int]]:
    """Of messages that came back: take those that are not to be delivered again; returns what is."""
    if broken:
        _take(cursor, Dying(batch, start, stop, BROKEN))
        return []
    limit = cursor.channel.attempts_max
    if not limit or is_dead_topic(cursor.log.topic):
        return [(start, stop)]
    left: list[tuple[int, int]] = []
    for low, high, attempts in cursor.attempts.within(start, stop):
        if attempts < limit:
            continue
        if start < low:
            left.append((start, low))
        _take(cursor, Dying(batch, low, high, ATTEMPTS))
        start = high
    if start < stop:
        left.append((start, stop))
    return left


def _take(cursor: Cursor, dying: Dying) -> None:
    cursor.dying[dying] = None
    cursor.log.turn.dying[cursor] = None


class Undertaker:
    """Makes dead letters of what is dying."""

    __slots__ = ("_asked", "_intake", "_turn")

    def __init__(self, turn: Turn, intake: Intake) -> None:
        self._turn = turn
        self._intake = intake
        self._asked: dict[str, dict[Cursor, None]] = {}
        """By topic of dead letters that the engine was asked for: who has messages for it."""

    def announce(self) -> None:
        """At the end of the turn: ask for the topics that are needed."""
        dying, self._turn.dying = self._turn.dying, {}
        for cursor in dying:
            topic = dead_topic(cursor.log.topic)
            if topic not in self._asked:
                self._asked[topic] = {}
                self._turn.out.append(DeadLetters(topic))
            self._asked[topic][cursor] = None

    def bury(self, topic: Topic) -> None:
        """The topic of dead letters exists: what is dying for it is published there, and finished where it was."""
        self._intake.close_batches()
        burial = Burial(self, topic.log)
        for cursor in self._asked.pop(topic.name, ()):
            if is_dead_topic(cursor.log.topic):
                self._drop(cursor)
            else:
                self._bury(cursor, topic, burial)
        self._intake.close_batches()
        burial.wait()

    def spare(self, topic: str) -> None:
        """There can be no such topic now: what is dying for it waits, and is delivered once more."""
        for cursor in self._asked.pop(topic, ()):
            for dying, start, stop in _unfinished(cursor):
                self.put_off(cursor, dying.batch, start, stop)

    def put_off(self, cursor: Cursor, batch: Batch, start: int, stop: int) -> None:
        """These wait, and are delivered once more."""
        due = self._turn.now + SPARED_S
        self._turn.journal.tried(cursor, start, stop, due)
        cursor.defer(Extent(batch, start, stop), due)

    def _bury(self, cursor: Cursor, topic: Topic, burial: Burial) -> None:
        now = self._turn.now
        durable = self._turn.journal.on and not is_ephemeral(topic.name)
        for dying, start, stop in _unfinished(cursor):
            expires = now + topic.settings.ttl_s if topic.settings.ttl_s else 0.0
            traits = Traits(expires=expires, level=dying.batch.traits.level)
            for body in self._letters(cursor, dying, start, stop):
                self._intake.keep(topic, Publishing(0, 1, body, self._turn.wall_ns(now), traits))
            if durable and traits.level > MEMORY:
                burial.add(cursor, Dying(dying.batch, start, stop, dying.reason, buried=True))
            else:
                self.finish(cursor, start, stop)
        self._turn.journal.finished_now(cursor)

    def _drop(self, cursor: Cursor) -> None:
        """Dead letters that can't be read: there is nowhere left to put them."""
        for _, start, stop in _unfinished(cursor):
            self.finish(cursor, start, stop)

    def finish(self, cursor: Cursor, start: int, stop: int) -> None:
        """These are dead letters now, or nothing."""
        messages = cursor.finish(start, stop)
        self._turn.counters.dead += messages
        cursor.channel.counters.dead += messages

    def _letters(self, cursor: Cursor, dying: Dying, start: int, stop: int) -> Iterator[bytes]:
        """One letter for each message; one for all of them, with the raw body, when they can't be told apart."""
        size_bytes_max = self._turn.config.broker.message_bytes_max
        try:
            items = bodies.decode(dying.batch.part(start, stop))
            if len(items) != stop - start:
                raise RemoteProtocolError(f"{len(items)} messages in a body of {stop - start}")
        except RemoteProtocolError:
            headers = {**self._headers(cursor, dying, start), DEAD_HEADER + "messages": str(stop - start)}
            item = bodies.item(dying.batch.body[:size_bytes_max], headers, size_bytes_max=size_bytes_max)
            yield bodies.encode([item])
            return
        for number, item in enumerate(items, start):
            body, own = (item, {}) if isinstance(item, bytes) else item
            yield bodies.encode([[body, with_headers(self._headers(cursor, dying, number), own)]])

    def _headers(self, cursor: Cursor, dying: Dying, number: int) -> dict[str, str]:
        log, key = cursor.log, cursor.channel.key
        tried = cursor.attempts.within(number, number + 1)
        first, last = cursor.failures.of(number)
        said = {
            "topic": log.topic,
            "channel": key.channel,
            "reason": dying.reason,
            "attempts": str(tried[0][2] if tried else 0),
            "origin": log.id.origin,
            "id": message_id(log.topic, log.id, number),
            "at": str(self._turn.wall_ns(self._turn.now)),
            "first-error": first,
            "last-error": last,
        }
        return {DEAD_HEADER + name: text for name, text in said.items() if text}


class Burial:
    """Letters of one turn on their way to the store, and the messages that wait for it."""

    __slots__ = ("_first", "_letters", "_log", "_undertaker", "_waiting")

    def __init__(self, undertaker: Undertaker, log: Log) -> None:
        """The letters come next in ``log``."""
        self._undertaker = undertaker
        self._log = log
        self._first = log.next
        self._letters: list[Batch] = []
        self._waiting: list[tuple[Cursor, Dying]] = []

    def add(self, cursor: Cursor, dying: Dying) -> None:
        """These wait for their letters."""
        cursor.dying[dying] = None
        self._waiting.append((cursor, dying))
        self._log.turn.journal.finished_with(cursor, dying.start, dying.stop)

    def wait(self) -> None:
        """The letters are in their log."""
        journal = self._log.turn.journal
        if self._waiting:
            self._letters = [
                batch
                for log, batch in journal.batches
                if log is self._log and batch.first >= self._first and batch.traits.level > MEMORY
            ]
            journal.waiting.append(self)

    def kept(self) -> None:
        """The store has the letters, and that the messages are finished."""
        for cursor, dying in self._dying():
            self._undertaker.finish(cursor, dying.start, dying.stop)

    def unkept(self, why: str) -> None:
        """It has neither: nobody gets the letters, as far as nobody has them."""
        log = self._log
        for batch in self._letters:
            if log.batches.get(batch.first) is batch:
                for cursor in list(log.cursors):
                    cursor.finish(batch.first, batch.stop)
                if not log.cursors:
                    log.unwant(batch.first, batch.stop)
        for cursor, dying in self._dying():
            for start, stop in cursor.finished.missing(dying.start, dying.stop):
                self._undertaker.put_off(cursor, dying.batch, start, stop)

    def _dying(self) -> Iterator[tuple[Cursor, Dying]]:
        """What waits still, taken out; channels and logs may have ended meanwhile."""
        for cursor, dying in self._waiting:
            if dying in cursor.dying:
                del cursor.dying[dying]
                cursor.channel.touch()
                yield cursor, dying


def with_headers(dead: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    """The headers of a letter: what is said of it, and of the message's own as many as there is room for."""
    room = bodies.HEADERS_MAX - len(dead) - 1
    room_bytes = bodies.HEADERS_BYTES_MAX - 64 - _bytes(dead)
    kept: dict[str, str] = {}
    dropped = 0
    for name, text in own.items():
        size_bytes = _bytes({name: text})
        if name in dead or room <= 0 or size_bytes > room_bytes:
            dropped += 1
            continue
        kept[name] = text
        room -= 1
        room_bytes -= size_bytes
    if dropped:
        dead = {**dead, DEAD_HEADER + "headers-dropped": str(dropped)}
    return {**kept, **dead}


def _bytes(headers: dict[str, str]) -> int:
    return sum(len(name.encode()) + len(text.encode()) for name, text in headers.items())


def _unfinished(cursor: Cursor) -> Iterator[tuple[Dying, int, int]]:
    """What is dying of the cursor and not buried, taken out; what was finished meanwhile is left out."""
    taken = [dying for dying in cursor.dying if not dying.buried]
    for dying in taken:
        del cursor.dying[dying]
    for dying in taken:
        for start, stop in cursor.finished.missing(dying.start, dying.stop):
            yield dying, start, stop

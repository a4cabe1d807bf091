"""Publish ids: a second publish with an id that was used a short while ago adds nothing, and is confirmed as the first.

Decides what is the same (topic, its life, and id: one origin knows its own only), how long an id is known (the topic's
window from the first publish on), and which goes when there are too many (those whose window is over, then the
oldest). A second publish waits for the first's own confirmation while that is under way. An id is kept with the batch
it stands for, in the same turn's rows, unless the messages are in memory only: then it ends with them.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from meshq.broker.effects import Confirmed, Unkept
from meshq.errors import InvalidMessage, RemoteProtocolError
from meshq.machine.store import Put
from meshq.names import LEVELS, MEMORY, LogId
from meshq.wire import strict

if TYPE_CHECKING:
    from meshq.broker.effects import BrokerEffect
    from meshq.broker.topic import Accepted, Topic
    from meshq.broker.turn import Turn

KIND: Final = "publish"
SPARE: Final = 64
SWEEP_S: Final = 1.0
"""Ids whose window is over are forgotten this often."""


class Known:
    """A publish whose id is known."""

    __slots__ = ("confirmed", "count", "first", "key", "level", "log", "token", "until", "waiting")

    def __init__(self, key: str, token: int, count: int, until: float) -> None:
        self.key = key
        self.token = token
        self.count = count
        self.until = until
        self.log: LogId | None = None
        self.first = 0
        self.level = MEMORY
        self.confirmed = False
        self.waiting: list[int] = []
        """Later publishes with the same id, until the first is confirmed."""


class PublishIds:
    """The ids that this origin knows, oldest first."""

    __slots__ = ("_ends", "_known", "_turn", "pending")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._known: dict[str, Known] = {}
        self._ends: list[tuple[float, int, Known]] = []
        """A heap by the ends of their windows, which differ from topic to topic; with some that were forgotten."""
        self.pending: dict[int, Known] = {}
        """Those that wait for their confirmation, by token."""

    def again(self, topic: Topic, publish_id: str, token: int, count: int) -> bool:
        """Whether the id is known: then the publish ``token`` is answered as the first.

        Raises InvalidMessage (BAD_ID) when that one was of another number of messages.
        """
        known = self._known.get(_key(topic, publish_id))
        if known is None or known.until <= self._turn.now:
            return False
        if known.count != count:
            raise InvalidMessage(
                f"id {publish_id[:40]!r} was used for {known.count} messages, not {count}: give this publish another",
                code="BAD_ID",
            )
        self._turn.counters.duplicates += 1
        if known.confirmed:
            self._turn.out.append(_confirmed(known, token))
        else:
            known.waiting.append(token)
        return True

    def accepted(self, topic: Topic, publish_id: str, token: int, count: int) -> None:
        """A publish with an id was accepted."""
        turn, limits = self._turn, self._turn.config.broker
        window_s = topic.settings.dedupe_window_s
        window_s = limits.dedupe_window_s if window_s is None else window_s
        if window_s <= 0:
            return
        if not self._known:
            turn.timers.arm(self, turn.now + SWEEP_S)
        key = _key(topic, publish_id)
        if key in self._known:
            self._forget(self._known[key])
        known = self.pending[token] = Known(key, token, count, turn.now + window_s)
        self._remember(known)
        if len(self._known) > limits.dedupe_ids_max:
            self._forget_ended()
        while len(self._known) > limits.dedupe_ids_max:
            turn.counters.ids_forgotten += 1
            self._forget(next(iter(self._known.values())))

    def _remember(self, known: Known) -> None:
        self._known[known.key] = known
        heappush(self._ends, (known.until, self._turn.next_serial(), known))
        if len(self._ends) > 2 * len(self._known) + SPARE:
            self._ends = [end for end in self._ends if self._known.get(end[2].key) is end[2]]
            heapify(self._ends)

    def numbered(self, accepted: list[Accepted]) -> None:
        """At the end of the turn: its publishes are in their logs."""
        for token, log, first, level in accepted:
            known = self.pending.get(token)
            if known is not None:
                known.log, known.first, known.level = log, first, level
                if level > MEMORY:
                    value = strict.encode([*log, first, known.count, level, self._turn.wall_ns(known.until)])
                    self._turn.journal.tied.append(Put(KIND, known.key, value))

    def answered(self, effects: list[BrokerEffect]) -> list[BrokerEffect]:
        """The turn's effects, with the answers to those that waited for another's."""
        out: list[BrokerEffect] = []
        for effect in effects:
            out.append(effect)
            if isinstance(effect, (Confirmed, Unkept)) and (known := self.pending.pop(effect.token, None)):
                out += self._settle(known, effect)
        return out

    def _settle(self, known: Known, effect: Confirmed | Unkept) -> list[BrokerEffect]:
        waiting, known.waiting = known.waiting, []
        if isinstance(effect, Confirmed):
            known.confirmed = True
            return [_confirmed(known, token) for token in waiting]
        self._forget(known)
        return [Unkept(token, effect.why) for token in waiting]

    def rang(self) -> None:
        """Time passed: forget those whose windows are over."""
        self._forget_ended()
        if self._known:
            self._turn.timers.arm(self, self._turn.now + SWEEP_S)

    def _forget_ended(self) -> None:
        while self._ends and self._ends[0][0] <= self._turn.now:
            known = heappop(self._ends)[2]
            if self._known.get(known.key) is known:
                self._forget(known)

    def recover(self, puts: list[Put]) -> None:
        """What an earlier start kept."""
        found = sorted(filter(None, map(self._read, puts)), key=_until)
        for known in found:
            self._remember(known)
        if found:
            self._turn.timers.arm(self, self._turn.now + SWEEP_S)

    def _read(self, put: Put) -> Known | None:
        if put.kind != KIND or put.value is None:
            return None
        try:
            *log, first, count, level, until_ns = strict.decode(put.value)
            known = Known(put.key, 0, count, self._turn.at(until_ns))
            known.log, known.first, known.level, known.confirmed = LogId(*log), first, level, True
        except (RemoteProtocolError, TypeError, ValueError):
            return None  # a later version's
        return known

    def _forget(self, known: Known) -> None:
        if self._known.get(known.key) is known:
            del self._known[known.key]
        if known.level > MEMORY:
            self._turn.journal.rows.append(Put(KIND, known.key, None))


def _key(topic: Topic, publish_id: str) -> str:
    return f"{topic.name}/{topic.generation}/{publish_id}"


def _until(known: Known) -> float:
    return known.until


def _confirmed(known: Known, token: int) -> Confirmed:
    assert known.log is not None, "confirmed before it was in a log"
    return Confirmed(token, known.log, known.first, LEVELS[known.level], duplicate=True)

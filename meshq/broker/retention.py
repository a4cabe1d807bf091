"""For how long finished messages are kept for channels to come: one topic's retention, and the node's limits.

Decides when which of them goes. Of a topic what is older than ``retention_s`` by the wall clock, and the oldest of
what is above ``retention_bytes``; of the node the oldest above ``retained_bytes_max``, and of what the store does not
have above ``retained_memory_bytes_max`` (at most a quarter of the memory for messages). When memory is short what is
held there goes before anything else, and when the disk is full half of all, again and again. What a log keeps is
``retained``'s to remember; during the grace of its first channels nothing of it goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import TYPE_CHECKING, Final

from meshq.broker.batch import Batch
from meshq.broker.retained import Retained
from meshq.machine.ages import Ages

if TYPE_CHECKING:
    from meshq.broker.log import Log
    from meshq.broker.turn import Turn
    from meshq.machine.settings import TopicSettings
    from meshq.names import LogId

STEP_S: Final = 0.25
"""What is old goes this much late, much of it in one step."""
FULL_S: Final = 1.0
"""A disk that is full is given room this often."""


class Retention:
    """One topic's, over all its logs."""

    __slots__ = ("_all", "_due", "_turn", "_wake", "bytes_max", "logs", "on", "size_bytes", "time_s")

    def __init__(self, turn: Turn, logs: dict[LogId, Log]) -> None:
        self._turn = turn
        self._all = turn.retentions
        self.logs = logs
        self._due = False
        """It is time to look for what is too old."""
        self._wake = 0.0
        """When it will be; 0.0: nothing is waited for."""
        self.on = False
        """Whether the topic keeps anything that is finished."""
        self.time_s = 0.0
        self.bytes_max = 0
        self.size_bytes = 0.0
        """What is kept, in the store and in memory, when it was last counted."""

    def apply(self, settings: TopicSettings) -> None:
        """The topic is set so from now on; without a retention what was kept goes."""
        self.time_s, self.bytes_max = settings.retention_s, settings.retention_bytes
        self.on = self.time_s > 0 or self.bytes_max > 0
        for log in list(self.logs.values()):
            if self.on:
                self.measure(log)
            else:
                self._give_up(log)
        self.rang()

    def _give_up(self, log: Log) -> None:
        """The topic retains nothing any more; what the log's first channels may want stays as long as for any topic."""
        retained = log.retained
        retained.ages = None
        if log.grace.until > self._turn.now:
            for start, stop in list(retained.numbers):
                retained.keep(start, stop, log.grace.until)
            log.grace.arm()
        else:
            self.forget(log, log.next)

    def measure(self, log: Log) -> None:
        """From now on it is known when the log's messages were accepted. What lies in the store only counts as
        accepted now, if the store did not say."""
        if not self.on or log.retained.ages is not None:
            return
        turn = self._turn
        ages = log.retained.ages = Ages(log.first)
        number = log.first
        for batch in log.in_order():
            if batch.first > number:
                ages.add(batch.first, turn.wall_ns(turn.now), (batch.first - number) * log.kept_bytes_mean)
            ages.add(batch.stop, batch.accepted_ns, len(batch.body))
            number = batch.stop
        if log.next > number:
            ages.add(log.next, turn.wall_ns(turn.now), (log.next - number) * log.kept_bytes_mean)

    # what comes

    def keep(self, log: Log, start: int, stop: int) -> None:
        """These are finished and in the store."""
        log.retained.numbers.add(start, stop)
        self._all.touch(self)

    def wants(self, log: Log, batch: Batch) -> bool:
        """Whether a finished batch is kept: not one that was deferred, that expired or that somebody dropped."""
        if not self.on or batch.due or batch.stop <= log.abandoned_to:
            return False
        return not 0.0 < batch.traits.expires <= self._turn.now

    def hold(self, log: Log, batch: Batch) -> None:
        """The batch is finished, and the store does not have it."""
        batch.keeps += 1
        log.retained.hold(batch)
        self._all.hold(self, batch.memory_bytes())

    def taken(self) -> None:
        """A channel wants some of it again."""
        if self.on:
            self._all.touch(self)

    def claimed(self, log: Log, batch: Batch) -> None:
        """A channel has the batch to finish: it stays in memory on that account."""
        if self._let_go(log, batch):
            self._all.touch(self)

    def committed(self, log: Log, batch: Batch) -> None:
        """The store has it by now: it need not be held."""
        if self._let_go(log, batch) and not batch.keeps:
            log.release(batch)

    def let_go(self, log: Log, batch: Batch) -> None:
        """It goes."""
        if self._let_go(log, batch) and not batch.keeps:
            log.discard(batch)

    def forget(self, log: Log, number: int) -> None:
        """What is kept of the log below ``number`` goes, whoever may still want it."""
        retained = log.retained
        log.unretain(log.first, number)
        while (batch := retained.oldest_held()) is not None and batch.stop <= number:
            self.let_go(log, batch)
        self._all.touch(self)

    def _let_go(self, log: Log, batch: Batch) -> bool:
        if not log.retained.let_go(batch):
            return False
        self._all.held_bytes -= batch.memory_bytes()
        batch.keeps -= 1
        return True

    # what goes

    def rang(self) -> None:
        """Time passed."""
        self._due, self._wake = True, 0.0
        self._all.touch(self)

    def trim(self) -> None:
        """Let go of what is too old or too much, and wake when the next is too old."""
        turn = self._turn
        if self._due and self.time_s:
            for log in list(self.logs.values()):
                if log.retained and log.grace.until <= turn.now:
                    self._expire(log, turn.wall_ns(turn.now) - round(self.time_s * 1e9))
        self._due = False
        self._arm()
        self.count()
        if self.bytes_max:
            self.reduce(self.size_bytes - self.bytes_max)

    def count(self) -> None:
        """Look how much there is."""
        self.size_bytes = sum(log.retained.stored_bytes() + log.retained.held_bytes for log in self.logs.values())

    def messages(self) -> int:
        """How many are kept, the recent ones among them that stay in memory for another while anyway."""
        return sum(log.retained.messages() + sum(batch.count() for batch in self._recent(log)) for log in self._own())

    def bytes(self) -> int:
        """What they take, about."""
        return round(
            sum(
                log.retained.stored_bytes()
                + log.retained.held_bytes
                + sum(len(batch.body) for batch in self._recent(log))
                for log in self._own()
            )
        )

    def _own(self) -> Iterable[Log]:
        return self.logs.values() if self.on else ()

    def _recent(self, log: Log) -> list[Batch]:
        return [batch for batch in log.window if not batch.open and self.wants(log, batch)]

    def reduce(self, excess: float) -> None:
        """Let go of the oldest, of about so many bytes."""
        while excess > 0 and (oldest := self.oldest()) is not None:
            _, log, batch = oldest
            if batch is not None:
                went: float = len(batch.body)
                self.let_go(log, batch)
            else:
                went = self._drop(log, excess)
            excess -= went
            self.size_bytes -= went

    def oldest(self) -> tuple[int, Log, Batch | None] | None:
        """What was accepted first: when, in which log, and as which batch, if it is in memory."""
        found: tuple[int, Log, Batch | None] | None = None
        for log in self.logs.values():
            retained = log.retained
            if not retained or log.grace.until > self._turn.now:
                continue
            stored, held = retained.oldest_stored(), retained.oldest_held()
            if stored is not None and (found is None or stored[0] < found[0]):
                found = (stored[0], log, None)
            if held is not None and (found is None or held.accepted_ns < found[0]):
                found = (held.accepted_ns, log, held)
        return found

    def _drop(self, log: Log, excess: float) -> float:
        """Of the oldest of the log in the store as much as that, or all that is of one age; how much it was."""
        oldest = log.retained.oldest_stored()
        assert oldest is not None, "nothing is retained"
        _, start, stop = oldest
        there = log.retained.size(start, stop)
        if there > excess:
            stop = start + ceil((stop - start) * excess / there)
            there = log.retained.size(start, stop)
        log.unretain(start, stop)
        return there

    def _expire(self, log: Log, until_ns: int) -> None:
        """What was accepted by ``until_ns`` goes."""
        retained = log.retained
        if retained.ages is not None:
            for step in [step for step in retained.ages if step.accepted_ns <= until_ns]:
                log.unretain(step.start, step.stop)
            retained.ages.forget(log.gone.around(log.first)[1] if log.first in log.gone else log.first)
        while (batch := retained.oldest_held()) is not None and batch.accepted_at + self.time_s <= self._turn.now:
            self.let_go(log, batch)

    def _arm(self) -> None:
        """Wake for the next that is too old, or for a grace that ends."""
        turn = self._turn
        times: list[float] = []
        for log in self.logs.values():
            retained = log.retained
            if not retained:
                continue
            if log.grace.until > turn.now:
                times.append(log.grace.until)
            elif self.time_s:
                if retained.ages is not None:
                    retained.ages.correct(turn.wall_ns(turn.now))
                stored, held = retained.oldest_stored(), retained.oldest_held()
                times += [turn.at(stored[0]) + self.time_s] if stored is not None else []
                times += [held.accepted_at + self.time_s] if held is not None else []
        if times:
            wake = max(turn.now, min(times)) + STEP_S
            if not 0.0 < self._wake <= wake:
                self._wake = wake
                turn.timers.arm(self, wake)

    def end(self) -> None:
        """The topic is over."""
        self.on = False
        for log in self.logs.values():
            self._all.held_bytes -= sum(batch.memory_bytes() for batch in log.retained.held.values())
            log.retained = Retained()
        self._turn.timers.cancel(self)
        self._all.forget(self)


class Retentions:
    """Those of all topics of a node."""

    __slots__ = ("_touched", "_turn", "_with", "full", "held_bytes")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._with: dict[Retention, None] = {}
        """Those that may keep something."""
        self._touched: dict[Retention, None] = {}
        self.held_bytes = 0
        """What is held in memory, with what a batch costs besides its body."""
        self.full = False
        """The store has no room."""

    @property
    def stirred(self) -> bool:
        """Whether ``trim`` has something to do."""
        return bool(self._touched)

    @property
    def size_bytes(self) -> float:
        """What all of them keep."""
        return sum(one.size_bytes for one in self._with)

    def touch(self, retention: Retention) -> None:
        """Something of it changed."""
        self._touched[retention] = self._with[retention] = None

    def hold(self, retention: Retention, memory_bytes: int) -> None:
        """It holds so much more in memory."""
        self.held_bytes += memory_bytes
        self.touch(retention)

    def forget(self, retention: Retention) -> None:
        """Its topic ended."""
        self._with.pop(retention, None)
        self._touched.pop(retention, None)

    def trim(self) -> None:
        """End the turn: whatever is above a limit goes, oldest first."""
        touched, self._touched = self._touched, {}
        for retention in touched:
            retention.trim()
            if not retention.size_bytes:
                self._with.pop(retention, None)
        config, turn = self._turn.config.broker, self._turn
        self._reduce(self.size_bytes - config.retained_bytes_max)
        memory_bytes = min(config.retained_memory_bytes_max, turn.budget_bytes // 4)
        while self.held_bytes > memory_bytes and self.let_go():
            pass

    def let_go(self) -> bool:
        """The oldest that is held in memory leaves it; False when there is none."""
        found: tuple[int, Retention, Log, Batch] | None = None
        for retention in self._with:
            for log in retention.logs.values():
                batch = log.retained.oldest_held()
                graceful = log.grace.until > self._turn.now
                if batch is not None and not graceful and (found is None or batch.accepted_ns < found[0]):
                    found = (batch.accepted_ns, retention, log, batch)
        if found is None:
            return False
        _, retention, log, batch = found
        retention.size_bytes -= len(batch.body)
        retention.let_go(log, batch)
        return True

    def _reduce(self, excess: float) -> None:
        while excess > 0:
            oldest = [(found[0], at, one) for at, one in enumerate(self._with) if (found := one.oldest()) is not None]
            if not oldest:
                return
            one = min(oldest)[2]
            before = one.size_bytes
            one.reduce(min(excess, max(1.0, one.size_bytes / 16)))
            excess -= max(1.0, before - one.size_bytes)

    # a full disk

    def disk(self, *, full: bool) -> None:
        """The store has no room, or works again."""
        self.full = full
        if full:
            self.rang()

    def rang(self) -> None:
        """Half of what is kept makes room; more of it after a while."""
        if self.full and self._with:
            self._reduce(max(self.size_bytes / 2, 1.0))
            self._turn.timers.arm(self, self._turn.now + FULL_S)

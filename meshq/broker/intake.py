"""The way in: publishes are accepted or refused, become batches at the end of the turn, and are confirmed.

Decides which limit refuses a publish, and what a confirmation waits for: nothing at level memory, the store's answer
above. Delivery waits for neither.
"""

from __future__ import annotations

from typing import Final

from meshq.broker import limits
from meshq.broker.batch import Batch
from meshq.broker.effects import Confirmed, Unkept
from meshq.broker.gathering import Publishing
from meshq.broker.journal import Waiting
from meshq.broker.log import Log
from meshq.broker.topic import Accepted, Topic
from meshq.broker.turn import Turn
from meshq.broker.window import Windows
from meshq.errors import Overloaded, StoreTrouble
from meshq.machine.effects import NO_TOKEN
from meshq.names import LEVELS, MEMORY

MIB: Final = 1 << 20


class Storing:
    """A Store under way: which publishes wait for it, who else does, and its batches."""

    __slots__ = ("accepted", "batches", "size_bytes", "waiting")

    def __init__(
        self, accepted: list[Accepted], batches: list[tuple[Log, Batch]], size_bytes: int, waiting: list[Waiting]
    ) -> None:
        self.accepted = accepted
        self.batches = batches
        self.size_bytes = size_bytes
        self.waiting = waiting


class Intake:
    """Publishes from acceptance to confirmation."""

    __slots__ = (
        "_accepted",
        "_gathered",
        "_storing",
        "_turn",
        "_windows",
        "gathered_bytes",
        "storing_bytes",
        "trouble",
    )

    def __init__(self, turn: Turn, windows: Windows) -> None:
        self._turn = turn
        self._windows = windows
        self._gathered: dict[Topic, None] = {}
        self.gathered_bytes = 0
        """Accepted this turn."""
        self._accepted: list[Accepted] = []
        self._storing: dict[int, Storing] = {}
        self.storing_bytes = 0
        """Batches on their way to the store."""
        self.trouble = ""
        """What is wrong with the store; empty: nothing."""

    def accept(self, topic: Topic, publishing: Publishing) -> None:
        """One more publish of this turn. Raises Overloaded or StoreTrouble, with nothing changed, when it can't be."""
        if self.trouble and publishing.traits.level > MEMORY:
            self._turn.counters.refused += 1
            raise StoreTrouble(f"this node's store has trouble: {self.trouble}; try again later, or another node")
        self._check_room(topic, publishing)
        self.keep(topic, publishing)

    def keep(self, topic: Topic, publishing: Publishing) -> None:
        """The same for what this node answers for already: no limit says no."""
        topic.gathering.add(publishing)
        self._gathered[topic] = None
        self.gathered_bytes += len(publishing.body)

    @property
    def gathers(self) -> bool:
        """Whether anything was accepted this turn."""
        return bool(self._gathered)

    def close_batches(self) -> None:
        """What was accepted becomes batches: at the end of the turn, and before anything else happens to a log."""
        if self._gathered:
            gathered, self._gathered = self._gathered, {}
            self.gathered_bytes = 0
            for topic in gathered:
                self._accepted += topic.close_batches()
                if topic.limited:
                    limits.trim(topic)

    def confirm(self) -> list[Confirmed]:
        """Take out the confirmations that wait for nothing."""
        accepted = self._accepted
        self._accepted = [one for one in accepted if one.level > MEMORY]
        return [
            Confirmed(token, log, first, LEVELS[MEMORY]) for token, log, first, level in accepted if level == MEMORY
        ]

    def store(self) -> None:
        """Confirm what waits for nothing, and ask for this turn's rows to be kept."""
        turn = self._turn
        if turn.ids.pending:
            turn.ids.numbered(self._accepted)
        turn.out += self.confirm()
        waiting, self._accepted = self._accepted, []
        if turn.journal.rows:
            store, batches, others = turn.journal.take(turn.next_serial())
            size_bytes = sum(batch.memory_bytes() for _, batch in batches)
            self.storing_bytes += size_bytes
            if waiting or batches or others:
                self._storing[store.token] = Storing(waiting, batches, size_bytes, others)
            else:
                store = store._replace(token=NO_TOKEN)
            turn.out.append(store)

    def stored(self, token: int) -> None:
        """The rows of that Store are kept: their publishes are confirmed."""
        found = self._end(token)
        if found is not None:
            horizon = self._turn.loader.horizon
            for token, log, first, level in found.accepted:
                self._turn.out.append(Confirmed(token, log, first, LEVELS[level]))
            for where, batch in found.batches:
                where.committed(batch, horizon)
            for one in found.waiting:
                one.kept()

    def unstored(self, token: int, why: str) -> None:
        """The batches of that Store could not be kept: their publishes are refused, though they may be delivered."""
        found = self._end(token)
        if found is not None:
            for token, _, _, _ in found.accepted:
                self._turn.counters.refused += 1
                self._turn.out.append(Unkept(token, why))
            for where, batch in found.batches:
                where.uncommitted(batch)
            for one in found.waiting:
                one.unkept(why)

    def storing(self, log: Log) -> bool:
        """Whether batches of the log are on their way to the store."""
        return any(where is log for storing in self._storing.values() for where, _ in storing.batches)

    def unconfirmed(self) -> bool:
        """Whether some publish waits for the store."""
        return any(storing.accepted for storing in self._storing.values())

    def _end(self, token: int) -> Storing | None:
        found = self._storing.pop(token, None)
        if found is not None:
            self.storing_bytes -= found.size_bytes
        return found

    def _check_limits(self, topic: Topic, publishing: Publishing) -> None:
        try:
            limits.check(topic, publishing)
        except Overloaded:
            self._turn.counters.refused += 1
            raise

    def _check_room(self, topic: Topic, publishing: Publishing) -> None:
        messages, size_bytes = publishing.messages, len(publishing.body)
        turn, config = self._turn, self._turn.config.broker
        if topic.messages + topic.gathering.messages + messages > config.topic_messages_max:
            turn.counters.refused += 1
            raise Overloaded(
                f"topic {topic.name} has {topic.messages} unfinished messages here (topic_messages_max is "
                f"{config.topic_messages_max}): add consumers, delete what nobody reads, or raise the limit",
                limit="topic_messages_max",
            )
        if topic.limited:
            self._check_limits(topic, publishing)
        spills = turn.journal.on and not self.trouble
        if spills and self.storing_bytes + self.gathered_bytes + size_bytes > config.store_queue_bytes_max:
            turn.counters.refused += 1
            raise Overloaded(
                f"{self.storing_bytes >> 20} MiB wait for this node's store (store_queue_bytes_max is "
                f"{config.store_queue_bytes_max >> 20} MiB): try again, or another node",
                limit="store_queue_bytes_max",
            )
        while turn.memory_bytes + self.gathered_bytes + size_bytes > turn.budget_bytes:
            if turn.retentions.let_go() or self._windows.evict_oldest():
                continue
            if spills:
                return
            turn.counters.refused += 1
            raise Overloaded(
                f"this node holds {turn.memory_bytes >> 20} MiB of messages (memory_bytes_max is "
                f"{config.memory_bytes_max >> 20} MiB): try again when consumers have caught up, or another node",
                limit="memory_bytes_max",
            )

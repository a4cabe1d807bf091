"""One life of a topic at this node: its log, its channels, what was published to it this turn."""

from __future__ import annotations

from meshq.broker.batch import Batch
from meshq.broker.channel import Channel
from meshq.broker.gathering import Gathering, Publishing
from meshq.broker.log import Log
from meshq.broker.turn import Turn
from meshq.broker.window import Windows
from meshq.machine.ranges import Ranges
from meshq.names import Epoch, LogId


class Topic:
    """A topic that exists."""

    __slots__ = ("_first", "_turn", "_windows", "channels", "gathering", "generation", "log", "name", "published")

    def __init__(self, turn: Turn, windows: Windows, name: str, generation: int, epoch: Epoch, first: int) -> None:
        self._turn = turn
        self._windows = windows
        self.name = name
        self.generation = generation
        # Lane 0 is the only priority class so far.
        self.log = Log(turn, LogId(turn.config.name, epoch.ms, epoch.nonce, generation, 0), first)
        self.channels: dict[str, Channel] = {}
        self.gathering = Gathering(turn.config.broker)
        self.published = 0
        self._first = first

    def close_batches(self) -> list[tuple[int, LogId, int]]:
        """What was published becomes batches; returns (token, log, first number) of each publish."""
        log, turn = self.log, self._turn
        publishes = self.gathering.take()
        first = log.next
        confirmations: list[tuple[int, LogId, int]] = []
        for token, messages, _, _, _ in publishes:
            confirmations.append((token, log.id, first))
            first += messages
        for batch in self.gathering.batches(publishes, log.next, turn.now):
            log.append(batch)
            self._windows.keep(log, batch)
            turn.rows.append((log.id, batch))
            turn.counters.published_batches += 1
        turn.counters.published += log.next - self._first - self.published
        self.published = log.next - self._first
        for channel in self.channels.values():
            turn.channels[channel] = None
        return confirmations

    def unfinished_since(self, accepted_at: float) -> list[Publishing]:
        """What was accepted later than that and is not finished on every channel, to be published again."""
        later: list[Publishing] = []
        for batch in self.log.batches.values():
            if batch.open and batch.accepted_at > accepted_at:
                for start, stop in self._unfinished(batch):
                    body = batch.part(start, stop)
                    later.append(Publishing(0, stop - start, body, batch.due, batch.accepted_ns))
        return later

    def _unfinished(self, batch: Batch) -> Ranges:
        if not self.log.cursors:
            return Ranges([(batch.first, batch.stop)])
        return Ranges(
            span
            for cursor in self.log.cursors
            for span in cursor.finished.missing(max(batch.first, cursor.born), batch.stop)
        )

    def drop(self) -> int:
        """The topic ended; returns how many unfinished messages went with it."""
        dropped = self.log.messages
        self._windows.forget(self.log)
        self._turn.timers.cancel(self.log)
        self.log.drop()
        return dropped

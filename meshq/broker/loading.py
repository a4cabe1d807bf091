"""Bringing back what lies in the store only.

Decides when it is asked for. What is ahead of a cursor: when the cursor has come to it, or is about to, and somebody
wants messages. What is deferred: all that is due within the next minute, some time before; and what an earlier start
deferred by a clock that was far ahead. How much at once depends on how much room there is. Rows become batches of
exactly the numbers that are not in memory; what the store can't read any more is counted, and finished.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.broker import spilled
from meshq.broker.batch import Batch, Broken, Payload, Traits
from meshq.broker.cursor import Cursor
from meshq.broker.log import Log
from meshq.broker.turn import Turn
from meshq.errors import RemoteProtocolError
from meshq.machine.effects import Load, LoadDue
from meshq.machine.store import BatchRow
from meshq.names import DISK, MEMORY, LogId

CHUNK_BYTES: Final = 4 << 20
CHUNK_BYTES_MIN: Final = 256 << 10
AWAKE_S: Final = 60.0
"""What is due within this time is in memory ..."""
AWAKE_CROWDED_S: Final = 3.0
"""... or within this, while memory is short."""
RETRY_S: Final = 1.0
FOREVER_NS: Final = 1 << 62
"""Later than any due time."""


class Loader:
    """Loads under way, and up to when deferred messages have been loaded."""

    __slots__ = ("_astray", "_loads", "_logs", "_straying", "_target_ns", "_turn", "_until_ns", "_waking")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._loads: dict[int, tuple[Cursor, int, int]] = {}
        self._waking = 0
        """The token of the LoadDue under way; 0: none."""
        self._until_ns = 0
        """What was due before has been loaded."""
        self._target_ns = 0
        """What is due before is loaded, or being loaded."""
        self._logs: dict[tuple[str, LogId], Log] = {}
        """Those with messages asleep."""
        self._astray = False
        """What is due later than anybody may ask for is to be looked for: its clock was wrong."""
        self._straying = 0
        """The token of the LoadDue that looks; 0: none."""

    # ahead of a cursor

    def feed(self, cursor: Cursor) -> None:
        """Somebody wants messages of the cursor: ask for what it will come to next, if that is near."""
        if cursor.loading or cursor.held:
            return
        away = cursor.log.away
        start = away.first_from(cursor.at)
        if start is None or (not cursor.hungry and start - cursor.at > cursor.chunk):
            return
        turn, log = self._turn, cursor.log
        token = turn.next_serial()
        stop = away.around(start)[1]
        cursor.loading = True
        self._loads[token] = (cursor, start, stop)
        turn.out.append(Load(token, log.topic, log.id, start, stop, self._chunk_bytes()))

    def _chunk_bytes(self) -> int:
        room_bytes = self._turn.budget_bytes - self._turn.memory_bytes
        return min(CHUNK_BYTES, max(CHUNK_BYTES_MIN, room_bytes // 4))

    def loaded(self, token: int, rows: list[BatchRow] | None) -> None:
        """The store's answer; None: it could not read, and is asked again."""
        if token == self._waking:
            self._woken(rows)
        elif token == self._straying:
            self._strayed(rows)
        elif token in self._loads:
            cursor, start, stop = self._loads.pop(token)
            cursor.loading = False
            if rows is None:
                self._turn.timers.arm(_Again(cursor), self._turn.now + RETRY_S)
            else:
                self._brought(cursor, start, stop, rows)

    def _brought(self, cursor: Cursor, start: int, stop: int, rows: list[BatchRow]) -> None:
        log, counters = cursor.log, self._turn.counters
        number = start
        cursor.chunk = 0
        for row in rows:
            counters.absent += spilled.absent(log, number, min(row.first, stop))
            self.place(log, row)
            number = row.first + row.messages
            cursor.chunk += row.messages
        if not rows:
            counters.absent += spilled.absent(log, start, stop)
        if cursor.hungry:
            cursor.seek(cursor.at)
        cursor.channel.touch()

    def place(self, log: Log, row: BatchRow, *, stored: bool = True) -> None:
        """Make batches of what is not in memory of the row, and still wanted. Not ``stored``: it is nowhere else."""
        first, stop = row.first, row.first + row.messages
        if not row.body:
            self._turn.counters.absent += spilled.unreadable(log, first, stop)
            return
        parts = log.away.within(first, stop) + log.sleeping.within(first, stop)
        if not parts:
            return
        turn = self._turn
        traits = self.traits(row) if stored else self.traits(row)._replace(level=MEMORY)
        payload = Payload(first, row.messages, row.body)
        for low, high in parts:
            kind, body = Batch, row.body
            try:
                body = payload.part(low, high)
            except RemoteProtocolError:  # a damaged store gave it back, or another node
                kind = Broken
            batch = kind(low, high - low, body, turn.at(row.accepted_ns), row.accepted_ns, traits)
            batch.stored = stored
            turn.counters.loaded += (high - low) * stored
            log.insert(batch)

    # deferred

    def sleeps(self, log: Log, due: float) -> bool:
        """Whether a batch that is due then waits in the store: then the log is remembered here."""
        turn = self._turn
        if not self._target_ns:
            self._target_ns = self._until_ns = turn.wall_ns(turn.now + AWAKE_S)
            turn.timers.arm(self, turn.now + AWAKE_S / 3)
        if turn.wall_ns(due) < self._target_ns:
            return False
        self._logs[log.topic, log.id] = log
        return True

    @property
    def horizon(self) -> float:
        """What is due before does not sleep."""
        return self._turn.at(self._target_ns)

    def recovered(self, log: Log) -> None:
        """A log of an earlier start has messages asleep: those that are due are loaded at once."""
        self._logs[log.topic, log.id] = log
        self._until_ns = 0
        self._target_ns = 1
        self._astray = True
        self._turn.timers.arm(self, self._turn.now)

    def forget(self, log: Log) -> None:
        """The log ended."""
        self._logs.pop((log.topic, log.id), None)

    def wall_moved(self) -> None:
        """What is due is due by the wall clock."""
        if self._target_ns:
            self._turn.timers.arm(self, self._turn.now)

    def rang(self) -> None:
        """Look a little further ahead."""
        turn = self._turn
        crowded = turn.memory_bytes > turn.budget_bytes
        awake_s = AWAKE_CROWDED_S if crowded else AWAKE_S
        turn.timers.arm(self, turn.now + awake_s / 3)
        if self._astray:
            self._astray = False
            self._look_astray(turn.wall_ns(turn.now + turn.config.broker.delay_max_s))
        if not self._waking:
            self._target_ns = max(self._target_ns, turn.wall_ns(turn.now + awake_s))
            self._wake()

    def _wake(self) -> None:
        if self._target_ns > self._until_ns and any(log.sleeping_messages for log in self._logs.values()):
            self._waking = self._turn.next_serial()
            self._turn.out.append(LoadDue(self._waking, self._until_ns, self._target_ns, CHUNK_BYTES))
        else:
            self._until_ns = max(self._until_ns, self._target_ns)

    def _woken(self, rows: list[BatchRow] | None) -> None:
        self._waking = 0
        if rows is None:
            self._turn.timers.arm(self, self._turn.now + RETRY_S)
            return
        size_bytes = 0
        for row in rows:
            size_bytes += row.memory_bytes()
            log = self._logs.get((row.topic, row.log))
            if log is not None:
                self.place(log, row)
        if size_bytes >= CHUNK_BYTES:
            self._until_ns = rows[-1].due_ns + 1
            self._wake()
        else:
            self._until_ns = self._target_ns

    def _look_astray(self, after_ns: int) -> None:
        self._straying = self._turn.next_serial()
        self._turn.out.append(LoadDue(self._straying, after_ns, FOREVER_NS, CHUNK_BYTES))

    def _strayed(self, rows: list[BatchRow] | None) -> None:
        self._straying = 0
        if rows is None:
            self._astray = True
            self._turn.timers.arm(self, self._turn.now + RETRY_S)
            return
        for row in rows:
            log = self._logs.get((row.topic, row.log))
            if log is not None:
                self.place(log, row)
        if sum(row.memory_bytes() for row in rows) >= CHUNK_BYTES:
            self._look_astray(rows[-1].due_ns + 1)

    def traits(self, row: BatchRow) -> Traits:
        """What the messages have in common. A due time that nobody may ask for is of a clock that was far ahead
        when they were accepted: their delay begins now."""
        turn = self._turn
        due = turn.at(row.due_ns) if row.due_ns else 0.0
        if due > turn.now + turn.config.broker.delay_max_s:
            due = turn.now + max(0, row.due_ns - row.accepted_ns) / 1e9
        options: dict[str, Any] = row.options
        return Traits(
            due=due,
            expires=turn.at(row.expires_ns) if row.expires_ns else 0.0,
            level=DISK,
            lane=row.log.lane,
            key=options.get("key", ""),
            channels=tuple(options.get("channels", ())),
        )


class _Again:
    """A load that could not be answered, to be asked for again."""

    __slots__ = ("cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def rang(self) -> None:
        """The channel asks again, if it still wants to."""
        self.cursor.channel.touch()

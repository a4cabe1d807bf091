"""The grace of a topic's first channels in one log: what the first has finished stays for those created with it.

Decides until when, and which batches stay in memory for them meanwhile. Where such a channel begins is ``beginning``'s,
what is kept in the store ``retained``'s. The same timer lets go of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshq.broker.batch import Batch

if TYPE_CHECKING:
    from meshq.broker.log import Log


class Grace:
    """One log's."""

    __slots__ = ("_log", "born_at", "held", "until")

    def __init__(self, log: Log) -> None:
        self._log = log
        self.born_at: float | None = None
        """When the first of the channels there are now was created."""
        self.until = 0.0
        """Until then what is finished is kept for channels created together with the first."""
        self.held: list[Batch] = []
        """The same, of what is in memory only."""

    def begin(self, born_at: float) -> None:
        """The first channel was created then: what waited for it waits for the others too."""
        log = self._log
        self.born_at = born_at
        if log.messages:
            config = log.turn.config.broker
            self.until = log.turn.now + config.first_channels_s + config.window_s
            for batch in log.in_order():
                if batch.open and not batch.stored:
                    batch.keeps += 1
                    self.held.append(batch)
            self.arm()

    def end(self) -> None:
        """It is over: whoever comes now comes late."""
        self.until = 0.0
        held, self.held = self.held, []
        for batch in held:
            self._log.unkeep(batch)

    def drop(self) -> None:
        """The log is over, with whatever it kept."""
        self.held.clear()
        self._log.turn.timers.cancel(self)

    def rang(self) -> None:
        """Time passed: the grace may be over, and what was retained."""
        log, now = self._log, self._log.turn.now
        if self.until and now >= self.until:
            self.end()
        for start, stop in log.retained.expired(now):
            log.retire(start, stop)
        self.arm()

    def arm(self) -> None:
        """Wake when something that is kept is to be let go."""
        times = [at for at in (self.until or None, self._log.retained.next()) if at is not None]
        if times:
            self._log.turn.timers.arm(self, min(times))

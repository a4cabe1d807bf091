"""In calm a message is handed over once per channel, and once more for each requeue and return.

Ends with the first fault: what a broken link lent is lent again.
"""

from __future__ import annotations

from meshq.sim.checkers.base import Checker


class NoRepeats(Checker):
    """Counts hand-overs against requeues and returns."""

    def at_end(self, settled: bool) -> None:
        counters = self.stage.ledger.counters
        allowed = counters.requeued + counters.returned
        if counters.redelivered > allowed:
            self.find(f"{counters.redelivered} messages were handed over again, for {allowed} requeues and returns")

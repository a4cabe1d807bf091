"""In calm, two more things hold. Order: first deliveries to one consumer follow publish order per log. No repeats: a
message is handed over once per channel, and once more for each requeue.

Both end with the first fault: links that break give back what was lent, in whatever order it comes out again.
"""

from __future__ import annotations

from meshq.sim.checkers.base import Checker


class Order(Checker):
    """Asks consumers whether a number came before a smaller one."""

    def at_end(self, settled: bool) -> None:
        for consumer in self.stage.consumers:
            if consumer.out_of_order:
                self.find(f"{consumer.name} got {consumer.out_of_order} first deliveries out of order")


class NoRepeats(Checker):
    """Counts hand-overs against requeues and returns."""

    def at_end(self, settled: bool) -> None:
        counters = self.stage.ledger.counters
        allowed = counters.requeued + counters.returned
        if counters.redelivered > allowed:
            self.find(f"{counters.redelivered} messages were handed over again, for {allowed} requeues and returns")

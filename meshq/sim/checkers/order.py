"""In calm first deliveries to one consumer follow publish order per log: no number comes before a smaller one.

Ends with the first fault: links that break give back what was lent, in whatever order it comes out again.
"""

from __future__ import annotations

from meshq.sim.checkers.base import Checker


class Order(Checker):
    """Asks consumers whether a number came before a smaller one."""

    def at_end(self, settled: bool) -> None:
        for consumer in self.stage.consumers:
            if consumer.out_of_order:
                self.find(f"{consumer.name} got {consumer.out_of_order} first deliveries out of order")

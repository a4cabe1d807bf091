"""Where no consumer requeues, times out or leaves, and no process dies, no message is ever handed over with attempts.

A broken link to a live process adds nothing: what was lent over it was perhaps never seen.
"""

from __future__ import annotations

from meshq.sim.checkers.base import Checker


class NoAttempts(Checker):
    """Asks consumers for the most attempts that they were told."""

    def at_end(self, settled: bool) -> None:
        for consumer in self.stage.consumers:
            if consumer.attempts_max:
                self.find(f"{consumer.name} was told of {consumer.attempts_max} attempts before its own")

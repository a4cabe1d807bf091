"""Where packets are lost but nobody is cut off, subscribe is told again and again: four of five barriers end because
every member has answered, not because the time was up."""

from __future__ import annotations

from typing import Final

from meshq.sim.checkers.base import Checker

SHARE: Final = 0.8


class Answered(Checker):
    """Counts at the end."""

    def at_end(self, settled: bool) -> None:
        barriers = self.stage.ledger.barriers
        whole = sum(answered == asked for _, _, _, answered, asked in barriers)
        if whole < SHARE * len(barriers):
            self.find(f"only {whole} of {len(barriers)} barriers were answered by all")

"""What a channel's consumers at this node have borrowed, by log: nearly always from one holder of it.

A log that was handed over has two for a while, and the same message may come from both. Decides what becomes of the
second lease: it shares the fate of the first, and goes back when that one does. What happens when one of them is
finished is the ``receiver``'s.
"""

from __future__ import annotations

from collections.abc import Iterable

from meshq.broker.source import Loan, Parcel, Source
from meshq.machine.ranges import Ranges
from meshq.names import LogId


class Loans:
    """Those of one receiver."""

    __slots__ = ("by_log",)

    def __init__(self) -> None:
        self.by_log: dict[LogId, Loan] = {}
        """From the latest holder; those from others are chained behind it."""

    def open(self, source: Source, log: LogId) -> Loan:
        """What was borrowed from the log there."""
        loan = source.loans.get(log)
        if loan is None:
            loan = source.loans[log] = Loan(source, log)
            loan.other = self.by_log.get(log)
            self.by_log[log] = loan
        return loan

    def of(self, log: LogId) -> list[Loan]:
        """What was borrowed from the log, of every holder of it."""
        loans: list[Loan] = []
        loan = self.by_log.get(log)
        while loan is not None:
            loans.append(loan)
            loan = loan.other
        return loans

    # two holders of one log

    def share(self, loan: Loan, start: int, stop: int, buffered: Iterable[Parcel]) -> list[tuple[int, int]]:
        """Just lent: what is here from another holder of the log, waiting or in a hand, shares its fate. The rest."""
        left = Ranges([(start, stop)])
        for other in self.of(loan.log):
            if other is not loan:
                for hand in other.hands.overlapping(start, stop):
                    left.discard(hand.start, hand.stop)
                for parcel in buffered:
                    if parcel.loan is other:
                        left.discard(parcel.start, parcel.stop)
        for low, high in left.missing(start, stop):
            loan.shared.add(low, high)
        return list(left)

    def unshare(self, loan: Loan, start: int, stop: int) -> None:
        """These go back, unfinished: the leases that shared their fate do too."""
        for other in self.of(loan.log):
            for low, high in other.shared.within(start, stop) if other is not loan else ():
                other.held -= other.shared.discard(low, high)
                other.source.to.give_back(loan.log, low, high)

    # forgetting

    def tidy(self, loan: Loan) -> None:
        """Forget what was borrowed from a log when nothing of it is left."""
        if loan.empty() and loan.source.loans.pop(loan.log, None) is not None:
            self.unchain(loan)

    def unchain(self, loan: Loan) -> None:
        """The loan is not among those of its log any more, if it was."""
        one = self.by_log.get(loan.log)
        if one is loan:
            if loan.other is None:
                del self.by_log[loan.log]
            else:
                self.by_log[loan.log] = loan.other
            return
        while one is not None and one.other is not loan:
            one = one.other
        if one is not None:
            one.other = loan.other

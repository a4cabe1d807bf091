"""A message is in exactly one place at its origin, per channel: finished, waiting, deferred, or one lease of one
live session.

Looked at as the union of what all borrowers of a channel hold: two leases that overlap where the channel has not
finished are one too many.
"""

from __future__ import annotations

from meshq.machine.ranges import Ranges
from meshq.names import LogId
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host


class OneLease(Checker):
    """Adds up the leases of each channel, log by log."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        if engine is None:
            return
        for key, channel in engine.broker._registry.channels.items():
            leased: dict[LogId, Ranges] = {}
            for borrower in [*channel.borrowers.values(), *([channel.own] if channel.own is not None else [])]:
                for log, lent in borrower.lent.items():
                    ranges = leased.setdefault(log, Ranges())
                    for lease in lent.leases:
                        for start, stop in lent.cursor.finished.missing(lease.start, lease.stop):
                            if ranges.add(start, stop) != stop - start:
                                self.find(f"{host.name} lends {start} to {stop} of {key} twice")

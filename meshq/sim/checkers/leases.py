"""A message has at most one lease per channel at its origin, and that is of a live session: lent to the node's own
consumers, or over a link that is up, to a member that is not held dead or gone.

Looked at as the union of what all borrowers of a channel hold: two leases that overlap where the channel has not
finished are one too many. That a message without a lease is in exactly one other place is part of ``credit``.
"""

from __future__ import annotations

from meshq.broker.borrower import Borrower
from meshq.engine.engine import Engine
from meshq.engine.from_membership import LIVE
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
                if borrower is not channel.own and borrower.leased() and engine.links.get(borrower.name) is None:
                    self.find(f"{host.name} holds leases of {key} at {borrower.name}, to which it has no link")
                self._check_verdict(host, engine, borrower)
                for log, lent in borrower.lent.items():
                    ranges = leased.setdefault(log, Ranges())
                    for lease in lent.leases:
                        for start, stop in lent.cursor.finished.missing(lease.start, lease.stop):
                            if ranges.add(start, stop) != stop - start:
                                self.find(f"{host.name} lends {start} to {stop} of {key} twice")

    def _check_verdict(self, host: Host, engine: Engine, borrower: Borrower) -> None:
        member = engine.membership.members.get(borrower.name)
        if borrower.leased() and member is not None and member.state not in LIVE:
            self.find(f"{host.name} holds leases at {borrower.name}, which it holds to be {member.state.name}")

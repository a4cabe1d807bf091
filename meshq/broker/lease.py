"""What one borrower holds of one log, within one session.

Every message lent gets a delivery number, the count of messages sent in the session up to it, so that
an audit of the holder can be compared with exactly the leases it speaks of (rule O7).
"""

from __future__ import annotations

from meshq.broker.cursor import Cursor
from meshq.broker.extents import Extent, Extents


class Lent:
    """Leases from one log to one borrower in one session."""

    __slots__ = ("audited", "cursor", "leases", "sent")

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.leases: Extents[Extent] = Extents()
        self.sent = 0
        """Messages lent in this session, settled or not."""
        self.audited = 0
        """How many of them the last audit spoke of."""

    def lend(self, extent: Extent) -> None:
        """The extent is lent now."""
        self.sent += extent.stop - extent.start
        extent.number = self.sent
        self.leases.add(extent)

    def audit(self, received: int, held: int) -> str:
        """Compare with what the holder says; what differs, in words, or nothing."""
        if not self.audited <= received <= self.sent:
            return f"{received} received after {self.audited}, of {self.sent} sent"
        self.audited = received
        leased = sum(lease.stop - lease.start for lease in self.leases if lease.number <= received)
        return "" if leased == held else f"{held} held of {leased} lent"

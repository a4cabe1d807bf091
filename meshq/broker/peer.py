"""Another node as the broker knows it: whether there is a session, and what is to be written on it.

Control frames wait in the outbox for the end of the turn; READY and DELIVER are written when the link's
writer pulls, channels in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshq.names import ChannelKey, Epoch
from meshq.wire.frames import Frame

if TYPE_CHECKING:
    from meshq.broker.borrower import Borrower
    from meshq.broker.channel import Channel
    from meshq.broker.source import Source


class Peer:
    """One other node."""

    __slots__ = ("borrowers", "dead_epoch", "epoch", "flagged", "name", "nearness", "outbox", "session", "sources")

    def __init__(self, name: str) -> None:
        self.name = name
        self.session = False
        self.epoch: Epoch | None = None
        self.dead_epoch: Epoch | None = None
        """The epoch last declared dead."""
        self.nearness = 2
        """1: same zone, 2: elsewhere."""
        self.outbox: list[Frame] = []
        """Frames for this session, in order. The object never changes: whoever writes keeps it."""
        self.flagged: dict[Channel, None] = {}
        """Channels that may have something for this peer, in turn."""
        self.borrowers: dict[ChannelKey, Borrower] = {}
        self.sources: dict[ChannelKey, Source] = {}

    def take_outbox(self) -> list[Frame]:
        """The frames to write now."""
        frames = self.outbox[:]
        self.outbox.clear()
        return frames

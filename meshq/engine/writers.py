"""The writers of the links: they pull from the broker what fits their transports; the rest stays in it.

Decides whose turn it is: the links of a zone before those that leave it, and among equals one extent each in turn, so
that nobody waits for a whole queue of somebody else's. What a link gets is the broker's to say.
"""

from __future__ import annotations

from typing import Final

from meshq.broker.broker import Broker
from meshq.config import LinkConfig
from meshq.engine.links import Link, Links
from meshq.engine.nearness import Nearness
from meshq.engine.streams import Streams
from meshq.wire.frames import Deliver

FRAME_BYTES: Final = 64
"""What a control frame takes, about."""


class Writers:
    """One for each link that has room."""

    def __init__(self, config: LinkConfig, broker: Broker, links: Links, streams: Streams, nearness: Nearness) -> None:
        self._share_bytes = config.write_buffer_bytes
        self._broker = broker
        self._links = links
        self._streams = streams
        self._nearness = nearness

    def pull(self, now: float) -> bool:
        """Fill the transports, once a turn. Returns whether a writer had its share of the turn and wants more."""
        pullable = self._broker.pullable()
        if not pullable:
            return False
        near: dict[int, list[Link]] = {}
        for name in pullable:
            link = self._links.get(name)
            if link is not None and not link.stream.blocked:
                near.setdefault(self._nearness.of(name), []).append(link)
        more = False
        for _, links in sorted(near.items()):
            if self._pull_in_turns(now, links):
                more = True
        return more

    def _pull_in_turns(self, now: float, links: list[Link]) -> bool:
        """One extent each, round and round, until nothing waits or a writer has had its share of the turn."""
        broker, more = self._broker, False
        shares = [(link, self._share_bytes) for link in links]
        while shares:
            going: list[tuple[Link, int]] = []
            for link, room_bytes in shares:
                for frame in broker.pull(now, link.name, 1 if len(shares) > 1 else room_bytes):
                    self._streams.send(link.stream, frame)
                    room_bytes -= len(frame.body) if type(frame) is Deliver else FRAME_BYTES
                if not broker.wants_pull(link.name):
                    continue
                if room_bytes > 0:
                    going.append((link, room_bytes))
                else:
                    more = True
            shares = going
        return more

"""What gossip is to say of this node: how far its news and its interest have come, and a hash of its catalog.

Decides when that is said anew: at most once a ``repair_quiet_s``, however much changes meanwhile.
"""

from __future__ import annotations

from meshq.routing.catalog import Catalog
from meshq.routing.news import News
from meshq.routing.peers import NEVER
from meshq.wire.gossip import NO_HEAD, Head


class OwnHead:
    """This node's."""

    __slots__ = ("_catalog", "_moved_at", "_news", "_quiet_s", "head")

    def __init__(self, quiet_s: float, news: News, catalog: Catalog) -> None:
        self._quiet_s = quiet_s
        self._news = news
        self._catalog = catalog
        self._moved_at = NEVER
        self.head = NO_HEAD

    def move(self, now: float) -> bool:
        """Say what is so now, if that is another thing and enough time has passed; whether it was said."""
        if self.head[1:] == self._state() or now < self._moved_at + self._quiet_s:
            return False
        self.head = Head(self.head.version + 1, *self._state())
        self._moved_at = now
        return True

    def deadline(self) -> float | None:
        """When ``move`` has something to say."""
        return None if self.head[1:] == self._state() else self._moved_at + self._quiet_s

    def _state(self) -> tuple[int, int, int, int]:
        return self._news.version, self._news.hash, len(self._news), self._catalog.hash

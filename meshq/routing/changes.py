"""What came and went: topics and channels, of the catalog and ephemeral ones, in the order in which it is told.

Decides that order: a topic's ephemeral channels come after it and go before it. That ephemeral names live and die with
interest is ``ephemeral``'s, everything else about names the ``catalog``'s.
"""

from __future__ import annotations

from meshq.machine import events
from meshq.machine.effects import Emit
from meshq.routing.catalog import Catalog
from meshq.routing.effects import ChannelBorn, ChannelEnded, Configured, Existence, TopicBorn, TopicEnded
from meshq.routing.ephemeral import Ephemerals, is_fleeting
from meshq.routing.interest import Index, Key


class Changes:
    """Those that have not been told yet."""

    __slots__ = ("_catalog", "_ephemerals", "_found", "_index")

    def __init__(self, catalog: Catalog, ephemerals: Ephemerals, index: Index) -> None:
        self._catalog = catalog
        self._ephemerals = ephemerals
        self._index = index
        self._found: list[Existence] = []

    def absorb(self, now: float) -> None:
        """Take over what catalog and ephemerals report; a topic's ephemeral channels begin and end with it."""
        if self._catalog.changes:
            changes, self._catalog.changes = self._catalog.changes, []
            for change in changes:
                if type(change) is TopicEnded:
                    self._ephemerals.topic_ended(change.topic)
                    self._absorb_fleeting()
                self._found.append(change)
                if type(change) is TopicBorn:
                    self._ephemerals.topic_born(now, change.topic)
                    self._absorb_fleeting()
        self._absorb_fleeting()

    def _absorb_fleeting(self) -> None:
        if self._ephemerals.changes:
            self._found += self._ephemerals.changes
            self._ephemerals.changes = []

    def interest(self, now: float, changes: dict[Key, bool], since: dict[Key, float]) -> None:
        """Interest came or went, ``since`` when if that is known: an ephemeral name exists by it."""
        for key, came in changes.items():
            if is_fleeting(*key):
                self._fleeting(now, key, came=came, since=since.get(key, now))
        self.absorb(now)

    def _fleeting(self, now: float, key: Key, *, came: bool, since: float) -> None:
        if not self._index.interested(key):
            self._ephemerals.left(now, key)
        elif came:
            topic_known = self._catalog.known(key[0]) is not None
            self._ephemerals.came(now, key, since, topic_known)

    def take(self) -> list[Existence | Emit]:
        """Take them out, each with what is said of it to the outside."""
        found, self._found = self._found, []
        return [effect for change in found for effect in (change, Emit(_event(change)))]


def _event(change: Existence) -> events.Event:
    match change:
        case TopicBorn(topic, generation):
            return events.TopicCreated(topic, generation)
        case TopicEnded(topic, generation):
            return events.TopicDeleted(topic, generation)
        case ChannelBorn(topic, channel, generation):
            return events.ChannelCreated(topic, channel, generation)
        case ChannelEnded(topic, channel, generation):
            return events.ChannelDeleted(topic, channel, generation)
        case Configured(topic, channel, settings):
            return events.Configured(topic, channel, settings)

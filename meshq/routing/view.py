"""The catalog and the interest as people and tools are shown them: plain maps, sorted by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshq.routing.catalog import Catalog
from meshq.routing.ephemeral import GENERATION, Ephemerals, is_fleeting
from meshq.routing.interest import Interest, Key
from meshq.routing.news import News
from meshq.routing.settings import plain


class View:
    """Reads the machines' state; changes nothing."""

    def __init__(self, name: str, catalog: Catalog, ephemerals: Ephemerals, interest: Interest, news: News) -> None:
        self._name = name
        self._catalog = catalog
        self._ephemerals = ephemerals
        self._interest = interest
        self._news = news

    def topic(self, name: str) -> dict[str, Any] | None:
        """The same of one topic; None when it does not exist."""
        topic = self._catalog.topics.get(name)
        fleeting = [channel for its, channel in self._ephemerals.channels if its == name]
        if topic is not None and not topic.dead:
            return self._topic(name, topic.generation, fleeting)
        return self._topic(name, GENERATION, fleeting) if name in self._ephemerals.topics else None

    def topics(self, after: str = "", only: str = "") -> Iterator[dict[str, Any]]:
        """Topics with their channels and, per channel, how many consumers each node has: by name, those behind
        ``after``; ``only`` that one, if it is named."""
        fleeting: dict[str, list[str]] = {}
        for topic_name, channel in self._ephemerals.channels:
            fleeting.setdefault(topic_name, []).append(channel)
        shown = {name: generation for name, generation in self._shown() if name > after and only in ("", name)}
        return (self._topic(name, shown[name], fleeting.get(name, [])) for name in sorted(shown))

    def names(self) -> list[str]:
        """Every topic, sorted."""
        return sorted(dict(self._shown()))

    def channels(self, name: str) -> list[str]:
        """The channels of a topic, sorted."""
        topic = self._catalog.topics.get(name)
        alive = [] if topic is None else [channel for channel, its in topic.channels.items() if not its.dead]
        return sorted([*alive, *(channel for topic_name, channel in self._ephemerals.channels if topic_name == name)])

    def _shown(self) -> Iterator[tuple[str, int]]:
        yield from ((topic.name, topic.generation) for topic in self._catalog.topics.values() if not topic.dead)
        yield from ((name, GENERATION) for name in self._ephemerals.topics)

    def _topic(self, name: str, generation: int, fleeting: list[str]) -> dict[str, Any]:
        topic = self._catalog.topics.get(name)
        alive = [] if topic is None else [channel for channel, its in topic.channels.items() if not its.dead]
        channels = [self._channel(name, channel) for channel in sorted([*alive, *fleeting])]
        settings = {} if topic is None else plain(topic.settings)
        return {"topic": name, "generation": generation, "settings": settings, "channels": channels}

    def _channel(self, topic: str, channel: str) -> dict[str, Any]:
        key = (topic, channel)
        generation = self._catalog.known(topic, channel) or GENERATION
        consumers = {name: self._consumers(name, key) for name in self._interest.index.interested(key)}
        settings = {} if is_fleeting(topic, channel) else self._catalog.settings(topic, channel)
        return {"channel": channel, "generation": generation, "settings": settings, "consumers": consumers}

    def _consumers(self, name: str, key: Key) -> int:
        return self._news.consumers(key) if name == self._name else self._interest.consumers(name, key)

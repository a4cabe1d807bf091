"""Names are set alike: once faults have stopped, every node has the same settings of every topic and channel, and its
broker goes by them. While a channel, or its topic, is paused at an origin, nothing more of it is lent there; and nobody
is let above a limit in messages: while there are as many unfinished as it says, no more come.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.broker.channel import Channel
from meshq.broker.topic import Topic
from meshq.machine import events
from meshq.machine.settings import DROP_OLDEST, channel_settings, topic_settings
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage

WITHIN_S: Final = 40.0
"""As for views: a partition heals, then repair."""


class SetAlike(Checker):
    """Compares what brokers go by with the catalog, and what they lend and take with how they are set."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._lent: dict[tuple[str, Any, str], int] = {}
        self._depth: dict[tuple[str, Any], int] = {}

    def event(self, host: Host, event: Any) -> None:
        """Whatever is set anew is looked at anew."""
        if isinstance(event, events.Configured):
            self._lent = {key: sent for key, sent in self._lent.items() if key[1].topic != event.topic}
            self._depth = {key: depth for key, depth in self._depth.items() if key[1].topic != event.topic}

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        for topic in engine.broker._registry.topics.values() if engine is not None else ():
            for channel in topic.channels.values():
                self._look_at_pause(host.name, topic, channel)
                self._look_at_limit(host.name, topic, channel)

    def at_end(self, settled: bool) -> None:
        if not self.stage.world.run_while(lambda: bool(self._difference()), within_s=WITHIN_S, check_s=0.5):
            self.find(f"{WITHIN_S:.0f} s after everything was mended {self._difference()}", "differ")

    def _look_at_pause(self, host: str, topic: Topic, channel: Channel) -> None:
        borrowers = {**channel.borrowers, **({"own": channel.own} if channel.own is not None else {})}
        for name, borrower in borrowers.items():
            key = (host, channel.key, name)
            sent = sum(lent.sent for lent in borrower.lent.values())
            if not (channel.settings.paused or topic.settings.paused):
                self._lent.pop(key, None)
                continue
            if sent > self._lent.setdefault(key, sent) and borrower.session:
                self.find(f"{host} lends {channel.key} to {name}, though it is paused", "paused")
            self._lent[key] = sent

    def _look_at_limit(self, host: str, topic: Topic, channel: Channel) -> None:
        lent = channel.in_flight()
        limits = [
            one.messages_max + (lent if one.full == DROP_OLDEST else 0)
            for one in (topic.settings, channel.settings)
            if one.messages_max
        ]
        key, depth = (host, channel.key), channel.unfinished()
        if not limits or depth <= min(limits):
            self._depth[key] = depth
            return
        if depth > self._depth.get(key, depth):
            self.find(f"{host} has {depth} of {channel.key}, of at most {min(limits)}, and took more", "limit")
        self._depth[key] = depth

    def _difference(self) -> str:
        found = {name: engine.view()["topics"] for name, engine in self.stage.engines()}
        said = {name: {key: one for topic in view for key, one in _settings(topic)} for name, view in found.items()}
        for name, settings in said.items():
            first = next(iter(said))
            if settings != said[first]:
                return f"{name} has the settings {settings}, {first} has {said[first]}"
        for name, engine in self.stage.engines():
            for topic in engine.broker._registry.topics.values():
                settings = said[name]
                if topic.settings != topic_settings(settings.get((topic.name, ""), {})):
                    return f"the broker of {name} goes by {topic.settings} for {topic.name}"
                for channel in topic.channels.values():
                    told = channel_settings(settings.get((topic.name, channel.key.channel), {}))
                    if (channel.settings, channel.topic) != (told, topic.settings):
                        return f"the broker of {name} goes by {channel.settings} for {channel.key}"
        return ""


def _settings(topic: dict[str, Any]) -> list[tuple[tuple[str, str], dict[str, Any]]]:
    own = [((topic["topic"], ""), topic["settings"])]
    return own + [((topic["topic"], channel["channel"]), channel["settings"]) for channel in topic["channels"]]

"""When faults have stopped, all views are equal within a bound, and true: every node holds every node alive at the
epoch at which it runs and nobody else, everybody knows the same topics and channels in the same generations, and
everybody knows which nodes have consumers of what.

The bound is the time that a partition may need to heal: a node across is tried every few seconds, then repair.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.sim.checkers.base import Checker

WITHIN_S: Final = 40.0


class Views(Checker):
    """Waits for agreement at the end, then says what differs."""

    def at_end(self, settled: bool) -> None:
        if not self.stage.world.run_while(lambda: bool(self._difference()), within_s=WITHIN_S, check_s=0.5):
            self.find(f"views still differ {WITHIN_S:.0f} s after everything was mended: {self._difference()}")

    def _difference(self) -> str:
        views = {name: engine.view() for name, engine in self.stage.engines()}
        return self._members(views) or self._catalogs(views) or self._interest()

    def _members(self, views: dict[str, Any]) -> str:
        epochs = {name: tuple(engine.membership.me.epoch) for name, engine in self.stage.engines()}
        for observer, view in views.items():
            for name, epoch in epochs.items():
                state = view["members"].get(name)
                if name != observer and (state is None or state[0] != "ALIVE" or tuple(state[1]) != epoch):
                    return f"{observer} holds {name} to be {state}, which runs at {epoch}"
            for name, state in view["members"].items():
                if name not in epochs and state[0] in ("ALIVE", "SUSPECT"):
                    return f"{observer} holds {name} to be {state}, which does not run"
        return ""

    def _catalogs(self, views: dict[str, Any]) -> str:
        catalogs = {name: _catalog(view["topics"]) for name, view in views.items()}
        first = next(iter(catalogs), None)
        for name, catalog in catalogs.items():
            if first is not None and catalog != catalogs[first]:
                return f"{name} knows {catalog}, {first} knows {catalogs[first]}"
        return ""

    def _interest(self) -> str:
        engines = self.stage.engines()
        channels = sorted({(consumer.topic, consumer.channel) for consumer in self.stage.consumers})
        for topic, channel in channels:
            true = tuple(sorted(name for name, engine in engines if engine.routing._news.consumers((topic, channel))))
            for name, engine in engines:
                told = tuple(sorted(engine.routing.interested(topic, channel)))
                if told != true:
                    return f"{name} knows {told} to consume {topic}/{channel}; these do: {true}"
        return ""


def _catalog(topics: list[dict[str, Any]]) -> list[tuple[str, int, tuple[tuple[str, int], ...]]]:
    return sorted(
        (
            topic["topic"],
            topic["generation"],
            tuple(sorted((channel["channel"], channel["generation"]) for channel in topic["channels"])),
        )
        for topic in topics
    )

"""Attempts are counted: a message comes again with attempts when the process that held it has died and its origin has a
link to the next one, unless their link had ended since the hand-over while both lived, or the origin began anew: then
it knows what its store kept, which is the statement of `remembered`. What was lent to a third node just before may
still be on its way.

That nothing else counts is the statement of ``attempts``.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage

ON_ITS_WAY_S: Final = 0.5


class Tried(Checker):
    """Remembers who had each message, in which start of its node, and which links ended while both ends lived."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._last: dict[tuple[bytes, str], tuple[float, str, int, int]] = {}
        self._met: dict[tuple[str, str], tuple[int, float]] = {}
        """With which start of the second the first last had a link, and since when."""
        self._ended_at: dict[tuple[str, str], float] = {}
        stage.ledger.on_handed.append(self._handed)
        stage.ledger.on_let_go.append(self._let_go)

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.LinkUp):
            starts = self.stage.fleet.hosts[event.name].counters.starts
            if self._met.get((host.name, event.name), (0, 0.0))[0] != starts:
                self._met[host.name, event.name] = starts, self.stage.world.now
        if isinstance(event, events.LinkDown):
            self._ended_at.setdefault((host.name, event.name), 0.0)
            if self.stage.fleet.hosts[event.name].running:
                self._ended_at[host.name, event.name] = self.stage.world.now

    def _let_go(self, name: bytes, channel: str) -> None:
        self._last.pop((name, channel), None)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        now, starts = self.stage.world.now, self.stage.fleet.hosts[consumer.node].counters.starts
        before = self._last.get((message.name, channel))
        if before is not None and message.place is not None and not consumer.attempts and not consumer.remote:
            at_s, node, start, origin_start = before
            origin = message.place[0].origin
            met, since_s = self._met.get((origin, node), (0, 0.0))
            third = consumer.node not in (origin, node)
            died = met > start and not (third and now < since_s + ON_ITS_WAY_S)
            died = died and self.stage.losses.moved_at(message) < at_s  # else its holder now knows nothing of it
            if died and origin_start == self._starts(message) and self._ended_at.get((origin, node), 0.0) < at_s:
                self.find(f"{message} comes to {consumer.name} as if never tried; {node} died with it")
        if not consumer.remote:
            self._last[message.name, channel] = now, consumer.node, starts, self._starts(message)

    def _starts(self, message: Message) -> int:
        """How often the message's origin has started."""
        assert message.place is not None
        return self.stage.fleet.hosts[message.place[0].origin].counters.starts

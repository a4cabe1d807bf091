"""Who is told what the broker decides, but for the two effects of every message: see ``Engine``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meshq.broker import effects
from meshq.engine.doors import Doors
from meshq.engine.links import Links
from meshq.engine.uses import Uses
from meshq.machine import events
from meshq.machine.effects import Effect, Emit, Load, LoadDue, Store


class FromBroker:
    """To the links, the clients, the catalog and the store."""

    def __init__(
        self, links: Links, doors: Doors, uses: Uses, out: list[Effect], emit: Callable[[events.Event], None]
    ) -> None:
        self._links = links
        self._doors = doors
        self._uses = uses
        self._out = out
        self._emit = emit

    def tell(self, now: float, effect: Any) -> None:
        match effect:
            case effects.ToPeer(peer, frame):
                self._links.send(peer, frame)
            case effects.WantLink(peer):
                self._links.want(now, peer)
            case effects.BreakSession(peer, why):
                self._links.broken(now, peer, why)
            case effects.ConsumerEnded():
                self._doors.subscriptions.ended(now, effect)
            case effects.Unkept():
                self._doors.publishes.unkept(effect)
            case effects.DeadLetters(topic):
                self._uses.bury(now, topic)
            case effects.CarryOver(topic, publishings):
                self._uses.carry_over(now, topic, publishings)
            case Store() | Load() | LoadDue():
                self._out.append(effect)
            case Emit(event):
                self._emit(event)

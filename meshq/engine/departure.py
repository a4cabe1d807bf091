"""How a node leaves: it drains for a while, or stops at once, or finds that a later start of its name has taken over.

Decides when a drain is over, and in which order the last things are said: what is settled, the member's leave, the
clients' goodbyes, the links' ends, what the store is behind with, and Stop, which counts what went with the node.
Whom a log goes to, and how, is the broker's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.broker.broker import Broker
from meshq.config import DRAIN_TIMEOUT_S, Config
from meshq.engine.doors import Doors
from meshq.engine.hearsay import Hearsay
from meshq.engine.links import Links
from meshq.engine.nearness import Nearness
from meshq.engine.opening import Opening
from meshq.engine.streams import Streams
from meshq.errors import RemoteProtocolError
from meshq.machine import events
from meshq.machine.effects import Address, Effect, Stop
from meshq.membership.membership import Membership
from meshq.wire.frames import Gossip

DRAIN_CHECK_S: Final = 0.05
LAST_WORD_S: Final = 1.0
"""So much longer it waits for the last word of a node that is about to own a log."""
GOODBYE_S: Final = 1.0
"""A goodbye that no datagram carries waits so long for a stream."""


class Departure:
    """``settle`` lets the machines answer each other; ``out`` takes the last effects."""

    def __init__(
        self,
        config: Config,
        opening: Opening,
        nearness: Nearness,
        membership: Membership,
        broker: Broker,
        streams: Streams,
        links: Links,
        hearsay: Hearsay,
        doors: Doors,
        out: list[Effect],
        emit: Callable[[events.Event], None],
        settle: Callable[[], None],
    ) -> None:
        self._name = config.name
        self._opening = opening
        self._nearness = nearness
        self._membership = membership
        self._broker = broker
        self._streams = streams
        self._links = links
        self._hearsay = hearsay
        self._doors = doors
        self._out = out
        self._emit = emit
        self._settle = settle
        self._until = 0.0
        self._stopped = False
        self._unheard: list[Address] | None = None
        """Where the goodbye goes by streams; None before it is said, and at the end."""
        self.draining = False
        """The node hands over what it has, takes no more publishes and is about to leave."""
        self.check_at: float | None = None
        """When ``check`` has something to do."""

    def begin(self, now: float, timeout_s: float) -> None:
        """Refuse publishes, and hand logs over from the next ``check`` on. Again, or after the end, it does nothing."""
        if self.draining or self._stopped:
            return
        self.draining = self._opening.closed = True
        self._until = now + timeout_s
        self.check_at = now
        self._emit(events.Draining(self._broker.messages_left(), timeout_s))

    def asked(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Somebody wants this node to drain; the answer leaves before the goodbye, which takes a turn of its own."""
        timeout_s = arguments.get("timeout_s", DRAIN_TIMEOUT_S)
        if type(timeout_s) not in (int, float) or not 0 <= timeout_s <= 3600:
            raise RemoteProtocolError("timeout_s is 0 to 3600", code="BAD_ARGUMENT")
        self.begin(now, timeout_s)
        return {"messages": self._broker.messages_left()}

    def check(self, now: float) -> None:
        """Go on with a drain; stop when nothing is left or its time is over."""
        if self.check_at is None or self._stopped:
            return
        self.check_at = now + DRAIN_CHECK_S
        broker = self._broker
        broker.hand_over(now, self._takers(), self._until)
        over = now >= self._until + (LAST_WORD_S if broker.handing_over else 0.0)
        if over or broker.messages_left() == 0:
            self.stop(now)

    def stop(self, now: float) -> None:
        """Leave at once; ends in a Stop effect that says how many messages went with the node.

        Where a goodbye has to be said over a stream that is not there yet, the end waits ``GOODBYE_S`` for it at most.
        """
        if self._stopped:
            return
        self._end()
        self._settle()
        self._membership.leave(now)
        for link in self._links.all():
            self._links.send(link.name, Gossip(self._membership.goodbye))
        self._settle()
        members = self._membership.alive()
        self._unheard = [member.address for member in members if self._membership.blocked(member.name)]
        self.check_at = self._until = now + GOODBYE_S

    def finish(self, now: float) -> None:
        """End a node that has left, once its last words are on their way, or can't be."""
        if self._unheard is None or (now < self._until and any(map(self._hearsay.unsaid, self._unheard))):
            return
        self._unheard = self.check_at = None
        left = self._broker.messages_left()
        self._emit(events.Leaving(left))
        text = f"{self._name} is leaving the mesh"
        self._doors.goodbye(now, "LEAVING", text)
        for stream in self._streams.all():
            self._streams.end(now, stream, "LEAVING", text)
        self._settle()
        self._broker.write_behind(now)
        self._settle()
        self._out += self._streams.output(now)
        self._out.append(Stop(None, left))

    def fenced(self, now: float, stop: Stop) -> None:
        """A later start of this name is in the mesh: end with that error, and tell the clients."""
        self._end()
        self._doors.goodbye(now, "FENCED", str(stop.error))
        self._out += self._streams.output(now)
        self._out.append(stop._replace(messages_left=self._broker.messages_left()))

    def _end(self) -> None:
        self._stopped = self._opening.closed = True
        self.check_at = None

    def _takers(self) -> tuple[str, ...]:
        """The nodes that may take logs over, nearest first."""
        names = [member.name for member in self._membership.alive() if member.name != self._name]
        return tuple(sorted(names, key=self._nearness.of))

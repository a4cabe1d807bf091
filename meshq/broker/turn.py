"""What the objects of one broker share while a turn goes on: time, settings, counters, what is still to do.

Inputs change state and mark what they touched; the broker's ``effects()`` ends the turn by running the
send rules of everything marked until nothing is. No rule lives here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meshq.broker.counters import Counters
from meshq.broker.effects import BreakSession, BrokerEffect, WantLink
from meshq.broker.ids import PublishIds
from meshq.broker.journal import Journal
from meshq.config import Config
from meshq.machine.timers import Timers
from meshq.names import LogId

if TYPE_CHECKING:
    from meshq.broker.channel import Channel
    from meshq.broker.cursor import Cursor
    from meshq.broker.giving import Giver
    from meshq.broker.loading import Loader
    from meshq.broker.log import Log
    from meshq.broker.receiver import Receiver
    from meshq.broker.retention import Retentions
    from meshq.broker.source import Source

WANT_AGAIN_S = 1.0
"""A link still wanted and still missing is asked for again this often."""


class Wanted:
    """Peers without a session that something waits for."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: dict[str, None] = {}


class Turn:
    """Shared by reference; every machine input sets ``now`` first."""

    __slots__ = (
        "budget_bytes",
        "channels",
        "config",
        "counters",
        "drained",
        "draining",
        "dying",
        "finishing",
        "giver",
        "ids",
        "journal",
        "loader",
        "memory_bytes",
        "moved",
        "now",
        "offset_ns",
        "out",
        "receivers",
        "retentions",
        "serial",
        "timers",
        "unchecked",
        "wanted",
    )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.now = 0.0
        self.counters = Counters()
        self.timers: Timers[Any] = Timers()
        self.out: list[BrokerEffect] = []
        self.journal = Journal(self)
        self.loader: Loader
        self.retentions: Retentions
        self.ids = PublishIds(self)
        self.budget_bytes = config.broker.memory_bytes_max
        """What messages may take in memory: above it they stay in the store, or are refused."""
        self.offset_ns = 0
        """What to add to ``now`` for the wall clock."""
        self.draining = False
        """The node is about to leave: it takes nothing over."""
        self.moved: dict[tuple[str, LogId], str] = {}
        """Logs that this start has handed over, by topic and name, and which node holds them now."""
        self.giver: Giver
        self.drained: dict[Log, None] = {}
        """Logs of earlier starts that may be empty now."""
        self.dying: dict[Cursor, None] = {}
        """Those with messages that are to become dead letters."""
        self.channels: dict[Channel, None] = {}
        """Channels whose send rules must run."""
        self.receivers: dict[Receiver, None] = {}
        self.finishing: dict[Source, None] = {}
        """Sources with finished spans to tell their origin."""
        self.unchecked: dict[Channel | Receiver, None] | None = None
        """What ran since the last ``check``, once there was one."""
        self.wanted = Wanted()
        self.memory_bytes = 0
        self.serial = 0

    def wall_ns(self, at: float) -> int:
        """The wall time of a moment of the monotonic clock."""
        return round(at * 1e9) + self.offset_ns

    def at(self, wall_ns: int) -> float:
        """The moment of the monotonic clock at that wall time; never 0.0, which means none."""
        return max(1e-9, (wall_ns - self.offset_ns) / 1e9)

    def want(self, peer: str) -> None:
        """Something waits for ``peer``, which has no session: ask for a link, again until there is one."""
        wanted = self.wanted
        if peer in wanted.names:
            return
        if not wanted.names:
            self.timers.arm(wanted, self.now + WANT_AGAIN_S)
        wanted.names[peer] = None
        self.counters.links_wanted += 1
        self.out.append(WantLink(peer))

    def note(self, one: Channel | Receiver) -> None:
        """Something of it changed since the last ``check``."""
        if self.unchecked is not None:
            self.unchecked[one] = None

    def accuse(self, peer: str, why: str) -> None:
        """``peer`` sent what no correct peer sends: its session must end."""
        self.counters.broken_rules += 1
        self.out.append(BreakSession(peer, why))

    def next_serial(self) -> int:
        """A number that was not given out before."""
        self.serial += 1
        return self.serial

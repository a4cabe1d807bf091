"""When a member reads what has arrived: at once, late and in order, or not before it wakes.

Decides the moment; what is read is the node's. Two delays, as two things delay: a starved process reads its socket
late, what it sent to itself included; a slow way to the host delays the others' packets only, so that nothing a node
does alone can tell. A process that stands still reads nothing, and its timers wait too.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple, TypeAlias

from meshq.machine.effects import Address
from meshq.sim.world import World

Span: TypeAlias = tuple[float, float]
"""The least and the longest, in seconds."""
NOT_LATE: Final[Span] = (0.0, 0.0)


class Arrived(NamedTuple):
    """A packet at a node: a datagram, or on the stream ``via``."""

    data: bytes
    source: Address
    via: int | None


class Inbox:
    """What has arrived at one node and is not read yet."""

    __slots__ = (
        "_held", "_last", "_last_of_others", "_read", "_rng", "_start", "_world", "lag_s", "path_lag_s", "paused",
    )  # fmt: skip

    def __init__(self, world: World, rng: Random, read: Callable[[Arrived], None]) -> None:
        self.lag_s = NOT_LATE
        """How late the process reads its socket; timers are on time."""
        self.path_lag_s = NOT_LATE
        """How late packets of others reach the socket."""
        self.paused = False
        self._world = world
        self._rng = rng
        self._read = read
        self._start = 0
        self._last = 0.0
        self._last_of_others = 0.0
        self._held: list[Arrived] = []

    def arrive(self, packet: Arrived, *, own: bool) -> None:
        """A packet is at the host; ``own``: the node sent it to itself."""
        now = at = self._world.now
        if not own:
            at = self._last_of_others = max(now + self._drawn(self.path_lag_s), self._last_of_others)
        if self.lag_s[1] or self._last > at:
            at = self._last = max(at + self._drawn(self.lag_s), self._last)
        if at > now:
            self._world.at(at, self._due, self._start, packet)
        else:
            self._due(self._start, packet)

    def wake(self) -> None:
        """The process goes on: what it missed is read now."""
        self.paused = False
        held, self._held = self._held, []
        for packet in held:
            self._due(self._start, packet)

    def clear(self) -> None:
        """The process is gone, and with it what it had not read."""
        self._start += 1
        self._last = self._last_of_others = 0.0
        self._held.clear()
        self.paused = False

    def _drawn(self, span: Span) -> float:
        return self._rng.uniform(*span) if span[1] else 0.0

    def _due(self, start: int, packet: Arrived) -> None:
        if start != self._start:
            return
        if self.paused:
            self._held.append(packet)
        else:
            self._read(packet)

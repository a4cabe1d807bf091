"""When this node probes whom: rounds that the mesh counts together, and begins together.

Decides when the next round begins, who is in turn in it, and when: each member has a place of its own within the
interval, by its name, at which whoever has its turn probes it. So its probes are an interval apart, though they come
from others each time; probes of the mesh as a whole are spread over the interval. Leaves to ``probe`` what becomes of a
probe, to ``roster`` the order. Own design; with shuffled rounds (the profiles ``memberlist`` and ``swim``) each node
counts for itself, and probes as its round begins.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from meshq.membership.view import TimerKey, View
from meshq.wire.gossip import ROUNDS

NEXT: Final[TimerKey] = ("probe", 0)
LEAST_SHARE: Final = 0.5
"""Of the interval: rounds do not follow each other sooner, whatever others say."""


def ahead(one: int, other: int) -> int:
    """How many rounds ``one`` comes after ``other``, both counted up to ROUNDS and on from 0; negative: before."""
    return (one - other + ROUNDS // 2) % ROUNDS - ROUNDS // 2


class Rounds:
    """The rounds of one node."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._even = view.settings.even_probes
        self._place_s = self._place(view.me.name)
        """When in each round this node itself is probed."""
        self._number = 0
        """The round that comes next ..."""
        self._begins = 0.0
        """... when it begins ..."""
        self._target: str | None = None
        """... and who is in turn in it."""
        self._least = 0.0
        """No round begins before."""

    def start(self, now: float) -> None:
        """Count from 1, from a random moment of the first interval on, so that nodes don't march in step."""
        self._least = now
        self._plan(now, 1, now + self._view.settings.probe_interval_s * self._view.rng.random())

    def next(self, now: float) -> tuple[str | None, bool]:
        """It is time to probe: whom, None when there is nobody, and whether its turn was planned: else it stands in for
        one who is gone, or came since. The round after this is planned.

        After a time in which this node stood still it counts from now, and does not make up for what it missed.
        """
        view, target = self._view, self._target
        interval_s = view.settings.probe_interval_s * view.health.stretch
        place_s = self._place(target)
        late = now - self._begins - place_s >= interval_s
        begins = self._begins if self._even and not late else now - place_s
        view.round = self._number
        planned = target in view.roster
        if not planned:
            target = view.roster.next(view.round)
        self._least = begins + LEAST_SHARE * view.settings.probe_interval_s
        self._plan(now, (view.round + 1) % ROUNDS, begins + interval_s)
        return target, planned

    def heard(self, now: float, number: int) -> None:
        """A member in that round of its own probes this node, whose place in it says when the round began.

        Who is behind follows: so all go by the one that is first. A packet that is late, or one that tells the round
        before, as pings out of turn do, says less and sets nobody back.
        """
        if not self._even:
            return
        lead = ahead(number, self._number)
        began = now - self._place_s
        begins = began if lead >= 0 else began - lead * self._view.settings.probe_interval_s
        if lead > 0 or begins < self._begins:
            self._plan(now, number if lead > 0 else self._number, max(begins, self._least))

    def _plan(self, now: float, number: int, begins: float) -> None:
        self._number, self._begins = number, begins
        self._target = self._view.roster.next(number) if self._even else None
        self._view.timers.arm(NEXT, max(now, begins + self._place(self._target)))

    def _place(self, name: str | None) -> float:
        """Seconds from the beginning of a round to the probe of that member."""
        if name is None or not self._even:
            return 0.0
        return crc32(name.encode()) / (1 << 32) * self._view.settings.probe_interval_s

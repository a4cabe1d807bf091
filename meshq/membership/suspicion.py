"""How long a suspected member has to refute.

Decides when a suspicion runs out; the clock and the verdict are ``view``'s. Source: Lifeguard (Dadgar et al.
2018), LHA-Suspicion; memberlist suspicion.go, state.go, util.go.
"""

from __future__ import annotations

from math import log, log10
from typing import NamedTuple

from meshq.config import MembershipConfig
from meshq.membership.digest import spread_s
from meshq.names import Epoch


class Bounds(NamedTuple):
    """The least and the longest time of a suspicion, in seconds."""

    min_s: float
    max_s: float

    def longer(self, by_s: float) -> Bounds:
        """The same with more time."""
        return Bounds(self.min_s + by_s, self.max_s + by_s)


def bounds(config: MembershipConfig, members: int) -> Bounds:
    """For a mesh of ``members``: suspicion_mult * max(1, log10 N) * probe_interval_s, and its multiple.

    Besides or in its place a multiple of the time in which gossip gets everywhere, and a rest: a longer probe interval
    gives no refutation a better chance. Source: memberlist util.go suspicionTimeout, state.go suspectNode.
    """
    probes_s = config.suspicion_mult * max(1.0, log10(max(1, members))) * config.probe_interval_s
    min_s = probes_s + config.suspicion_spreads * spread_s(config, members) + config.suspicion_rest_s
    return Bounds(min_s, config.suspicion_max_mult * min_s)


def confirmations_wanted(config: MembershipConfig, members: int) -> int:
    """How many accusers beside the first bring a suspicion to its least time; 0: it starts there.

    Source: memberlist state.go suspectNode (k = SuspicionMult - 2, 0 when N - 2 < k).
    """
    if config.suspicion_max_mult <= 1:
        return 0
    wanted = config.suspicion_mult - 2
    return 0 if members - 2 < wanted else max(0, wanted)


def timeout(confirmations: int, wanted: int, limits: Bounds) -> float:
    """Seconds a suspicion lasts, counted from its start, after so many confirmations.

    Falls from ``max_s`` to ``min_s`` with log(confirmations + 1) / log(wanted + 1).

    Source: Lifeguard, LHA-Suspicion; memberlist suspicion.go remainingSuspicionTime.
    """
    if wanted < 1:
        return limits.min_s
    share = log(confirmations + 1) / log(wanted + 1)
    return max(limits.min_s, limits.max_s - share * (limits.max_s - limits.min_s))


class Suspicion:
    """One suspicion of one incarnation: who accuses, and until when the member may refute.

    A refutation or an accusation of a higher incarnation ends it; the latter starts another.
    """

    __slots__ = ("accusers", "epoch", "incarnation", "limits", "started", "wanted")

    def __init__(self, now: float, epoch: Epoch, incarnation: int, by: str, wanted: int, limits: Bounds) -> None:
        self.started = now
        self.epoch = epoch
        self.incarnation = incarnation
        self.wanted = wanted
        self.limits = limits
        self.accusers = [by]

    def confirm(self, by: str) -> bool:
        """Count another accuser; False when it is known or no more are wanted (then nothing changes)."""
        if by in self.accusers or len(self.accusers) > self.wanted:
            return False
        self.accusers.append(by)
        return True

    def due(self) -> float:
        """When it runs out; may lie in the past."""
        return self.started + timeout(len(self.accusers) - 1, self.wanted, self.limits)

    def postpone(self, by_s: float) -> None:
        """Time in which this node itself stood still does not count."""
        self.started += by_s

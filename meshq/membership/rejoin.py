"""How a mesh that was cut in two becomes one again.

Decides when one of the remembered dead, or a seed, is tried: every rejoin interval by about one node of the whole mesh.
Without it a partition that outlasts the suspicion would never heal, as both sides probe the living only. Source:
Serf's reconnect to failed members, which throttles by the share of the failed; here by the number of the living.
"""

from __future__ import annotations

from typing import Final

from meshq.membership.joining import Joining
from meshq.membership.member import State
from meshq.membership.probe import Prober
from meshq.membership.repair import Repair
from meshq.membership.view import TimerKey, View

NEXT: Final[TimerKey] = ("rejoin", 0)


class Rejoin:
    """The attempts of one node to find who is missing."""

    def __init__(self, view: View, prober: Prober, repair: Repair, joining: Joining) -> None:
        self._view = view
        self._prober = prober
        self._repair = repair
        self._joining = joining
        self._tried = ""

    def start(self, now: float) -> None:
        """Begin at a random moment of the first interval."""
        view = self._view
        view.timers.arm(NEXT, now + view.settings.rejoin_interval_s * view.rng.random())

    def period(self, now: float) -> None:
        """Try somebody, unless it is another's turn.

        Of the dead rather one of the latest: the chance of the n-th last falls with n, so that many who are gone for
        good do not hide the few that a partition took.
        """
        view = self._view
        view.timers.arm(NEXT, now + view.settings.rejoin_interval_s)
        if not view.announced or not self._in_turn():
            return
        dead = [name for name in view.gone if view.members[name].state is State.DEAD]
        seeds = self._joining.seeds if self._joining.joined else []
        if dead and (not seeds or view.rng.random() < 0.5):
            self._try(now, dead[-int((len(dead) + 1) ** view.rng.random())])
        elif seeds:
            self._joining.contact(now, view.rng.choice(seeds))

    def _in_turn(self) -> bool:
        """By the rounds of probes, which the mesh counts together, one node after the other; else about one, by chance.

        By chance alone one interval in seven has nobody.
        """
        view, settings = self._view, self._view.settings
        if not settings.even_probes:
            return view.rng.random() * view.size < 1
        interval = int(view.round * settings.probe_interval_s / settings.rejoin_interval_s)
        return interval % view.size == view.roster.place

    def settled(self, now: float, name: str, answered: bool) -> None:
        """A dead member has answered after all: compare views with it."""
        if name != self._tried:
            return
        self._tried = ""
        member = self._view.members.get(name)
        if answered and member is not None:
            self._repair.ask(now, member)

    def _try(self, now: float, name: str) -> None:
        self._tried = name
        self._prober.ask(now, self._view.members[name], watched=True)

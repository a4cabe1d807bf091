"""Between the end of a suspicion and the death.

Decides when a suspicion that has run out becomes a death: once everything that has come was read, since the refutation
may be in it, and once a peer was asked whether the member is still suspect to it, since this node may be the one that
hears nothing. The first answer counts; without any, after some tries, the death stands. Where nobody else is to be
asked it stands at once.

Own design, tried first in a prototype (``docs/adr/0030``): false deaths are mostly declared by nodes that have not read
the refutation yet.
"""

from __future__ import annotations

from typing import Final

from meshq.membership.lag import Lag
from meshq.membership.member import Member, State
from meshq.membership.suspicion import Suspicion
from meshq.membership.view import View
from meshq.wire import gossip
from meshq.wire.gossip import Doubt

GROWTH: Final = 1.5
"""Each try waits so many times as long as the one before."""


class Trial:
    """One suspicion that has run out."""

    __slots__ = ("name", "number", "suspicion", "tries")

    def __init__(self, name: str, number: int, suspicion: Suspicion) -> None:
        self.name = name
        self.number = number
        self.suspicion = suspicion
        self.tries = 0


class Trials:
    """The suspicions that have run out at one node; at most one for each member."""

    def __init__(self, view: View, lag: Lag) -> None:
        self._view = view
        self._lag = lag
        self._open: dict[int, Trial] = {}

    def begin(self, now: float, name: str) -> None:
        """The suspicion of that member has run out."""
        suspicion = self._view.suspicions.get(name)
        if suspicion is not None:
            trial = Trial(name, self._view.number(), suspicion)
            self._lag.after_reading(now, lambda now: self._read(now, trial))

    def asked(self, now: float, packet: Doubt, asker: Member) -> None:
        """A member wants to know whether this node knows better."""
        view = self._view
        known = view.members.get(packet.name)
        rumours: list[bytes] = []
        if known is not None and (known.epoch, known.incarnation, known.state) > (
            packet.epoch, packet.incarnation, State.SUSPECT,
        ):  # fmt: skip
            rumours = [known.row if known.state is State.ALIVE else known.claim(view.me.name)]
        view.tell(asker.name, gossip.account(packet.number, view.me.name, rumours))

    def answered(self, now: float, number: int) -> None:
        """A peer has answered, and what it said is known: the death stands if the suspicion still does."""
        trial = self._open.get(number)
        if trial is not None:
            self._end(now, trial)

    def waited(self, now: float, number: int) -> None:
        """No answer so far: ask others."""
        trial = self._open.get(number)
        if trial is not None:
            self._ask(now, trial)

    def paused(self) -> None:
        """This node stood still: suspicions get that time back, and are tried again when it is over."""
        for number in self._open:
            self._view.timers.cancel(("trial", number))
        self._open.clear()

    def _read(self, now: float, trial: Trial) -> None:
        """Everything that had come is read."""
        if self._stands(trial) and trial.suspicion.due() <= now:
            self._open[trial.number] = trial
            self._ask(now, trial)

    def _ask(self, now: float, trial: Trial) -> None:
        view, settings = self._view, self._view.settings
        peers = view.roster.pick(settings.peers_asked, (trial.name,)) if trial.tries < settings.peer_tries else []
        if not peers or not self._stands(trial):
            self._end(now, trial)
            return
        wait_s = settings.peer_timeout_s * GROWTH**trial.tries
        trial.tries += 1
        suspicion = trial.suspicion
        packet = gossip.doubt(Doubt(trial.number, view.me.name, trial.name, suspicion.epoch, suspicion.incarnation))
        for name in peers:
            view.tell(name, packet)
        view.timers.arm(("trial", trial.number), now + wait_s)

    def _end(self, now: float, trial: Trial) -> None:
        self._open.pop(trial.number, None)
        self._view.timers.cancel(("trial", trial.number))
        if self._stands(trial):
            self._view.convict(now, trial.name)

    def _stands(self, trial: Trial) -> bool:
        return self._view.suspicions.get(trial.name) is trial.suspicion

"""The seed's side of a join: who gets the table, and whose name is taken.

Decides whether a joiner is welcome. A name held by a live member at another address is looked into first: only if that
member answers a probe is the joiner refused, so a restart at a new address gets in once its old self is known to be
gone, and one at the same address at once. A joiner hears how it was seen, and the latest epoch of its name.
Nothing is entered here: the joiner announces itself once it has its address and its epoch.
"""

from __future__ import annotations

from typing import Final

from meshq.machine.effects import Address, ReplyPacket
from meshq.membership.addresses import plain_host
from meshq.membership.member import Member, State
from meshq.membership.probe import Prober
from meshq.membership.tables import parts
from meshq.membership.view import View
from meshq.names import Epoch
from meshq.wire import gossip
from meshq.wire.gossip import Join, Refusal

CONTESTED_MAX: Final = 64
"""Joins that wait for a probe; beyond it the joiner gets no answer and asks again."""


class Admission:
    """The joins that one node answers."""

    def __init__(self, view: View, prober: Prober) -> None:
        self._view = view
        self._prober = prober
        self._contested: dict[str, tuple[Join, str, int]] = {}

    def asked(self, now: float, join: Join, source: Address, via: int) -> None:
        """Somebody at ``source`` wants to join, over the stream ``via``."""
        view = self._view
        if join.source == view.me.name:
            self._asked_by_namesake(now, join, source, via)
            return
        observed = plain_host(source[0])
        holder = view.members.get(join.source)
        if (holder is None or not holder.live) and view.size >= view.settings.members_max:
            self._refuse(join, "FULL", view.me.address, via)
        elif join.announced or holder is None or not _elsewhere(holder, join, observed) or self._accused(holder):
            self._welcome(join, observed, via)
        elif self._may_wait(join) and self._prober.ask(now, holder, watched=True):
            self._contested[join.source] = (join, observed, via)

    def settled(self, name: str, answered: bool) -> None:
        """The holder of a name has answered a probe, or not."""
        waiting = self._contested.pop(name, None)
        if waiting is None:
            return
        join, observed, via = waiting
        holder = self._view.members.get(name)
        if answered and holder is not None:
            self._refuse(join, "NAME", holder.address, via)
        else:
            self._welcome(join, observed, via)

    def paused(self) -> None:
        """This node stood still: nobody waits for these any more; who still wants to join asks again."""
        self._contested.clear()

    def _asked_by_namesake(self, now: float, join: Join, source: Address, via: int) -> None:
        view = self._view
        if join.epoch == view.me.epoch:
            self._refuse(join, "SELF", view.me.address, via)
        elif join.announced:  # whoever of both is the earlier one finds so in the other's table, and stops
            self._welcome(join, plain_host(source[0]), via)
        else:
            self._refuse(join, "NAME", view.me.address, via)

    def _may_wait(self, join: Join) -> bool:
        return len(self._contested) < CONTESTED_MAX or join.source in self._contested

    def _accused(self, holder: Member) -> bool:
        """Whether several hold the member for gone already."""
        suspicion = self._view.suspicions.get(holder.name)
        return suspicion is not None and len(suspicion.accusers) > 1

    def _welcome(self, join: Join, observed: str, via: int) -> None:
        view = self._view
        holder = view.members.get(join.source)
        highest = holder.epoch if holder is not None else Epoch(0, 0)
        live = (member for member in view.members.values() if member.live and view.tellable(member))
        for rows, last in parts(live):
            packet = gossip.welcome(join.number, view.me.name, observed, highest, last, rows)
            view.out.append(ReplyPacket(via, packet))

    def _refuse(self, join: Join, code: str, holder: Address, via: int) -> None:
        view = self._view
        packet = Refusal(join.number, view.me.name, code, *holder)
        view.out.append(ReplyPacket(via, gossip.refusal(packet)))


def _elsewhere(holder: Member, join: Join, observed: str) -> bool:
    """Whether a live member of the joiner's name is held at another address, by another start of it."""
    if not holder.live or holder.state is State.LEFT or holder.epoch == join.epoch:
        return False
    return holder.address not in ((join.host, join.port), (observed, join.port))

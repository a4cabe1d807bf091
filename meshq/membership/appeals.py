"""Who is said to be dead over a working link is asked over it first.

Decides when a death has to wait for the accused: a link to it delivered bytes in the last second, so one ping goes over
that link, with the accusation, and half a second passes. An answer ends the matter here (the accused has heard and
refutes, which ends it everywhere); silence lets the death stand. Whether a link delivered is the engine's to know.

Own design (DESIGN, "Verdicts"): closing a link gives its leases back, and one wrong rumour would do so at every node.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from meshq.machine.effects import StreamPacket
from meshq.membership.member import Member
from meshq.membership.view import View
from meshq.wire import gossip
from meshq.wire.gossip import Claim

FRESH_S: Final = 1.0
ANSWER_S: Final = 0.5
OPEN_MAX: Final = 256
"""Deaths that wait at a time; beyond it they stand at once."""


class Appeals:
    """The deaths that wait for an answer at one node."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._waiting: dict[str, tuple[Claim, int]] = {}
        self._numbers: dict[int, str] = {}
        self.heard_at: Callable[[str], float] = lambda _: -inf
        """When the link to a member last delivered bytes."""

    def waits(self, now: float, member: Member, death: Claim) -> bool:
        """Whether this death has to wait; asks the accused if nobody has yet."""
        if member.name in self._waiting:
            before, number = self._waiting[member.name]
            if death.incarnation > before.incarnation:
                self._waiting[member.name] = (death, number)
            return True
        if now - self.heard_at(member.name) > FRESH_S or len(self._waiting) >= OPEN_MAX:
            return False
        self._ask(now, member, death)
        return True

    def answered(self, number: int) -> bool:
        """Whether this ack answers for an accused, who lives then."""
        name = self._numbers.pop(number, None)
        if name is None:
            return False
        del self._waiting[name]
        self._view.timers.cancel(("appeal", name))
        return True

    def waited(self, now: float, name: str) -> None:
        """No answer: the death stands, unless something later became known meanwhile."""
        death, number = self._waiting.pop(name)
        del self._numbers[number]
        self._view.believe(now, death)

    def _ask(self, now: float, member: Member, death: Claim) -> None:
        view = self._view
        number = view.number()
        self._waiting[member.name], self._numbers[number] = (death, number), member.name
        view.counters.appeals += 1
        rumours = [gossip.encode_claim(death)]
        digest = view.digest.value(now)
        ping = gossip.ping(number, view.me.name, member.name, digest, member.head.version, view.round_before, rumours)
        view.out.append(StreamPacket(member.address, ping))
        view.timers.arm(("appeal", member.name), now + ANSWER_S)

"""Views that differ are compared over a stream, and both sides take what they lack.

Decides when to compare (two digests in a row that differ, at most once a second; now and then with anybody) and what
goes over: the hashes of 64 buckets of names first, then the records of the buckets that differ.

    asker                                other
      | -- Ask(64 hashes) ----------------> |   compares with its own
      | <------- Answer(rows) in parts ---- |   its rows in the buckets that differ, gone members too
      | -- Rows ---------------------------> |  where the asker is ahead, and what the other lacks

Source: anti-entropy as in memberlist's push-pull (state.go pushPull, util.go pushPullScale), with Dynamo-like
buckets in place of the whole table.
"""

from __future__ import annotations

from math import ceil, log2
from typing import Final

from meshq.config import MembershipConfig
from meshq.machine.effects import ReplyPacket, StreamPacket
from meshq.membership.member import Member
from meshq.membership.tables import Reading, hand_over, parts
from meshq.membership.view import TimerKey, View
from meshq.wire import gossip
from meshq.wire.gossip import BUCKETS

PERIOD: Final[TimerKey] = ("repair", 0)
OPEN_MAX: Final = 16
"""Exchanges under way at once; the oldest is given up for another."""
QUIET_S: Final = 1.0
"""Differing digests start at most one exchange in this time."""
ALL_BUCKETS: Final = (1 << BUCKETS) - 1


def period_s(config: MembershipConfig, members: int) -> float:
    """Seconds between exchanges without an occasion: longer in a large mesh.

    Source: memberlist util.go pushPullScale: up to 32 nodes the base, then base * (ceil(log2 N - log2 32) + 1).
    """
    if members <= 32:
        return config.repair_interval_s
    return config.repair_interval_s * (ceil(log2(members) - 5) + 1)


class Repair:
    """The exchanges of one node, as asker and as the other."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._open: dict[int, Reading] = {}
        self._in_a_row = 0
        self._differing: dict[str, None] = {}
        """Members whose last digest was not ours."""
        self._last = -QUIET_S

    def start(self, now: float) -> None:
        """Begin the exchanges without occasion, at a random moment of the first period."""
        view = self._view
        if view.settings.repair_interval_s:
            view.timers.arm(PERIOD, now + period_s(view.settings, view.size) * (0.5 + view.rng.random()))

    def period(self, now: float) -> None:
        """It is time for an exchange with anybody."""
        view = self._view
        view.timers.arm(PERIOD, now + period_s(view.settings, view.size))
        for name in view.roster.pick(1, ()):
            self.ask(now, view.members[name])

    def compare(self, now: float, digest: int, member: Member) -> None:
        """A member told the digest of its view with an ack.

        Two that differ in a row start an exchange, be it two of this member (its view is off) or of any two (ours is).
        """
        view = self._view
        if view.digest.agrees(now, digest, view.settle_s()):
            self._in_a_row = 0
            self._differing.pop(member.name, None)
            return
        view.counters.mismatches += 1
        self._in_a_row += 1
        again = self._in_a_row >= 2 or member.name in self._differing
        self._differing[member.name] = None
        if again and now - self._last >= QUIET_S and member.live:
            self._in_a_row = 0
            self._differing.clear()
            self.ask(now, member)

    def ask(self, now: float, member: Member) -> None:
        """Begin an exchange with this member."""
        view = self._view
        number = view.number()
        self._last = now
        if len(self._open) >= OPEN_MAX:
            self._end(next(iter(self._open)))
        self._open[number] = Reading(member.name)
        view.counters.repairs += 1
        view.timers.arm(("exchange", number), now + view.settings.exchange_timeout_s)
        view.out.append(StreamPacket(member.address, gossip.ask(number, view.me.name, view.digest.buckets)))

    def asked(self, now: float, packet: gossip.Ask, via: int) -> None:
        """Another one's hashes: answer with what we hold where they differ."""
        view = self._view
        differing = view.digest.differing(packet.buckets)
        members = (m for m in view.members.values() if differing >> m.bucket & 1 and view.tellable(m))
        for rows, last in parts(members):
            view.out.append(ReplyPacket(via, gossip.answer(packet.number, view.me.name, differing, last, rows)))

    def answered(self, now: float, packet: gossip.Answer, via: int) -> None:
        """What the other holds where we differ; nothing unless we asked for it."""
        reading = self._open.get(packet.number)
        if reading is None or reading.peer != packet.source:
            return
        reading.take(now, self._view, packet.records, packet.source)
        if packet.last:
            self._end(packet.number)
            hand_over(self._view, via, reading.answer(self._view, packet.differing))

    def waited(self, number: int) -> None:
        """No answer in time."""
        self._end(number)

    def _end(self, number: int) -> None:
        self._open.pop(number, None)
        self._view.timers.cancel(("exchange", number))

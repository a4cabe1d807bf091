"""What this node found out about the way to each member, beside the address that it is known by.

Decides which other hosts are a member's as well (a host has several addresses, and packets leave by the one that the
route picks), how long an answer takes, and to whom no datagrams come through while streams do: gossip to those goes
over streams, and people are told, in one line for all of them and not again for a while. What is known of a start of a
member is forgotten with it; at most one account is kept for each member known.

Which hosts are believed, and why: ADR 0036. Source of the smoothing: RFC 6298, section 2.
"""

from __future__ import annotations

from math import inf
from typing import Final

from meshq.machine.events import Trouble
from meshq.membership.addresses import plain_host
from meshq.membership.member import Member
from meshq.membership.probe import Probe
from meshq.membership.view import TimerKey, View
from meshq.names import Epoch

SAY: Final[TimerKey] = ("datagrams", 0)
HOSTS_MAX: Final = 4
"""Other hosts of one member; the one seen longest ago goes first."""
STREAMED_MAX: Final = 4
"""Probes of one member in a row that only a stream answered: then no datagrams come through to it."""
STREAMED_ALL_MAX: Final = 6
"""Probes of anybody in a row that only a stream answered: then it is so for every member of whom one was."""
SAY_AFTER_S: Final = 5.0
"""Where one is cut off the others often are: so long the line waits for them."""
SAY_EVERY_S: Final = 30.0
NAMED_MAX: Final = 3
"""Members named in the line; the rest is counted."""
_NEW_SHARE: Final = 1 / 8


class Path:
    """The way to one start of one member."""

    __slots__ = ("answered_at", "epoch", "hosts", "rtt_s", "streamed")

    def __init__(self, epoch: Epoch) -> None:
        self.epoch = epoch
        self.hosts: tuple[str, ...] = ()
        """Where it was seen beside its address, latest first."""
        self.rtt_s: float | None = None
        """From a ping to its ack, smoothed; None before the first answer by datagram."""
        self.answered_at = -inf
        """When it last answered a probe, by whatever way."""
        self.streamed = 0
        """Probes in a row that only a stream answered."""


class Paths:
    """The ways from one node to the others."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._paths: dict[str, Path] = {}
        self._streamed = 0
        """Probes in a row, of anybody, that only a stream answered."""
        self._said_at = -inf
        self._said = False
        """Whether people were told last that datagrams don't come through to somebody."""

    def find(self, member: Member) -> Path | None:
        """What is known of the way to this start of a member."""
        path = self._paths.get(member.name)
        return path if path is not None and path.epoch == member.epoch else None

    def leads_to(self, member: Member, host: str) -> bool:
        """Whether a packet in the member's name that comes from ``host`` is its own."""
        if member.address[0] == host:
            return True
        plain, path = plain_host(host), self.find(member)
        return member.address[0] == plain or (path is not None and plain in path.hosts)

    def shown(self, member: Member, host: str) -> None:
        """The member proved that it is at ``host``: over a stream, or by an answer that nobody else could give."""
        if host == member.address[0]:
            return
        host = plain_host(host)
        if host and host != member.address[0]:
            path = self._of(member)
            path.hosts = (host, *(other for other in path.hosts if other != host))[:HOSTS_MAX]

    def answered(self, now: float, probe: Probe, host: str, via: int | None, by: str) -> None:
        """A probe was answered from ``host`` by the member itself, or by a relay."""
        member = self._view.members.get(probe.member.name)
        if member is None or member.epoch != probe.member.epoch:
            return
        path = self._of(member)
        path.answered_at = now
        if by != member.name:
            return
        if via is not None:
            path.streamed += 1
            self._streamed += 1
        else:
            path.streamed = self._streamed = 0
            if not probe.rounds:  # no relay knows the number yet: whoever has it got it at the member's address
                self.shown(member, host)
                took_s = now - probe.sent_at
                path.rtt_s = took_s if path.rtt_s is None else path.rtt_s + _NEW_SHARE * (took_s - path.rtt_s)
        if self._streamed == STREAMED_ALL_MAX:
            for name, other in self._paths.items():
                self._judge(now, name, blocked=other.streamed > 0)
        else:
            least = 1 if self._streamed > STREAMED_ALL_MAX else STREAMED_MAX
            self._judge(now, member.name, blocked=path.streamed >= least)

    def say(self, now: float) -> None:
        """Tell people how it stands with datagrams, if that is news."""
        view = self._view
        members = view.members
        view.blocked = {name: None for name in view.blocked if name in members and members[name].live}
        self._said_at = now
        if bool(view.blocked) == self._said:
            return
        self._said = bool(view.blocked)
        if self._said:
            way = "pings and gossip go over streams (TCP)"
            view.emit(Trouble(f"no datagrams (UDP) come through to {self._named()}: {way}"))
        else:
            view.emit(Trouble("datagrams (UDP) come through again to all members that answer"))

    def _judge(self, now: float, name: str, *, blocked: bool) -> None:
        view = self._view
        if blocked == (name in view.blocked):
            return
        if blocked:
            view.blocked[name] = None
        else:
            del view.blocked[name]
        if SAY not in view.timers:
            view.timers.arm(SAY, max(now + SAY_AFTER_S, self._said_at + SAY_EVERY_S))

    def _named(self) -> str:
        blocked = list(self._view.blocked)
        more = len(blocked) - NAMED_MAX
        if 1 < len(blocked) == len(self._view.roster):
            return f"any of the {len(blocked)} other members"
        named = ", ".join(blocked[:NAMED_MAX])
        return f"{named} and {more} more" if more > 0 else named

    def _of(self, member: Member) -> Path:
        path = self.find(member)
        if path is None:
            if len(self._paths) > len(self._view.members):
                self._paths = {name: kept for name, kept in self._paths.items() if name in self._view.members}
            path = self._paths[member.name] = Path(member.epoch)
        return path

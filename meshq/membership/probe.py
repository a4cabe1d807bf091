"""Asking members one after the other whether they are there.

Decides whom to ask, by which ways (directly; then through relays and over a stream at once), how often, and when no
answer counts as a failure; the verdict is ``view``'s. Source: SWIM, sections 3.1 and 4.3; Lifeguard, LHA-Probe and the
buddy system; memberlist state.go probeNode. Departures: a round never waits for the one before; both waits are
stretched by local health, as the paper says; where the settings ask for it, several shots are sent while no answer has
come, and a failure wants a relay that gave a sign of life.
"""

from __future__ import annotations

from math import inf
from typing import Final

from meshq.machine.effects import Address, StreamPacket
from meshq.membership.lag import Lag
from meshq.membership.member import Member, State
from meshq.membership.rounds import Rounds
from meshq.membership.view import View
from meshq.wire import gossip

OPEN_MAX: Final = 256
"""Probes under way at once; beyond it no more are begun outside the rounds."""
MISSED_MAX: Final = 64
"""Failed probes of which a late answer is still looked for."""
_PING_BYTES: Final = 176
"""What a ping or an ack has at most without its rumours."""


class Probe:
    """One question to one member, until it is answered or nobody waits any longer.

    First it is asked directly (``asked`` is empty), then through relays, perhaps through others once more.
    """

    __slots__ = (
        "asked", "judge", "left", "member", "nacks", "number", "round", "rounds", "sent_at", "step_s", "stretch",
        "watched",
    )  # fmt: skip

    def __init__(self, number: int, member: Member, sent_at: float, stretch: int, round_: int) -> None:
        self.number = number
        self.member = member
        self.sent_at = sent_at
        self.stretch = stretch
        """What its waits are multiplied by: local health as it was when it began."""
        self.round = round_
        """What its pings tell of this node's rounds."""
        self.judge = False
        """Whether a failure counts against the member."""
        self.watched = False
        """Whether somebody wants to know the outcome (``Prober.settled``)."""
        self.rounds = 0
        """Rounds of relays begun; 0 while only direct pings are out."""
        self.asked: list[str] = []
        """Relays of all rounds."""
        self.nacks: list[str] = []
        self.left = 0
        """Shots to come before the wait is over."""
        self.step_s = 0.0
        """Time between them."""


class Prober:
    """The probes of one node."""

    def __init__(self, view: View, lag: Lag) -> None:
        self._view = view
        self._lag = lag
        self.rounds = Rounds(view)
        self._open: dict[int, Probe] = {}
        self._by_name: dict[str, int] = {}
        self._missed: dict[int, Probe] = {}
        """Probes that failed: a late answer still tells how late."""
        self.settled: list[tuple[str, bool]] = []
        """Members asked by ``ask`` and whether they answered, for the caller to take."""

    def round(self, now: float) -> None:
        """Probe who is in turn; the next round comes an interval later, whatever becomes of this one."""
        view = self._view
        name, in_turn = self.rounds.next(now)
        if not view.announced:
            return
        if view.grace_until == inf:
            view.grace_until = now + view.settings.grace_s
        if name is not None:
            self.ask(now, view.members[name], judge=True, in_turn=in_turn)
        every = view.settings.extra_probe_every
        if every and (view.round + view.me.bucket) % every == 0:
            for other in view.roster.pick(1, ()):
                self.ask(now, view.members[other], judge=True)

    def ask(
        self, now: float, member: Member, *, judge: bool = False, watched: bool = False, in_turn: bool = False
    ) -> bool:
        """Probe this member, or join the probe that is under way; False when too many are.

        With ``judge`` a failure is held against it; with ``watched`` the outcome is put into ``settled``; ``in_turn``:
        its pings tell the round that has begun (see ``rounds``).
        """
        number = self._by_name.get(member.name)
        if number is None:
            number = self._begin(now, member, self._view.round if in_turn else self._view.round_before)
        probe = self._open.get(number)
        if probe is not None:
            probe.judge |= judge
            probe.watched |= watched
        return probe is not None

    def _begin(self, now: float, member: Member, round_: int) -> int:
        view = self._view
        number = view.number()
        if len(self._open) >= OPEN_MAX or number in self._open:
            return -1
        probe = Probe(number, member, now, view.health.stretch, round_)
        self._open[number] = probe
        self._by_name[member.name] = probe.number
        view.counters.probes += 1
        self._shoot(now, probe)
        self._pace(now, probe, view.settings.probe_timeout_s, view.settings.probe_shots)
        return number

    def _shoot(self, now: float, probe: Probe) -> None:
        """A direct ping, or one more."""
        member = self._view.members.get(probe.member.name, probe.member)
        self._view.send(member.address, self.ping(now, member, probe.number, probe.round))

    def _pace(self, now: float, probe: Probe, wait_s: float, shots: int) -> None:
        """Wait so long, with this many shots in it of which the first has left.

        What the member says of its lateness comes on top, and what this node knows of its own.
        """
        member = self._view.members.get(probe.member.name, probe.member)
        graced = now if probe.rounds else inf  # a newcomer's grace must not keep it from trying other ways
        late_s = self._view.allowance_s(graced, member) + self._lag.now_s(now)
        probe.left = shots - 1
        probe.step_s = (wait_s * probe.stretch + late_s) / shots
        self._view.timers.arm(("wait", probe.number), now + probe.step_s)

    def ping(self, now: float, member: Member, number: int, round_: int) -> bytes:
        """A ping with rumours; whoever is accused hears of it first (Lifeguard's buddy system)."""
        view = self._view
        if member.state is State.ALIVE or not view.settings.buddy:
            rumours = view.piggyback(_PING_BYTES)
        else:
            claim = member.claim(view.me.name)
            rumours = [claim, *view.piggyback(_PING_BYTES + len(claim))]
        return gossip.ping(
            number, view.me.name, member.name, view.digest.value(now), member.head.version, round_, rumours
        )

    def waited(self, now: float, number: int) -> None:
        """It is time for another shot of a probe, or for more relays, or its wait is over."""
        probe = self._open.get(number)
        if probe is None:
            return
        if probe.left:
            probe.left -= 1
            self._again(now, probe)
            self._view.timers.arm(("wait", number), now + probe.step_s)
        elif not probe.rounds or self._unheard(probe):
            self._widen(now, probe)
        elif probe.asked and len(probe.nacks) < self._view.settings.nacks_needed:
            self._lag.after_answer(now, lambda now: self._over(now, probe))
        else:
            self._lag.after_reading(now, lambda now: self._over(now, probe))

    def _over(self, now: float, probe: Probe) -> None:
        """Nobody waits any longer, and what has come was read."""
        if self._open.get(probe.number) is probe:
            self._close(probe)
            self._missed[probe.number] = probe
            if len(self._missed) > MISSED_MAX:
                del self._missed[next(iter(self._missed))]
            self._failed(now, probe)

    def sent_at(self, number: int, name: str) -> float | None:
        """When the probe of that number was sent, if it asked ``name``, which does not call itself slow."""
        probe = self._open.get(number) or self._missed.pop(number, None)
        member = self._view.members.get(name)
        if probe is None or member is None or probe.member.name != name or member.lag_ms:
            return None
        return probe.sent_at

    def acked(self, number: int) -> Probe | None:
        """An answer came, from the member or by a relay or stream; None when nobody asked (any more)."""
        probe = self._open.get(number)
        if probe is not None:
            self._close(probe)
            self._view.health.answered()
            if probe.watched:
                self.settled.append((probe.member.name, True))
        return probe

    def nacked(self, number: int, relay: str) -> None:
        """A relay is well and hears nothing from the member either."""
        probe = self._open.get(number)
        if probe is not None and relay in probe.asked and relay not in probe.nacks:
            probe.nacks.append(relay)

    def heard(self, name: str) -> None:
        """The member was heard from by other means, which answers a probe that is under way."""
        number = self._by_name.get(name)
        if number is not None:
            self.acked(number)

    def paused(self) -> None:
        """This node stood still: what was not answered meanwhile says nothing about anybody."""
        for probe in list(self._open.values()):
            self._close(probe)

    def _unheard(self, probe: Probe) -> bool:
        """Whether too few relays gave a sign of life, and there are others to ask."""
        view = self._view
        few = len(probe.nacks) < view.settings.nacks_needed
        return few and bool(probe.asked) and probe.rounds == 1 and len(view.roster) > 1 + len(probe.asked)

    def _widen(self, now: float, probe: Probe) -> None:
        """No answer: ask relays, and the member itself over a stream, all at once."""
        view, settings = self._view, self._view.settings
        probe.rounds += 1
        relays = view.roster.pick(settings.relays, (probe.member.name, *probe.asked))
        probe.asked = [*probe.asked, *relays]
        self._pace(now, probe, settings.relay_timeout_s, settings.relay_copies)
        self._again(now, probe)
        if settings.stream_probe and probe.rounds == 1:
            member = view.members.get(probe.member.name, probe.member)
            view.out.append(StreamPacket(member.address, self.ping(now, member, probe.number, probe.round)))

    def _again(self, now: float, probe: Probe) -> None:
        """A shot of the wait that is under way."""
        if not probe.rounds or self._view.settings.relay_shots:
            self._shoot(now, probe)
        if probe.rounds:
            self._ask_relays(probe)

    def _ask_relays(self, probe: Probe) -> None:
        """Those of this round; each hears how long it is still waited for."""
        view = self._view
        wait_ms = max(1, int((probe.left + 1) * probe.step_s * 1000))
        for name in probe.asked[(probe.rounds - 1) * view.settings.relays :]:
            relay = view.members.get(name)
            if relay is not None:
                rumours = view.piggyback(_PING_BYTES)
                packet = gossip.ping_req(probe.number, view.me.name, probe.member.name, wait_ms, rumours)
                view.send(relay.address, packet)

    def _failed(self, now: float, probe: Probe) -> None:
        """The round is over without an answer."""
        view = self._view
        if probe.watched:
            self.settled.append((probe.member.name, False))
        if not probe.judge:
            return
        view.counters.probes_failed += 1
        view.health.failed(len(probe.asked), len(probe.nacks))
        member = view.members.get(probe.member.name)
        if member is None or not member.live or member.epoch != probe.member.epoch:
            return
        if member.incarnation == probe.member.incarnation or member.state is State.SUSPECT:
            view.accuse(now, member)
            view.second(member.name, probe.nacks)

    def _close(self, probe: Probe) -> None:
        del self._open[probe.number]
        del self._by_name[probe.member.name]
        self._view.timers.cancel(("wait", probe.number))


class Relays:
    """Pings that this node sends for others. Source: SWIM, section 3.1; Lifeguard's nacks.

    Departure from memberlist: the nack goes out after 0.8 of what the asker still waits, so that it comes in time.
    """

    OPEN_MAX: Final = 256
    NACK_SHARE: Final = 0.8
    WAIT_MS_MAX: Final = 15_000
    """Longer than a member that calls itself slow is waited for: nobody holds a place here longer."""

    def __init__(self, view: View, prober: Prober) -> None:
        self._view = view
        self._prober = prober
        self._open: dict[int, tuple[Address, int, float]] = {}
        self._numbers: dict[tuple[Address, int], int] = {}
        """Ours, by asker and its number."""

    def relay(self, now: float, request: gossip.PingReq, asker: Address) -> None:
        """Ping a member for another one, once more for each copy of the request; only members may ask, for members."""
        view = self._view
        target = view.members.get(request.target)
        if target is None or target is view.me:
            return
        number = self._numbers.get((asker, request.number))
        if number is None:
            number = self._begin(now, request, asker)
        if number in self._open:
            view.send(target.address, self._prober.ping(now, target, number, view.round_before))

    def _begin(self, now: float, request: gossip.PingReq, asker: Address) -> int:
        view = self._view
        number = view.number()
        if len(self._open) < self.OPEN_MAX and number not in self._open:
            wait_s = min(request.wait_ms, self.WAIT_MS_MAX) / 1000
            self._open[number] = (asker, request.number, now + wait_s)
            self._numbers[asker, request.number] = number
            view.counters.relayed += 1
            view.timers.arm(("nack", number), now + self.NACK_SHARE * wait_s)
        return number

    def acked(self, now: float, number: int) -> bool:
        """The member answered: tell who asked."""
        view = self._view
        if number not in self._open:
            return False
        view.timers.cancel(("nack", number))
        asker, theirs, _ = self._end(number)
        packet = gossip.ack(theirs, view.me.name, view.digest.value(now), view.piggyback(_PING_BYTES))
        view.send(asker, packet)
        return True

    def waited(self, now: float, number: int) -> None:
        """The member has not answered so far: say so; a late answer is still passed on while somebody waits."""
        if number not in self._open:
            return
        asker, theirs, until = self._open[number]
        if now >= until:
            self._end(number)
            return
        settings = self._view.settings
        for _ in range(settings.relay_copies if settings.nacks else 0):
            self._view.send(asker, gossip.nack(theirs, self._view.me.name))
        self._view.timers.arm(("nack", number), until)

    def paused(self) -> None:
        """This node stood still: nobody waits for these any more."""
        for number in list(self._open):
            self._view.timers.cancel(("nack", number))
        self._open.clear()
        self._numbers.clear()

    def _end(self, number: int) -> tuple[Address, int, float]:
        asker, theirs, until = self._open.pop(number)
        del self._numbers[asker, theirs]
        return asker, theirs, until

"""Who is in the mesh: SWIM with Lifeguard and repair, as one machine.

Composition: hands packets and deadlines to the parts, and decides who counts as a member among senders. A packet from
anybody else changes nothing and is answered at most by a plain ack no longer than itself, except on a stream, whose
other end has shown where it is: there tables are exchanged.

    view        what is known, and what follows from what is heard     suspicion, digest, rumours, roster, health
    lag         how late this node reads                               trials     from suspicion to death
    probe       asking members in turn; asking for others              rejoin     the dead and the seeds, now and then
    joining     the way in, as joiner                                  admission  ... as seed
    repair      comparing views                                        tables     rows on streams
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from meshq.config import Config
from meshq.machine.effects import Address, ReplyPacket
from meshq.machine.events import Trouble
from meshq.machine.rng import Rng
from meshq.machine.timers import Timers
from meshq.membership.admission import Admission
from meshq.membership.appeals import Appeals
from meshq.membership.counters import Counters
from meshq.membership.joining import Joining
from meshq.membership.lag import Lag
from meshq.membership.member import Member, State
from meshq.membership.paths import Paths
from meshq.membership.probe import Prober, Relays
from meshq.membership.rejoin import Rejoin
from meshq.membership.repair import Repair
from meshq.membership.rumours import Kind
from meshq.membership.tables import hand_over, merge
from meshq.membership.trials import Trials
from meshq.membership.view import Effect, TimerKey, View
from meshq.names import Epoch
from meshq.wire import gossip
from meshq.wire.gossip import Head, News, Rumour

PAUSE_S: Final = 1.0
"""A deadline served later than this is a pause of this node itself."""
TOLD_S: Final = 3.0
"""A longer pause is told of: others may have held this node dead meanwhile."""
GOODBYES: Final = 8
"""Members told at once of a leave, twice as nobody may be left to repeat it; the rest hears by rumour."""
_ACK_BYTES: Final = 176
_LONG_DIGEST: Final = 1 << 32
"""A digest of at least this takes nine bytes, as many as any."""


class Membership:
    """One node's membership. ``members`` holds this node too; ``alive`` leaves it out."""

    def __init__(
        self,
        config: Config,
        epoch: Epoch,
        rng: Rng,
        *,
        bound: Address,
        advertised: Address | None,
        seeds_named: int | None = None,
    ) -> None:
        """``seeds_named``: so many of the seeds, the first ones, somebody has named; None: all.

        The others are where members were in an earlier start of this node.
        """
        self._view = View(config, epoch, rng, advertised or bound)
        self._lag = Lag(self._view)
        self._trials = Trials(self._view, self._lag)
        self._prober = Prober(self._view, self._lag)
        self._paths = Paths(self._view)
        self._relays = Relays(self._view, self._prober)
        self._appeals = Appeals(self._view)
        self._view.appeal = self._appeals.waits
        self._repair = Repair(self._view)
        self._admission = Admission(self._view, self._prober)
        self._joining = Joining(self._view, bound=bound, advertised=advertised, named=seeds_named)
        self._rejoin = Rejoin(self._view, self._prober, self._repair, self._joining)
        self._timers: dict[str, Callable[[float, Any], None]] = {
            "probe": lambda now, _: self._prober.round(now),
            "wait": self._prober.waited,
            "nack": self._relays.waited,
            "gossip": lambda now, _: self._view.gossip(now),
            "suspicion": self._trials.begin,
            "trial": self._trials.waited,
            "loop": lambda now, _: self._lag.period(now),
            "barrier": lambda now, _: self._lag.waited(now),
            "answer": lambda now, _: self._lag.unanswered(now),
            "appeal": self._appeals.waited,
            "repair": lambda now, _: self._repair.period(now),
            "exchange": lambda _, number: self._repair.waited(number),
            "alone": lambda now, _: self._joining.waited(now),
            "seed": self._joining.seed_waited,
            "rejoin": lambda now, _: self._rejoin.period(now),
            "datagrams": lambda now, _: self._paths.say(now),
        }
        self._packets: dict[type[Any], Callable[[float, Any, Address, int | None], None]] = {
            gossip.Ping: self._ping,
            gossip.Ack: self._ack,
            gossip.PingReq: self._ping_req,
            gossip.Nack: self._nack,
            gossip.Gossip: self._gossip,
            gossip.Join: self._join,
            gossip.Welcome: self._welcome,
            gossip.Refusal: self._refusal,
            gossip.Ask: self._ask,
            gossip.Answer: self._answer,
            gossip.Rows: self._rows,
            gossip.Loop: self._loop,
            gossip.Doubt: self._doubt,
            gossip.Account: self._account,
        }

    # What others may look at.

    @property
    def me(self) -> Member:
        """This node's own record."""
        return self._view.me

    @property
    def members(self) -> dict[str, Member]:
        """Everybody known by name, this node, the dead and the left included; not to be changed."""
        return self._view.members

    @property
    def joined(self) -> bool:
        """A seed has answered with its table."""
        return self._joining.joined

    @property
    def alone(self) -> bool:
        """No seed has answered, or there is none: the node serves on its own."""
        return self._joining.alone

    @property
    def counters(self) -> Counters:
        """What was counted since the start."""
        return self._view.counters

    @property
    def health(self) -> int:
        """Local health: 0 is well."""
        return self._view.health.score

    @property
    def goodbye(self) -> bytes:
        """The packet in which this node, having left, says so."""
        return gossip.gossip(self.me.name, [self.me.claim(self.me.name)])

    def alive(self) -> list[Member]:
        """The other members held alive or suspect."""
        return self._view.live()

    def digest(self) -> int:
        """64 bits that are equal at members whose views of the living are."""
        return self._view.digest.raw

    # Inputs.

    def start(self, now: float) -> None:
        """Begin: ask the seeds, if there are any and nobody is known yet."""
        self._joining.start(now)
        self._lag.start(now)
        self._prober.rounds.start(now)
        self._repair.start(now)
        self._rejoin.start(now)

    def prefill(self, now: float, members: Iterable[Member]) -> None:
        """Start knowing all these (this node may be among them), without a join and without events.

        The members are shared, not copied: nodes of one simulation may be given the same ones.
        """
        known = {member.name: member for member in members}
        own = self._view
        known[own.me.name] = own.me
        names = list(known)
        own.members = known
        own.roster.fill(names, dict(zip(names, range(len(names)), strict=True)))
        own.roster.remove(own.me.name)
        own.digest.load(known.values())
        own.announced = True
        self._joining.finish(now)

    def packet(self, now: float, packet: bytes | list[Any], source: Address, via: int | None) -> None:
        """A packet of kinds 1 to 31 came, as a datagram or on the stream ``via``.

        Raises RemoteProtocolError for a malformed one, which has changed nothing then.
        """
        decoded = gossip.decode(packet)
        if self._view.over:
            return
        self._view.counters.packets += 1
        if decoded is None:
            self._view.counters.unknown += 1
            return
        self._packets[type(decoded)](now, decoded, source, via)
        if via is not None:
            self._shown(decoded.source, source)
        if self._prober.settled:
            self._settle(now)

    def resolved(self, now: float, query: int, addresses: list[Address]) -> None:
        """The addresses of a seed's name; none when it has none."""
        if not self._view.over:
            self._joining.resolved(now, query, addresses)

    def tick(self, now: float) -> None:
        """Run what is due. Much later than due means that this node stood still."""
        due = self._view.timers.deadline()
        if due is None or due > now or self._view.over:
            return
        if now - due > PAUSE_S:
            self._resume(now - due)
        if now - due > self._view.settings.lag_threshold_s:
            self._lag.late(now, now - due)
        for kind, what in self._view.timers.due(now):
            if self._view.over:
                return
            self._timers[kind](now, what)
        if self._prober.settled:
            self._settle(now)

    def deadline(self) -> float | None:
        """When ``tick`` wants to be called; None when nothing waits."""
        return None if self._view.over else self._view.timers.deadline()

    def set_head(self, now: float, head: Head) -> None:
        """This node's catalog or interest changed; ``head.version`` is higher than before."""
        self._view.set_head(now, head)

    def leave(self, now: float) -> None:
        """Say goodbye: some hear it now, the others by rumour as long as this machine is still ticked."""
        own = self._view
        if own.me.state is State.LEFT or own.over:
            return
        own.timers = Timers[TimerKey]()
        own.suspicions.clear()
        own.renew(now, Kind.DEATH, state=State.LEFT)
        if not own.announced:
            return
        own.spread(now, own.me.name, Kind.DEATH, own.me.claim(own.me.name))
        told = own.roster.pick(GOODBYES, ())
        host = own.members.get(self._joining.host)
        if host is not None and host.live and host.name not in told:
            told.append(host.name)
        for name in told * 2:
            own.tell(name, self.goodbye)

    def trouble_with(self, now: float, address: Address, code: str, why: str) -> None:
        """A stream to ``address`` could not be had, or was refused with that code: of a seed this tells why."""
        self._joining.trouble_with(now, address, code, why)

    def path_evidence(self, now: float, name: str, heard: bool) -> None:
        """A link to the member delivered bytes, which answers a probe; or was reset, which is a reason for one."""
        if heard:
            self._prober.heard(name)
            return
        member = self._view.members.get(name)
        if member is not None and member.live and self.me.state is State.ALIVE:
            self._prober.ask(now, member, judge=True)

    def crashed(self, now: float, name: str, epoch: Epoch, since: float) -> None:
        """The link to that start of a member broke at ``since``, and nobody listens at its address.

        So its process is gone, unless it has answered a ping since. It is told all the same: one that lives refutes.
        """
        own = self._view
        member = own.members.get(name)
        if member is None or not member.live or member.epoch != epoch or own.over or own.me.state is not State.ALIVE:
            return
        path = self._paths.find(member)
        if path is None or path.answered_at < since:
            own.counters.crashes += 1
            own.declare(now, member)
            own.tell_accused(own.members[name], own.me.name)

    def ask_before_death(self, heard_at: Callable[[str], float]) -> None:
        """``heard_at`` says when the link to a member last delivered bytes: over a fresh one it is asked first."""
        self._appeals.heard_at = heard_at

    def knows(self, name: str, source: Address, via: int | None) -> bool:
        """Whether a packet in that name, from there, is another member's."""
        return self._sender(name, source, via) is not None

    def blocked(self, name: str) -> bool:
        """Whether no datagrams come through to the member, while streams do."""
        return name in self._view.blocked

    def rtt_s(self, member: Member) -> float | None:
        """How long the member's answers to pings take; None when none was measured."""
        path = self._paths.find(member)
        return path.rtt_s if path is not None else None

    def effects(self) -> list[Effect]:
        """What is to be done, in order; hands it over."""
        done, self._view.out = self._view.out, []
        return done

    # Packets.

    def _ping(self, now: float, packet: gossip.Ping, source: Address, via: int | None) -> None:
        own = self._view
        if packet.target != own.me.name:
            own.counters.unknown += 1
            return
        sender = self._sender(packet.source, source, via)
        if sender is None:
            digest = own.digest.value(now) if packet.digest >= _LONG_DIGEST else 0
            self._answer_to(source, via, gossip.ack(packet.number, own.me.name, digest, ()))
            return
        self._prober.rounds.heard(now, packet.round)
        for rumour in packet.rumours:
            own.hear(now, rumour, packet.source)
        rumours = self._for_sender(own.members.get(packet.source, sender), packet.head)
        ack = gossip.ack(packet.number, own.me.name, own.digest.value(now), rumours)
        self._answer_to(sender.address, via, ack)

    def _for_sender(self, sender: Member, head: int) -> list[bytes]:
        """The rumours of an ack: first what is held against the sender, and this node's head when it lags."""
        own = self._view
        first: list[bytes] = []
        if sender.state is not State.ALIVE and own.settings.buddy:
            first.append(sender.claim(own.me.name))
        if head != own.me.head.version:
            first.append(gossip.encode_news(News(own.me.name, own.me.epoch, own.me.head)))
        if not first:
            return own.piggyback(_ACK_BYTES)
        return first + own.piggyback(_ACK_BYTES + sum(map(len, first)))

    def _ack(self, now: float, packet: gossip.Ack, source: Address, via: int | None) -> None:
        number = packet.number
        sent_at = self._prober.sent_at(number, packet.source) if via is None else None
        probe = self._prober.acked(number)
        if probe is not None:
            self._paths.answered(now, probe, source[0], via, packet.source)
        elif self._appeals.answered(number) or self._relays.acked(now, number):
            pass
        elif self._sender(packet.source, source, via) is None:
            return
        self._hear(now, packet.rumours, packet.source)
        member = self._view.members.get(packet.source)
        if probe is not None and member is not None:
            self._repair.compare(now, packet.digest, member)
        if sent_at is not None:
            self._lag.answered(now, now - sent_at)

    def _ping_req(self, now: float, packet: gossip.PingReq, source: Address, via: int | None) -> None:
        sender = self._sender(packet.source, source, via)
        if sender is not None:
            self._hear(now, packet.rumours, packet.source)
            self._relays.relay(now, packet, sender.address)

    def _nack(self, now: float, packet: gossip.Nack, source: Address, via: int | None) -> None:
        self._prober.nacked(packet.number, packet.source)

    def _gossip(self, now: float, packet: gossip.Gossip, source: Address, via: int | None) -> None:
        if self._sender(packet.source, source, via) is not None:
            self._hear(now, packet.rumours, packet.source)

    def _join(self, now: float, packet: gossip.Join, source: Address, via: int | None) -> None:
        if self._on_stream(via) and self.me.state is State.ALIVE:
            self._joining.reached(now, packet.reached_host)
            self._admission.asked(now, packet, source, via or 0)

    def _welcome(self, now: float, packet: gossip.Welcome, source: Address, via: int | None) -> None:
        if self._on_stream(via):
            self._joining.welcomed(now, packet, via or 0)

    def _refusal(self, now: float, packet: gossip.Refusal, source: Address, via: int | None) -> None:
        if self._on_stream(via):
            self._joining.refused(now, packet)

    def _ask(self, now: float, packet: gossip.Ask, source: Address, via: int | None) -> None:
        if self._on_stream(via):
            self._repair.asked(now, packet, via or 0)

    def _answer(self, now: float, packet: gossip.Answer, source: Address, via: int | None) -> None:
        if self._on_stream(via):
            self._repair.answered(now, packet, via or 0)

    def _rows(self, now: float, packet: gossip.Rows, source: Address, via: int | None) -> None:
        if self._on_stream(via):
            ahead = merge(now, self._view, packet.records, packet.source)
            hand_over(self._view, via or 0, [self.members[name] for name in ahead if name in self.members])

    def _loop(self, now: float, packet: gossip.Loop, source: Address, via: int | None) -> None:
        if via is None:
            self._lag.read(now, packet.number)

    def _doubt(self, now: float, packet: gossip.Doubt, source: Address, via: int | None) -> None:
        asker = self._sender(packet.source, source, via)
        if asker is not None:
            self._trials.asked(now, packet, asker)

    def _account(self, now: float, packet: gossip.Account, source: Address, via: int | None) -> None:
        if self._sender(packet.source, source, via) is not None:
            self._hear(now, packet.rumours, packet.source)
            self._trials.answered(now, packet.number)

    # Helpers.

    def _sender(self, name: str, source: Address, via: int | None) -> Member | None:
        """The member that a packet is from: known by name, and at a host of its own unless on a stream.

        The port is not compared: behind an address translator it differs. Answers go to the known address.
        """
        member = self._view.members.get(name)
        if member is None or member is self._view.me or (via is None and not self._paths.leads_to(member, source[0])):
            self._view.counters.strangers += 1
            return None
        return member

    def _shown(self, name: str, source: Address) -> None:
        """A stream carried a packet in that name: its other end is where it says it is."""
        member = self._view.members.get(name)
        if member is not None and member is not self._view.me:
            self._paths.shown(member, source[0])

    def _on_stream(self, via: int | None) -> bool:
        """What moves tables is done on streams only: a datagram doesn't show where its sender is."""
        if via is None:
            self._view.counters.strangers += 1
        return via is not None

    def _hear(self, now: float, rumours: list[Rumour], by: str) -> None:
        for rumour in rumours:
            self._view.hear(now, rumour, by)

    def _answer_to(self, address: Address, via: int | None, packet: bytes) -> None:
        if via is None:
            self._view.send(address, packet)
        else:
            self._view.out.append(ReplyPacket(via, packet))

    def _settle(self, now: float) -> None:
        """Tell those who wait for the outcome of a probe."""
        settled, self._prober.settled = self._prober.settled, []
        for name, answered in settled:
            self._admission.settled(name, answered)
            self._rejoin.settled(now, name, answered)

    def _resume(self, by_s: float) -> None:
        """This node stood still: what it did not hear meanwhile says nothing, and suspects get the time back."""
        self._view.counters.pauses += 1
        if by_s > TOLD_S:
            self._view.emit(
                Trouble(f"this node stood still for {by_s:.0f} s: others may hold it dead until they hear it")
            )
        self._prober.paused()
        self._relays.paused()
        self._trials.paused()
        self._admission.paused()
        self._view.postpone(by_s)

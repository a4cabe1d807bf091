"""The table of members and what happens when an account of one is heard.

Decides whether an account holds, and carries out what follows: events, digest, rumours, suspicions, who is
probed. Leaves to the others how accounts are come by: ``probe`` (direct evidence), ``joining``, ``admission`` and
``repair`` (tables), ``membership`` (rumours). Sources: SWIM, section 4; Lifeguard; memberlist state.go aliveNode,
suspectNode, deadNode, mergeState, refute.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Final, TypeAlias

from meshq.config import Config
from meshq.errors import Fenced
from meshq.machine.effects import Address, Emit, ReplyPacket, Resolve, SendPacket, Stop, StreamPacket
from meshq.machine.events import Event
from meshq.machine.rng import Rng
from meshq.machine.timers import Timers
from meshq.membership.addresses import usable
from meshq.membership.counters import Counters
from meshq.membership.digest import Digest, settle_s
from meshq.membership.effects import EpochRaised, HeadChanged, MemberChanged, MemberForgotten
from meshq.membership.health import Health
from meshq.membership.member import Member, Precedence, State, member_of, precedence
from meshq.membership.roster import EvenRoster, Roster
from meshq.membership.rumours import Kind, Rumours, copies
from meshq.membership.story import told
from meshq.membership.suspicion import Suspicion, bounds, confirmations_wanted
from meshq.names import COUNT_MAX, RELEASE, Epoch
from meshq.wire import gossip
from meshq.wire.gossip import NO_HEAD, ROUNDS, Claim, Head, News, Record
from meshq.wire.prefix import PACKET_BYTES_MAX

TimerKey: TypeAlias = tuple[str, int | str]
Effect: TypeAlias = (
    SendPacket | StreamPacket | ReplyPacket | Resolve | Emit | Stop
    | MemberChanged | HeadChanged | MemberForgotten | EpochRaised
)  # fmt: skip
GOSSIP: Final[TimerKey] = ("gossip", 0)


class View:
    """One node's view of the mesh, itself included, and what all parts of its membership share."""

    def __init__(self, config: Config, epoch: Epoch, rng: Rng, address: Address) -> None:
        self.config = config
        self.settings = config.membership
        self.rng = rng
        self.timers: Timers[TimerKey] = Timers()
        self.counters = Counters()
        self.health = Health(self.settings.health_max)
        self.rumours = Rumours(self.settings.rumours_max, self.settings.refutation_share)
        self.digest = Digest()
        self.roster = EvenRoster(rng, config.name) if self.settings.even_probes else Roster(rng)
        self.suspicions: dict[str, Suspicion] = {}
        self.gone: dict[str, None] = {}
        """The dead and the left, in the order in which they went."""
        self.blocked: dict[str, None] = {}
        """Members to whom no datagrams come through: gossip to them goes over streams (``paths``)."""
        self.appeal: Callable[[float, Member, Claim], bool] = lambda *_: False
        """Whether a death has to wait for what the accused says to it (``appeals``)."""
        self.grace_until = inf if self.settings.grace_s else 0.0
        """Until then this node, which came lately, allows everybody a lag: the slow have not told it yet."""
        self.round = 0
        """Of probes, that has begun last; the mesh counts together."""
        self._urgent = False
        """The next gossip is this node's own refutation."""
        self.announced = False
        """Others may know this node's epoch; it can't change any more."""
        self.over = False
        """Nothing more is to happen: fenced, refused."""
        self.out: list[Effect] = []
        self.me = Member(
            name=config.name, address=address, epoch=epoch, http_port=config.http_port, nsq_port=config.nsq_port,
            version=RELEASE, zone=config.zone,
        )  # fmt: skip
        self.members: dict[str, Member] = {config.name: self.me}
        self.digest.load([self.me])

    # What others are asked to do.

    def send(self, to: Address, packet: bytes) -> None:
        """As a datagram."""
        self.out.append(SendPacket(to, packet))

    def tell(self, name: str, packet: bytes) -> None:
        """A member, by datagram; over a stream when none come through to it."""
        to = self.members[name].address
        self.out.append(StreamPacket(to, packet) if name in self.blocked else SendPacket(to, packet))

    def emit(self, event: Event) -> None:
        """Tell whoever listens."""
        self.out.append(Emit(event))

    def stop(self, error: Exception) -> None:
        """This node must not go on; nothing happens after this."""
        if not self.over:
            self.over = True
            self.out.append(Stop(error))

    # What is known.

    @property
    def size(self) -> int:
        """Live members, this node among them: the N of all formulas."""
        return len(self.roster) + 1

    def tellable(self, member: Member) -> bool:
        """Whether a table may hold this member: itself only once it is announced, at an address that can be told."""
        return member is not self.me or (self.announced and usable(member.address[0]))

    def live(self) -> list[Member]:
        """The others that are alive or suspect; takes time in proportion to all that are known."""
        me = self.me
        return [member for member in self.members.values() if member.live and member is not me]

    @property
    def round_before(self) -> int:
        """What pings out of turn tell of the rounds, so that nobody takes them for the beginning of this one."""
        return (self.round - 1) % ROUNDS

    def number(self) -> int:
        """A number by which an answer is known, that outsiders can't guess."""
        return self.rng.getrandbits(32)

    def settle_s(self) -> float:
        """How long a change takes to be known everywhere."""
        return settle_s(self.settings, self.size)

    def allowance_s(self, now: float, member: Member) -> float:
        """How much longer than others this member has to answer and to refute: as it says, with a limit to it."""
        settings = self.settings
        grace_s = settings.grace_lag_s if now < self.grace_until else 0.0
        return min(max(member.lag_ms / 1000, grace_s), settings.lag_allowed_max_s)

    # Passing on.

    def piggyback(self, base_bytes: int) -> list[bytes]:
        """Rumours for a packet that has ``base_bytes`` without them."""
        if not len(self.rumours):
            return []
        return self.rumours.take(PACKET_BYTES_MAX - base_bytes, copies(self.settings, self.size))

    def spread(self, now: float, subject: str, kind: Kind, rumour: bytes) -> None:
        """Queue a rumour; the gossip timer runs while any waits. A refutation goes out with this turn."""
        if not self.announced or not len(self.roster):
            return
        self.rumours.put(subject, kind, rumour)
        if kind is Kind.REFUTATION and subject == self.me.name:
            self._urgent = True
            self.timers.arm(GOSSIP, now)
        elif GOSSIP not in self.timers:
            self.timers.arm(GOSSIP, now + self.settings.gossip_interval_s * self.rng.random())

    def gossip(self, now: float) -> None:
        """Send rumours to some members at random. Source: memberlist state.go gossip."""
        fanout = self.settings.refutation_fanout if self._urgent else self.settings.gossip_fanout
        self._urgent = False
        names = self.roster.pick(fanout, ())
        if not names:
            self.rumours.clear()
        for name in names:
            rumours = self.piggyback(96)
            if not rumours:
                return
            self.tell(name, gossip.gossip(self.me.name, rumours))
        if len(self.rumours):
            self.timers.arm(GOSSIP, now + self.settings.gossip_interval_s)

    # Hearing.

    def hear(self, now: float, rumour: Record | Claim | News, by: str) -> None:
        """Take in a rumour that ``by`` passed on."""
        if type(rumour) is Claim:
            self.hear_claim(now, rumour)
        elif type(rumour) is News:
            self.hear_head(now, rumour)
        elif type(rumour) is Record:
            self.hear_record(now, rumour, by)

    def hear_record(self, now: float, record: Record, by: str, *, spread: bool = True, table: bool = False) -> bool:
        """Take in a record, as a rumour or as a row of ``by``'s table.

        True when this view holds a later account, which the other should hear. A dead row of a member that lives here
        is taken as an accusation by its sender, so that it can be refuted (memberlist mergeState); whoever is gone here
        stays so, and may refute too; a left one is taken as it is.
        """
        if record.name == self.me.name:
            return self._hear_of_self(now, record)
        known = self.members.get(record.name)
        if known is None:
            self._meet(now, record, by, spread=spread, table=table)
            return False
        if record.state <= State.SUSPECT and not known.live and self._full():
            return False
        accused = table and record.state in (State.SUSPECT, State.DEAD)
        if accused and known.live:
            record = record._replace(state=int(State.SUSPECT))
        heard = _precedence(record)
        if heard > known.precedence:
            self._hold(now, known, _joined(record, known, now), by, spread=spread)
            if accused:
                self.tell_accused(self.members[record.name], by)
            return False
        if record.epoch == known.epoch:
            self._take_head(now, known, record.head, spread=spread)
        if heard == known.precedence and known.state is State.SUSPECT:
            self._confirm(now, known, by)
        return heard < known.precedence

    def hear_claim(self, now: float, claim: Claim) -> None:
        """Take in what is said against a member; of an epoch that is not known here it means nothing."""
        if claim.name == self.me.name:
            self._hear_claim_on_self(now, claim)
            return
        known = self.members.get(claim.name)
        if known is None or known.epoch != claim.epoch or (claim.state == State.LEFT and claim.by != claim.name):
            return
        heard = precedence(claim.epoch, claim.incarnation, claim.state)
        if heard > known.precedence:
            if claim.state != State.DEAD or not known.live or not self.appeal(now, known, claim):
                self.believe(now, claim)
        elif heard == known.precedence and known.state is State.SUSPECT:
            self._confirm(now, known, claim.by)

    def believe(self, now: float, claim: Claim) -> None:
        """Hold a member as the claim says, unless a later account of it is known."""
        known = self.members.get(claim.name)
        if known is None or known.epoch != claim.epoch:
            return
        if precedence(claim.epoch, claim.incarnation, claim.state) > known.precedence:
            after = known.with_(state=State(claim.state), incarnation=claim.incarnation)
            self._hold(now, known, after, claim.by)

    def hear_head(self, now: float, news: News) -> None:
        """Take in a head; the later version of the same epoch holds."""
        known = self.members.get(news.name)
        if known is not None and known is not self.me and known.epoch == news.epoch:
            self._take_head(now, known, news.head)

    def accuse(self, now: float, member: Member) -> None:
        """A probe of this member failed."""
        if member.state is State.ALIVE:
            for _ in range(self.settings.accused_copies):
                self.tell_accused(member, self.me.name)
        self.hear_claim(now, Claim(int(State.SUSPECT), member.name, member.epoch, member.incarnation, self.me.name))

    def second(self, name: str, accusers: list[str]) -> None:
        """Others hear nothing from a suspect either."""
        suspicion = self.suspicions.get(name)
        if suspicion is not None:
            suspicion.accusers += [each for each in accusers if each not in suspicion.accusers]

    def convict(self, now: float, name: str) -> None:
        """The suspicion ran out."""
        member = self.members.get(name)
        if member is not None and member.state is State.SUSPECT:
            self.declare(now, member)

    def declare(self, now: float, member: Member) -> None:
        """Hold a live member dead, and say so, unless it still answers over its link."""
        self.hear_claim(now, Claim(int(State.DEAD), member.name, member.epoch, member.incarnation, self.me.name))

    # Changing.

    def renew(self, now: float, kind: Kind, **changes: Any) -> None:
        """Change this node's own record and spread it."""
        before, self.me = self.me, self.me.with_(**changes)
        self.members[self.me.name] = self.me
        self.digest.change(now, before, self.me, self.settle_s())
        if self.announced:
            self.spread(now, self.me.name, kind, self.me.row)

    def set_head(self, now: float, head: Head) -> None:
        """This node's own head has changed."""
        self.me = self.me.with_(head=head)
        self.members[self.me.name] = self.me
        if self.announced:
            self.spread(now, self.me.name, Kind.HEAD, gossip.encode_news(News(self.me.name, self.me.epoch, head)))

    def raised(self) -> int:
        """The next incarnation of this node; before it is announced none is needed."""
        return min(self.me.incarnation + 1, COUNT_MAX) if self.announced else self.me.incarnation

    def raise_epoch(self, now: float, heard: Epoch) -> None:
        """Start above an epoch that the mesh remembers for this name; only before this one was announced."""
        if not self.announced and heard > self.me.epoch:
            epoch = Epoch(min(heard.ms + 1, COUNT_MAX), self.me.epoch.nonce)
            self.renew(now, Kind.JOIN, epoch=epoch)
            self.out.append(EpochRaised(epoch))

    def postpone(self, by_s: float) -> None:
        """This node stood still: whoever is suspected gets that time on top."""
        for name, suspicion in self.suspicions.items():
            suspicion.postpone(by_s)
            self.timers.arm(("suspicion", name), suspicion.due())

    def _meet(self, now: float, record: Record, by: str, *, spread: bool, table: bool) -> None:
        """A name not heard of so far."""
        if record.state > State.SUSPECT:
            if table:
                self._remember(member_of(record, now))
            return
        if not self._full():
            self._hold(now, None, member_of(record, now), by, spread=spread)

    def _full(self) -> bool:
        """Whether nobody else can be taken in; counted."""
        full = self.size >= self.settings.members_max
        self.counters.refused += full
        return full

    def _hold(self, now: float, before: Member | None, after: Member, by: str, *, spread: bool = True) -> None:
        """Replace one account by a later one, with everything that follows."""
        same = before is not None and before.state is after.state and before.epoch == after.epoch
        after.since = before.since if before is not None and same else now
        self.members[after.name] = after
        self.digest.change(now, before, after, self.settle_s())
        self._enlist(after)
        self._follow(now, after, by)
        for event in told(before, after, by):
            self.emit(event)
        if before is None or _public(before) != _public(after):
            self.out.append(MemberChanged(after, before.state if before is not None else None))
        if after.live and (
            before is None or not before.live or before.epoch != after.epoch or before.head != after.head
        ):
            self._report_head(after)
        if spread:
            self._pass_on(now, before, after, by)

    def _enlist(self, member: Member) -> None:
        """Keep the roster of the live and the list of the gone."""
        if member.live:
            self.roster.add(member.name)
            self.gone.pop(member.name, None)
        elif member.name not in self.gone:
            self.roster.remove(member.name)
            self._remember(member)

    def _remember(self, member: Member) -> None:
        """Keep a dead or left member; too many, and the one gone longest is forgotten."""
        self.members[member.name] = member
        self.gone[member.name] = None
        if len(self.gone) > self.settings.dead_max:
            oldest = next(iter(self.gone))
            del self.gone[oldest], self.members[oldest]
            self.counters.forgotten += 1
            self.out.append(MemberForgotten(oldest))

    def _follow(self, now: float, member: Member, by: str) -> None:
        """Start or end the suspicion of a member."""
        key = ("suspicion", member.name)
        if member.state is State.SUSPECT:
            limits = bounds(self.settings, self.size).longer(self.allowance_s(now, member))
            wanted = confirmations_wanted(self.settings, self.size)
            suspicion = Suspicion(now, member.epoch, member.incarnation, by, wanted, limits)
            self.suspicions[member.name] = suspicion
            self.timers.arm(key, suspicion.due())
            self.counters.suspicions += 1
        elif self.suspicions.pop(member.name, None) is not None:
            self.timers.cancel(key)
        if member.state is State.DEAD:
            self.counters.deaths += 1

    def _confirm(self, now: float, member: Member, by: str) -> None:
        """Another accuser: the suspicion gets shorter, and the accuser is passed on."""
        suspicion = self.suspicions.get(member.name)
        if suspicion is not None and suspicion.confirm(by):
            self.timers.arm(("suspicion", member.name), suspicion.due())
            self.spread(now, member.name, Kind.SUSPICION, member.claim(by))

    def _pass_on(self, now: float, before: Member | None, after: Member, by: str) -> None:
        if after.state is State.ALIVE:
            refuted = before is not None and before.epoch == after.epoch and before.state is not State.ALIVE
            self.spread(now, after.name, Kind.REFUTATION if refuted else Kind.JOIN, after.row)
        elif after.state is State.SUSPECT:
            if before is None or before.epoch != after.epoch:
                self.spread(now, after.name, Kind.SUSPICION, after.row)
            else:
                self.spread(now, after.name, Kind.SUSPICION, after.claim(by))
        else:
            self.spread(now, after.name, Kind.DEATH, after.claim(after.name if after.state is State.LEFT else by))

    def tell_accused(self, member: Member, by: str) -> None:
        """Who is accused, at least of being suspect, hears of it at once."""
        accused = member.with_(state=max(member.state, State.SUSPECT))
        self.tell(member.name, gossip.gossip(self.me.name, [accused.claim(by)]))

    def _take_head(self, now: float, known: Member, head: Head, *, spread: bool = True) -> None:
        if head.version <= known.head.version:
            return
        after = self.members[known.name] = known.with_(head=head)
        if after.live:
            self._report_head(after)
            if spread:
                self.spread(now, known.name, Kind.HEAD, gossip.encode_news(News(known.name, known.epoch, head)))

    def _report_head(self, member: Member) -> None:
        if member.head != NO_HEAD:
            self.out.append(HeadChanged(member))

    # Hearing of itself.

    def _hear_claim_on_self(self, now: float, claim: Claim) -> None:
        mine = self.me.state is State.ALIVE and claim.epoch == self.me.epoch and claim.state != State.LEFT
        if mine and claim.incarnation >= self.me.incarnation:
            self._refute(now, claim.incarnation)

    def _hear_of_self(self, now: float, record: Record) -> bool:
        """True when this node's own account is later, as it is after a new start or a refutation."""
        if self.me.state is not State.ALIVE:
            return record.epoch <= self.me.epoch
        if record.epoch > self.me.epoch:
            self._yield(now, record)
        elif record.state != State.LEFT and _precedence(record) > self.me.precedence:
            self._refute(now, record.incarnation)
        return _precedence(record) < self.me.precedence

    def _refute(self, now: float, accused: int) -> None:
        """Outbid the accusation. Source: SWIM, section 4.2; memberlist state.go refute."""
        self.counters.refutations += 1
        self.health.accused()
        incarnation = min(max(self.me.incarnation, accused) + 1, COUNT_MAX)
        self.renew(now, Kind.REFUTATION, incarnation=incarnation)

    def _yield(self, now: float, record: Record) -> None:
        """A later start of this name exists: begin above it, or, running already, make way for it."""
        if not self.announced:
            self.raise_epoch(now, record.epoch)
            return
        where = f"{record.host}:{record.port}"
        how = "lives at" if record.state <= State.SUSPECT else "lived at"
        self.stop(Fenced(f"a later start of node {self.me.name!r} {how} {where}; this one stopped"))


def _joined(record: Record, known: Member, now: float) -> Member:
    """The member a record describes, with the later head when the epoch is the same."""
    after = member_of(record, now)
    if known.epoch == after.epoch and known.head.version > after.head.version:
        return after.with_(head=known.head)
    return after


def _precedence(record: Record) -> Precedence:
    return precedence(record.epoch, record.incarnation, record.state)


def _public(member: Member) -> tuple[Any, ...]:
    """What MemberChanged is about."""
    return (member.state, member.epoch, member.address, member.http_port, member.nsq_port, member.zone, member.version)

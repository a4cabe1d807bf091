"""One node: membership, routing, broker and streams introduced to each other.

A driver feeds inputs (datagrams, stream bytes, time) and calls ``effects()`` once for all that came
since the last time: that call *is* the turn; ``ahead()``, right before it, gives what of it is done already.
Publishes of one turn to one topic, from any connection, become one batch; settlements of one turn leave in one frame.

Composition only. What happens to messages, members and names is decided by the machines below; this
file says who is told what, in which order.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any, Final

from meshq.broker import effects as broker_effects
from meshq.broker.broker import Broker
from meshq.broker.gathering import Publishing
from meshq.broker.taking import whole
from meshq.config import DRAIN_TIMEOUT_S, Config
from meshq.engine.counters import Counters
from meshq.engine.doors import Doors
from meshq.engine.greeting import Greeting
from meshq.engine.hearsay import Hearsay
from meshq.engine.inside import Inside
from meshq.engine.keys import Keys
from meshq.engine.links import Link, Links
from meshq.engine.pages import gather_stats
from meshq.engine.peers import forget_peer, keep_peer, known_peers
from meshq.engine.post import UNSEALED, Post
from meshq.engine.questions import Gatherer, Questions
from meshq.engine.strangers import Strangers
from meshq.engine.streams import Role, Stream, Streams
from meshq.engine.unused import Unused
from meshq.engine.verbs import Verbs
from meshq.engine.views import Views
from meshq.errors import Overloaded, RemoteProtocolError
from meshq.machine import events
from meshq.machine.effects import (
    Address,
    Effect,
    Emit,
    KeepKeys,
    Load,
    LoadDue,
    ReplyPacket,
    Resolve,
    SendPacket,
    Stop,
    Store,
    StreamPacket,
)
from meshq.machine.rng import Rng
from meshq.machine.store import BatchRow, Put, Recovered
from meshq.membership import effects as membership_effects
from meshq.membership.member import Member, State
from meshq.membership.membership import Membership
from meshq.names import DEAD_CHANNEL, Epoch, is_ephemeral
from meshq.routing import effects as routing_effects
from meshq.routing.routing import Routing
from meshq.wire import strict
from meshq.wire.frames import Ask, Deliver, Hello
from meshq.wire.keyring import WANTED, Keyring, Secrecy

ROUNDS_MAX: Final = 100
"""How often the machines may answer each other within a turn; what is left waits for the next."""
DRAIN_CHECK_S: Final = 0.05
LAST_WORD_S: Final = 1.0
"""So much longer it waits for the last word of a node that is about to own a log."""
CATALOG_RETRY_S: Final = 1.0
FRAME_BYTES: Final = 64
"""What a control frame takes, about."""
LIVE: Final = (State.ALIVE, State.SUSPECT)


class Engine:
    """A node without a world. See ``meshq.machine.effects`` for what it asks of one."""

    def __init__(
        self,
        config: Config,
        epoch: Epoch,
        rng: Rng,
        *,
        bound: Address,
        advertised: Address | None = None,
        recovered: Recovered | None = None,
        secrecy: Secrecy | None = None,
    ) -> None:
        """``recovered``: what the store kept; None when there is no store. ``secrecy``: None at a node without keys."""
        self._recovered = recovered
        if recovered is not None:
            config = replace(config, seeds=(*config.seeds, *known_peers(recovered.puts, config)))
        self.config = config
        self.epoch = epoch
        self._out: list[Effect] = []
        self._now = 0.0
        self._more = False
        self._ready = False
        self._opened = False
        self._catalog_at = 0.0
        self._drain_until: float | None = None
        self._check_at = 0.0
        self._stopped = False
        self.counters = Counters()
        self.membership = Membership(config, epoch, rng, bound=bound, advertised=advertised)
        self.routing = Routing(config, epoch, rng)
        self.broker = Broker(config, epoch, rng)
        self.keys = Keys(config, secrecy)
        self._strangers = Strangers(self._emit)
        self._streams = Streams(config.link, self.keys, self.counters)
        self._greeting = Greeting(config, self.membership)
        self.links = Links(config, rng, self._streams, self._greeting, self.membership, self.broker, self._emit)
        hearsay = Hearsay(self._streams, self._greeting, self.counters)
        self._post = Post(
            config,
            self.keys.datagrams,
            self._strangers,
            self._streams,
            hearsay,
            self.links,
            self.membership,
            self.routing,
            self._out,
            self.counters,
        )
        self._doors = Doors(config, self._streams, self._refusing, self.broker, self.routing)
        self._roles: dict[str, Role] = {"node": self.links, "client": self._doors, "gossip": self._post.hearsay}
        self._views = Views(
            config, self.membership, self.routing, self.broker, self.links, self._streams, self.counters
        )
        self._verbs = Verbs(self.routing, self._wall_ns)
        self._inside = Inside(config, self.membership, self.routing, self.broker, self.links)
        gatherers: dict[str, Gatherer] = {
            "peek": self._inside.gather_peek,
            "stats": gather_stats,
            "why": self._inside.gather_why,
        }
        self._questions = Questions(
            config, self.keys, self._streams, self.links, self.membership, self._kinds(), gatherers
        )
        unused = Unused(config.routing, self.membership, self.routing, self.broker)
        self._timed = (
            self.membership,
            self.routing,
            self.broker,
            self._streams,
            self.links,
            self._post.hearsay,
            unused,
            self.keys,
        )
        self._deadlines = tuple(machine.deadline for machine in (*self._timed, self._questions))
        self._introduce()

    # inputs

    @property
    def ready(self) -> bool:
        """Whether publishes are accepted: the catalog of another member is here, or there is none."""
        if not self._ready:
            self._ready = self.membership.alone or self.routing.ready or not self.config.seeds
        return self._ready

    @property
    def messages_left(self) -> int:
        """Messages that this node owns and that some channel has not finished."""
        return self.broker.messages_left()

    def start(self, now: float, wall_ns: int) -> None:
        """Begin: join by the seeds, or be alone."""
        self._now = now
        self._views.started_at = now
        self.wall(now, wall_ns)
        if self._recovered is not None:
            self._recover(now, wall_ns, self._recovered)
            self._recovered = None
        if self.config.seeds:
            self.routing.expect_catalog(now)
        self.membership.start(now)

    def wall(self, now: float, wall_ns: int) -> None:
        """It is ``wall_ns`` since 1970 now; said at start and whenever that moved against ``now``."""
        self._now = now
        self._wall_offset_ns = wall_ns - round(now * 1e9)
        self.broker.wall(now, wall_ns)
        self.routing.wall(now, wall_ns)

    def datagram(self, now: float, data: bytes, source: Address) -> None:
        """A UDP packet; a bad one is counted and costs nothing else."""
        self._now = now
        self._post.datagram(now, data, source)

    def accepted(self, now: float, source: Address) -> int:
        """A stream came in; returns its number."""
        self._now = now
        return self._streams.accept(now, source).number

    def connected(self, now: float, stream: int, local: Address, peer: Address) -> None:
        """A dial succeeded."""
        self._now = now
        found = self._streams.get(stream)
        if found is not None and found.role is not None and not found.over:
            found.role.connected(now, found)

    def received(self, now: float, stream: int, data: bytes) -> None:
        """Bytes of a stream; bad ones cost their sender the stream."""
        self._now = now
        found = self._streams.get(stream)
        if found is None or found.over or found.session is None:
            return
        try:
            for frame in found.session.receive(now, data):
                if found.over:
                    return
                if type(frame) is Hello:
                    self._greet(now, found, frame)
                elif found.role is not None:
                    found.role.frame(now, found, frame)
        except RemoteProtocolError as exc:
            self.counters.streams_bad += 1
            if exc.code in UNSEALED:
                self._strangers.refused(now, found.address, str(exc))
            self._streams.end(now, found, exc.code, str(exc))
        self._streams.touch(found)

    def closed(self, now: float, stream: int, reason: str) -> None:
        """A stream is gone, or its dial failed: eof, reset, refused, timeout, unreachable, error."""
        self._now = now
        self._streams.lost(now, stream, reason)

    def buffered(self, now: float, stream: int, size_bytes: int) -> None:
        """So much waits in the stream's transport; above the limit, messages stay in the broker."""
        self._now = now
        found = self._streams.get(stream)
        if found is not None:
            found.blocked = size_bytes >= self.config.link.write_buffer_bytes
            if not found.blocked:
                self._doors.room(found)

    def resolved(self, now: float, query: int, addresses: list[Address]) -> None:
        """The addresses of a name; none when it does not resolve."""
        self._now = now
        self.membership.resolved(now, query, addresses)

    def stored(self, now: float, token: int) -> None:
        """What a Store effect asked for is kept at its level."""
        self._now = now
        self.broker.stored(now, token)

    def unstored(self, now: float, token: int, why: str) -> None:
        """The batches of that Store effect were not kept."""
        self._now = now
        self.broker.unstored(now, token, why)

    def loaded(self, now: float, token: int, rows: list[BatchRow] | None) -> None:
        """What a Load or LoadDue effect asked for; None when the store could not read now."""
        self._now = now
        self.broker.loaded(now, token, rows)

    def store_health(self, now: float, text: str, *, full: bool = False) -> None:
        """What is wrong with the store; empty when it works again. ``full``: it has no room."""
        self._now = now
        if text != self.broker.trouble:
            self._emit(events.Trouble(f"store: {text}" if text else "the store works again"))
        self.broker.store_health(now, text, full=full)

    def keys_unkept(self, now: float, why: str) -> None:
        """What KeepKeys asked for was not done: the node has its keys until it ends."""
        self._now = now
        self._emit(events.Trouble(f"keys: {why}; what was changed is forgotten when this node starts again"))

    def tick(self, now: float) -> None:
        """Time passed: do what is due."""
        self._now = now
        for machine in self._timed:
            machine.tick(now)
        self._questions.tick(now)
        self._check_catalog(now)
        self._check_drain(now)

    def drain(self, now: float, timeout_s: float) -> None:
        """Refuse publishes, hand logs to other nodes until nothing is left or the time is over, then leave."""
        self._now = now
        self._begin_drain(now, timeout_s)
        self._check_drain(now)

    def stop(self, now: float) -> None:
        """Leave at once; ends in a Stop effect that says how many messages went with the node."""
        self._now = now
        if self._stopped:
            return
        self._stopped = True
        left = self.broker.messages_left()
        self._settle()
        self.membership.leave(now)
        self._settle()
        self._emit(events.Leaving(left))
        self._doors.goodbye(now, "LEAVING", f"{self.config.name} is leaving the mesh")
        for stream in self._streams.all():
            self._streams.end(now, stream, "LEAVING", f"{self.config.name} is leaving the mesh")
        self._settle()
        self.broker.write_behind(now)
        self._settle()
        self._out += self._streams.output(now)
        self._out.append(Stop(None, left))

    # outputs

    def ahead(self) -> list[Effect]:
        """Of the turn that ``effects`` is about to end: confirmations that wait for nothing else.

        Carried out before the deliveries are worked out they let their publishers go on meanwhile. Not asked for, they
        leave with ``effects``.
        """
        confirmed = self.broker.confirm()
        if not confirmed:
            return []
        for effect in confirmed:
            self._doors.confirmed(effect)
        return self._streams.output(self._now)

    def effects(self) -> list[Effect]:
        """End the turn: everything that is to be done, in order."""
        self._more = False
        self._settle()
        if not self._opened and self.ready:
            self._check_catalog(self._now)
            self._settle()
        self._pull()
        out = [*self._out, *self._streams.output(self._now)]
        self._out.clear()
        return out

    def deadline(self) -> float | None:
        """When ``tick`` wants to be called; at once when the turn left something undone."""
        if self._more:
            return self._now
        first = inf
        for machine_deadline in self._deadlines:
            deadline = machine_deadline()
            if deadline is not None and deadline < first:
                first = deadline
        if self._drain_until is not None and not self._stopped:
            first = min(first, self._check_at)
        if not self.ready and self._catalog_at:
            first = min(first, self._catalog_at)
        return None if first == inf else first

    def view(self) -> dict[str, Any]:
        """A snapshot for checkers: plain values, nothing shared."""
        return {
            "members": {
                name: (member.state.name, tuple(member.epoch), member.incarnation)
                for name, member in self.membership.members.items()
            },
            "topics": list(self.routing.topics()),
            "queues": list(self.broker.stats()),
            "links": sorted(link.name for link in self.links.all()),
            "ready": self.ready,
        }

    # the turn

    def _settle(self) -> None:
        """Let the machines answer each other until none has anything to say."""
        broker, doors = self.broker, self._doors
        for _ in range(ROUNDS_MAX):
            busy = False
            for broker_effect in broker.effects():
                # The two of every message go to a client and stir no machine: nobody need be asked again for them.
                if type(broker_effect) is broker_effects.Hand:
                    doors.hand(broker_effect)
                elif type(broker_effect) is broker_effects.Confirmed:
                    doors.confirmed(broker_effect)
                else:
                    busy = True
                    self._from_broker(broker_effect)
            if told := self.routing.effects():
                busy = True
                self._routed(told)
            for membership_effect in self.membership.effects():
                busy = True
                self._from_membership(membership_effect)
            if not busy and not broker.stirred:
                return
        self._more = True

    def _pull(self) -> None:
        """The writers pull: what fits their transports leaves the broker, the rest stays in it."""
        pullable = self.broker.pullable()
        if not pullable:
            return
        near: dict[int, list[Link]] = {}
        for name in pullable:
            link = self.links.get(name)
            if link is not None and not link.stream.blocked:
                near.setdefault(self._nearness(name), []).append(link)
        for _, links in sorted(near.items()):
            self._pull_in_turns(links)

    def _pull_in_turns(self, links: list[Link]) -> None:
        """One extent each, round and round, until nothing waits or a writer has had its share of the turn."""
        broker, now = self.broker, self._now
        shares = [(link, self.config.link.write_buffer_bytes) for link in links]
        while shares:
            going: list[tuple[Link, int]] = []
            for link, room_bytes in shares:
                for frame in broker.pull(now, link.name, 1 if len(shares) > 1 else room_bytes):
                    self._streams.send(link.stream, frame)
                    room_bytes -= len(frame.body) if type(frame) is Deliver else FRAME_BYTES
                if not broker.wants_pull(link.name):
                    continue
                if room_bytes > 0:
                    going.append((link, room_bytes))
                else:
                    self._more = True
            shares = going

    def _from_broker(self, effect: Any) -> None:
        now = self._now
        match effect:
            case broker_effects.ToPeer(peer, frame):
                self.links.send(peer, frame)
            case broker_effects.WantLink(peer):
                self.links.want(now, peer)
            case broker_effects.BreakSession(peer, why):
                self.links.broken(now, peer, why)
            case broker_effects.ConsumerEnded():
                self._doors.ended(now, effect)
            case broker_effects.Unkept():
                self._doors.unkept(effect)
            case broker_effects.DeadLetters(topic):
                self._bury(topic)
            case broker_effects.CarryOver(topic, publishings):
                self._carry_over(topic, publishings)
            case Store() | Load() | LoadDue():
                self._out.append(effect)
            case Emit(event):
                self._emit(event)

    def _routed(self, effects: list[Any]) -> None:
        """What routing says; what was accepted after a topic's delete elsewhere counts as its next use."""
        now = self._now
        later = [
            (
                ended.topic,
                self.broker.accepted_since(ended.topic, ended.generation, -inf if ended.unused else now - ended.age_s),
            )
            for ended in effects
            if type(ended) is routing_effects.TopicEnded and (ended.unused or ended.age_s > 0)
        ]
        for effect in effects:
            self._from_routing(effect)
        for topic, publishings in later:
            if publishings:
                self._carry_over(topic, publishings)

    def _carry_over(self, topic: str, publishings: list[Publishing]) -> None:
        try:
            generation = self.routing.use_topic(self._now, topic)
        except Overloaded as exc:
            messages = sum(publishing.messages for publishing in publishings)
            self._emit(events.Trouble(f"{messages} messages of the deleted topic {topic} could not be kept: {exc}"))
            return
        self.broker.carry_over(self._now, topic, generation, publishings)

    def _bury(self, topic: str) -> None:
        """Dead letters want a topic, and a channel that keeps them for whoever looks."""
        now = self._now
        try:
            if not self.ready:
                raise Overloaded("the catalog of the mesh is not known yet")
            generation = self.routing.use_topic(now, topic)
            if not is_ephemeral(topic):
                self.routing.use_channel(now, topic, DEAD_CHANNEL)
        except Overloaded as exc:
            self._emit(events.Trouble(f"{topic} can't be had, its messages are delivered once more: {exc}"))
            self.broker.spare(now, topic)
        else:
            self.broker.bury(now, topic, generation)

    def _from_routing(self, effect: Any) -> None:
        now = self._now
        match effect:
            case SendPacket(to, packet):
                self._post.tell(now, to, packet)
            case StreamPacket() | ReplyPacket():
                self._post.send(now, effect)
            case routing_effects.ChannelBorn(topic, channel, generation, age_s, local, settings):
                self.broker.channel_born(now, topic, channel, generation, age_s, local, settings)
            case routing_effects.ChannelEnded(topic, channel, generation):
                self.broker.channel_ended(now, topic, channel, generation)
            case routing_effects.TopicBorn(topic, generation):
                self.broker.topic_born(now, topic, generation)
            case routing_effects.TopicEnded(topic, generation):
                self.broker.topic_ended(now, topic, generation)
            case routing_effects.Configured(topic, channel, settings):
                self.broker.configured(now, topic, channel, settings)
            case routing_effects.InterestChanged(topic, channel):
                self.broker.interest(now, topic, channel, self._peers(topic, channel))
            case routing_effects.BarrierDone(token, answered, asked):
                self._doors.barrier_done(token, answered, asked)
            case routing_effects.Kept(row):
                self.broker.put(row)
            case routing_effects.HeadMoved():
                self.membership.set_head(now, self.routing.own_head())
            case Emit(event):
                self._emit(event)

    def _from_membership(self, effect: Any) -> None:
        now = self._now
        match effect:
            case SendPacket() | StreamPacket() | ReplyPacket():
                self._post.send(now, effect)
            case membership_effects.MemberChanged(member, before):
                self._member_changed(now, member, before)
            case membership_effects.HeadChanged(member):
                self.routing.head(now, member.name, member.head)
            case membership_effects.EpochRaised(epoch):
                self.epoch = epoch
                self.broker.put(Put("epoch", "raised", strict.encode(epoch.ms)))
                self.routing.raise_epoch(epoch)
                self.broker.raise_epoch(epoch)
            case membership_effects.MemberForgotten(name):
                self.broker.put(forget_peer(name))
                self.routing.member_forgotten(now, name)
                self.broker.peer_forgotten(now, name)
            case Emit(event):
                self._emit(event)
            case Resolve():
                self._out.append(effect)
            case Stop():
                self._stopped = True
                self._doors.goodbye(now, "FENCED", str(effect.error))
                self._out += self._streams.output(now)
                self._out.append(effect._replace(messages_left=self.broker.messages_left()))

    def _recover(self, now: float, wall_ns: int, recovered: Recovered) -> None:
        """What the store kept is this node's again: logs, then names, which tell the channels where they were."""
        if recovered.lost:
            self._emit(events.Trouble(f"{recovered.lost} batches were lost with a damaged store"))
        recovered, forget = whole(recovered)
        self.broker.recover(now, wall_ns, recovered.logs)
        for row in forget:
            self.broker.put(row)
        self.broker.recover_ids(now, recovered.puts)
        self.routing.recover(now, recovered.puts, recovered.logs)
        self._settle()
        self.broker.recovered(now)

    def _member_changed(self, now: float, member: Member, before: State | None) -> None:
        name = member.name
        if name == self.config.name:
            return
        if member.state in LIVE:
            self.broker.put(keep_peer(member))
            self._post.lives_at(member)
            self.links.superseded(now, name, member.epoch)
            self.routing.member_up(now, name, member.epoch, member.address)
            self.routing.head(now, name, member.head)
            self._check_catalog(now)
        elif before in LIVE or before is None:
            self.links.gone(now, name)
            self.routing.member_down(now, name)
            if member.state is State.DEAD:
                self.broker.peer_died(now, name, member.epoch)

    # streams

    def _greet(self, now: float, stream: Stream, hello: Hello) -> None:
        assert stream.session is not None
        self._greeting.check(hello)
        if self.keys.bars(hello.role, stream.session.key, stream.address[0]):
            raise RemoteProtocolError(WANTED, code="KEY")
        if stream.role is None:
            stream.session.welcome(self._greeting.welcome(hello, stream.address))
            stream.role = self._roles[hello.role]
        stream.role.greeted(now, stream, hello)

    # when

    def _check_catalog(self, now: float) -> None:
        """A newcomer asks members for their catalog until one has answered."""
        if self._opened:
            return
        if self.ready:
            self._opened = True
            self._doors.opened(now)
            return
        if now < self._catalog_at:
            return
        members = self.membership.alive()
        self._catalog_at = now + CATALOG_RETRY_S if members else 0.0  # without members the next one asks
        if members:
            self.routing.want_catalog(now, members[round(now) % len(members)].address)

    def _check_drain(self, now: float) -> None:
        if self._drain_until is None or self._stopped:
            return
        self._check_at = now + DRAIN_CHECK_S
        broker, until = self.broker, self._drain_until
        broker.hand_over(now, self._takers(), until)
        over = now >= until + (LAST_WORD_S if broker.handing_over else 0.0)
        if over or broker.messages_left() == 0:
            self.stop(now)

    def _begin_drain(self, now: float, timeout_s: float) -> None:
        if self._drain_until is None and not self._stopped:
            self._drain_until = now + timeout_s
            self._views.draining = True
            self._emit(events.Draining(self.broker.messages_left(), timeout_s))

    def _takers(self) -> tuple[str, ...]:
        """The nodes that may take logs over, nearest first."""
        names = [member.name for member in self.membership.alive() if member.name != self.config.name]
        return tuple(sorted(names, key=self._nearness))

    # what is said

    def _refusing(self) -> str:
        """The code with which publishes are refused, or nothing."""
        if self._drain_until is not None or self._stopped:
            return "DRAINING"
        self._doors.wall_ns = self._wall_ns(self._now)
        return "" if self.ready else "STARTING"

    def _wall_ns(self, now: float) -> int:
        return self._wall_offset_ns + round(now * 1e9)

    def _emit(self, event: events.Event) -> None:
        self._out.append(Emit(event))
        self._doors.happened(event)

    def _peers(self, topic: str, channel: str) -> tuple[tuple[str, int], ...]:
        return tuple((name, self._nearness(name)) for name in self.routing.interested(topic, channel))

    def _nearness(self, name: str) -> int:
        if name == self.config.name:
            return 0
        member = self.membership.members.get(name)
        zone = self.config.zone
        return 1 if zone and member is not None and member.zone == zone else 2

    def _kinds(self) -> dict[str, Any]:
        views = self._views
        return {
            "members": views.members,
            "topics": views.topics,
            "stats": views.stats,
            "config": views.config,
            "ping": views.ping,
            **self._verbs.kinds,
            **self.keys.kinds,
            "drain": self._drain_asked,
            "peek": self._inside.peek,
            "why": self._why_asked,
        }

    def _why_asked(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        self._inside.refusing = self._refusing()
        return self._inside.why(now, arguments)

    def _drain_asked(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        timeout_s = arguments.get("timeout_s", DRAIN_TIMEOUT_S)
        if type(timeout_s) not in (int, float) or not 0 <= timeout_s <= 3600:
            raise RemoteProtocolError("timeout_s is 0 to 3600", code="BAD_ARGUMENT")
        self._begin_drain(now, timeout_s)
        self._check_at = now  # in a turn of its own: the answer leaves before the goodbye
        return {"messages": self.broker.messages_left()}

    def _introduce(self) -> None:
        self.membership.ask_before_death(self.links.heard_at)
        self.links.on_gossip = self._post.packet
        self.links.on_ask = self._asked
        self.links.on_answer = self._questions.answer
        self.links.on_up = self._questions.link_up
        self.links.on_call = self._post.call
        self._doors.on_ask = self._asked
        self.keys.on_change = self._keys_changed
        self.keys.on_cut = self._cut

    def _keys_changed(self, ring: Keyring) -> None:
        self._out.append(KeepKeys(ring.text()))
        in_use, *others = (key.name for key in ring.keys)
        self._emit(events.KeysChanged(in_use, ", ".join(others)))

    def _cut(self, now: float) -> None:
        """A key was removed: end what it had sealed."""
        for stream in self._streams.all():
            session = stream.session
            peer = session.peer if session is not None else None
            if session is not None and peer is not None and self.keys.bars(peer.role, session.key, stream.address[0]):
                self._streams.end(now, stream, "KEY", "the key of this stream was removed")

    def _asked(self, now: float, stream: Stream, ask: Ask) -> None:
        self._questions.ask(now, stream, ask)

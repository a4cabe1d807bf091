"""One node: membership, routing, broker and streams introduced to each other.

A driver feeds inputs (datagrams, stream bytes, time) and calls ``effects()`` once for all that came
since the last time: that call *is* the turn; ``ahead()``, right before it, gives what of it is done already.
Publishes of one turn to one topic, from any connection, become one batch; settlements of one turn leave in one frame.

Composition and the turn only. What happens to messages, members and names is decided by the machines below, who is told
of it by ``from_membership``, ``from_routing`` and ``from_broker`` beside this.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any, Final

from meshq.broker import effects as broker_effects
from meshq.broker.broker import Broker
from meshq.config import Config
from meshq.engine.counters import Counters
from meshq.engine.departure import Departure
from meshq.engine.doors import Doors
from meshq.engine.from_broker import FromBroker
from meshq.engine.from_membership import FromMembership
from meshq.engine.from_routing import FromRouting
from meshq.engine.greeting import Greeting
from meshq.engine.hearsay import Hearsay
from meshq.engine.inside import GATHERERS, Inside
from meshq.engine.keys import Keys
from meshq.engine.links import Links
from meshq.engine.nearness import Nearness
from meshq.engine.opening import Opening
from meshq.engine.pages import gather_stats
from meshq.engine.peers import known_peers
from meshq.engine.post import Post
from meshq.engine.questions import Questions
from meshq.engine.reception import Reception
from meshq.engine.recovery import recover
from meshq.engine.strangers import Strangers
from meshq.engine.streams import Role, Streams
from meshq.engine.unused import Unused
from meshq.engine.uses import Uses
from meshq.engine.verbs import Verbs
from meshq.engine.views import Views
from meshq.engine.writers import Writers
from meshq.machine import events
from meshq.machine.effects import Address, Effect, Emit
from meshq.machine.rng import Rng
from meshq.machine.store import BatchRow, Recovered
from meshq.membership.membership import Membership
from meshq.names import Epoch
from meshq.routing.routing import Routing
from meshq.wire.keyring import Secrecy

ROUNDS_MAX: Final = 100
"""How often the machines may answer each other within a turn; what is left waits for the next."""


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
        seeds_named = len(config.seeds)
        if recovered is not None:
            config = replace(config, seeds=(*config.seeds, *known_peers(recovered.puts, config)))
        self.config = config
        self._now = 0.0
        self._more = False
        self._out: list[Effect] = []
        self.counters = Counters()
        self.membership = Membership(config, epoch, rng, bound=bound, advertised=advertised, seeds_named=seeds_named)
        self.routing = Routing(config, epoch, rng)
        self.broker = Broker(config, epoch, rng)
        self.keys = Keys(config, secrecy, self._out, self._emit)
        self._compose_streams(rng)
        self._compose_turn(epoch)
        self._compose_answers()
        self._introduce()

    # composition

    def _compose_streams(self, rng: Rng) -> None:
        """What comes and goes over the network, by packets and by streams."""
        config, keys, counters, emit = self.config, self.keys, self.counters, self._emit
        membership, routing, broker = self.membership, self.routing, self.broker
        self._opening = Opening(config, membership, routing, emit)
        self._streams = streams = Streams(config.link, keys, counters)
        strangers, greeting = Strangers(emit), Greeting(config, membership, keys)
        self.links = links = Links(config, rng, streams, greeting, membership, broker, emit)
        hearsay = Hearsay(streams, greeting, counters)
        self._post = Post(
            config, keys.datagrams, strangers, streams, hearsay, links, membership, routing, self._out, counters
        )
        self._doors = doors = Doors(config, streams, self._opening.refusing, self._wall_ns, broker, routing)
        roles: dict[str, Role] = {"node": links, "client": doors, "gossip": hearsay}
        self._reception = Reception(config.link, keys, strangers, streams, greeting, doors, roles, counters)

    def _compose_turn(self, epoch: Epoch) -> None:
        """Who is told what the machines decide, and what is done once a turn."""
        config, membership, routing, broker = self.config, self.membership, self.routing, self.broker
        streams, links, post, doors, opening = self._streams, self.links, self._post, self._doors, self._opening
        out, emit = self._out, self._emit
        nearness, uses = Nearness(config, membership), Uses(opening, routing, broker, emit)
        self._departure = departure = Departure(
            config, opening, nearness, membership, broker, streams, links, post.hearsay, doors, out, emit, self._settle
        )
        self._from_broker = FromBroker(links, doors, uses, out, emit)
        self._from_routing = FromRouting(nearness, membership, routing, broker, post, doors, uses, emit)
        self._from_membership = FromMembership(
            config.name, epoch, routing, broker, links, post, opening, departure, out, emit
        )
        self._writers = Writers(config.link, broker, links, streams, nearness)

    def _compose_answers(self) -> None:
        """What answers questions, and what wants to be woken."""
        config, membership, routing, broker = self.config, self.membership, self.routing, self.broker
        keys, streams, links, opening, departure = self.keys, self._streams, self.links, self._opening, self._departure
        self._views = views = Views(config, membership, routing, broker, links, streams, departure, self.counters)
        inside = Inside(config, membership, routing, broker, links, opening.refusing)
        verbs = Verbs(routing, self._wall_ns)
        kinds = {**views.kinds, **verbs.kinds, **keys.kinds, **inside.kinds, "drain": departure.asked}
        gatherers = {**GATHERERS, "stats": gather_stats}
        self._questions = questions = Questions(config, keys, streams, links, membership, kinds, gatherers)
        unused = Unused(config.routing, membership, routing, broker)
        self._timed = (membership, routing, broker, streams, links, self._post.hearsay, unused, keys, questions)
        self._deadlines = tuple(machine.deadline for machine in self._timed)

    def _introduce(self) -> None:
        self.membership.ask_before_death(self.links.heard_at)
        self.links.on_gossip = self._post.packet
        self.links.on_ask = self._questions.ask
        self.links.on_answer = self._questions.answer
        self.links.on_up = self._questions.link_up
        self.links.on_call = self._post.call
        self._doors.on_ask = self._questions.ask
        self._opening.on_open = self._doors.subscriptions.opened
        self.keys.on_cut = self._reception.cut

    # inputs

    @property
    def ready(self) -> bool:
        """Whether publishes are accepted: the catalog of another member is here, or there is none."""
        return self._opening.ready

    @property
    def epoch(self) -> Epoch:
        """Of this start, or what it had to be raised to."""
        return self._from_membership.epoch

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
            if self._recovered.lost:
                self._emit(events.Trouble(f"{self._recovered.lost} batches were lost with a damaged store"))
            recover(now, wall_ns, self._recovered, self.broker, self.routing, self._settle)
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
        self._reception.connected(now, stream)

    def received(self, now: float, stream: int, data: bytes) -> None:
        """Bytes of a stream; bad ones cost their sender the stream."""
        self._now = now
        self._reception.received(now, stream, data)

    def closed(self, now: float, stream: int, reason: str) -> None:
        """A stream is gone, or its dial failed: eof, reset, refused, timeout, unreachable, error."""
        self._now = now
        self._streams.lost(now, stream, reason)

    def buffered(self, now: float, stream: int, size_bytes: int) -> None:
        """So much waits in the stream's transport; above the limit, messages stay in the broker."""
        self._now = now
        self._reception.buffered(now, stream, size_bytes)

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
        self._opening.check(now)
        self._departure.check(now)

    def drain(self, now: float, timeout_s: float) -> None:
        """Refuse publishes, hand logs to other nodes until nothing is left or the time is over, then leave."""
        self._now = now
        self._departure.begin(now, timeout_s)
        self._departure.check(now)

    def stop(self, now: float) -> None:
        """Leave at once; ends in a Stop effect that says how many messages went with the node."""
        self._now = now
        self._departure.stop(now)

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
            self._doors.publishes.confirmed(effect)
        return self._streams.output(self._now)

    def effects(self) -> list[Effect]:
        """End the turn: everything that is to be done, in order."""
        self._more = False
        self._settle()
        if not self._opening.open and self._opening.ready:
            self._opening.check(self._now)
            self._settle()
        self._departure.finish(self._now)
        if self._writers.pull(self._now):
            self._more = True
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
        for waits_until in (self._departure.check_at, None if self._opening.open else self._opening.deadline()):
            if waits_until is not None and waits_until < first:
                first = waits_until
        return None if first == inf else first

    def view(self) -> dict[str, Any]:
        """A snapshot for checkers: plain values, nothing shared."""
        return {**self._views.snapshot(), "ready": self.ready}

    # the turn

    def _settle(self) -> None:
        """Let the machines answer each other until none has anything to say."""
        now, broker = self._now, self.broker
        publishes, subscriptions = self._doors.publishes, self._doors.subscriptions
        for _ in range(ROUNDS_MAX):
            busy = False
            for broker_effect in broker.effects():
                # The two of every message go to a client and stir no machine: nobody need be asked again for them.
                if type(broker_effect) is broker_effects.Hand:
                    subscriptions.hand(broker_effect)
                elif type(broker_effect) is broker_effects.Confirmed:
                    publishes.confirmed(broker_effect)
                else:
                    busy = True
                    self._from_broker.tell(now, broker_effect)
            if told := self.routing.effects():
                busy = True
                self._from_routing.tell(now, told)
            for membership_effect in self.membership.effects():
                busy = True
                self._from_membership.tell(now, membership_effect)
            if not busy and not broker.stirred:
                return
        self._more = True

    # what is said

    def _wall_ns(self, now: float) -> int:
        return self._wall_offset_ns + round(now * 1e9)

    def _emit(self, event: events.Event) -> None:
        self._out.append(Emit(event))
        self._doors.watchers.happened(event)

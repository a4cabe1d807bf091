"""The broker of one node: topics, logs, channels, credit, leases; both ends of the credit protocol.

Composition: every verb sets the time and goes to the part that it is about; ``effects()`` ends the turn by
running the send rules of what was touched until nothing is. The rules are those parts' own, what consumers ask is
``consumers``'. The own node's logs are lent to its own consumers by direct calls, to other nodes by frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from meshq.broker import views
from meshq.broker.batch import PLAIN, Traits
from meshq.broker.check import check
from meshq.broker.consumers import Consumers
from meshq.broker.counters import Counters
from meshq.broker.dead import Undertaker
from meshq.broker.effects import BrokerEffect, Confirmed, ToPeer
from meshq.broker.exchange import Exchange
from meshq.broker.existence import Existence
from meshq.broker.gathering import Publishing
from meshq.broker.giving import Giver
from meshq.broker.intake import Intake
from meshq.broker.loading import Loader
from meshq.broker.peek import Glance, peek
from meshq.broker.registry import Registry
from meshq.broker.retention import Retentions
from meshq.broker.taking import Taker
from meshq.broker.turn import Turn, Wanted
from meshq.broker.why import Why, why
from meshq.broker.window import Windows
from meshq.config import Config
from meshq.errors import ChannelDeleted
from meshq.machine.rng import Rng
from meshq.machine.store import BatchRow, LogKept, Put, Row
from meshq.names import ChannelKey, Epoch, is_ephemeral
from meshq.wire.frames import Frame

NO_SETTINGS: Final[Mapping[str, Any]] = {}


class Broker:
    """One node's messages. Synchronous: verbs in, ``effects()`` out, ``deadline()`` for the next ``tick``."""

    def __init__(self, config: Config, epoch: Epoch, rng: Rng) -> None:
        self._turn = Turn(config)
        self._registry = Registry(self._turn)
        self._turn.loader = self._loader = Loader(self._turn)
        self._turn.retentions = self._retentions = Retentions(self._turn)
        windows = Windows(self._turn)
        self._intake = Intake(self._turn, windows)
        self._existence = Existence(self._registry, self._intake, windows, epoch)
        self._turn.giver = self._giver = Giver(self._registry, self._intake)
        self._exchange = Exchange(self._registry, rng, self._giver, Taker(self._registry, self._intake))
        self._undertaker = Undertaker(self._turn, self._intake)
        self.consumers = Consumers(self._registry)
        """What consumers ask."""

    def raise_epoch(self, epoch: Epoch) -> None:
        """Before anything was accepted: the mesh remembers a later start of this name, so logs bear ``epoch``."""
        self._existence.epoch = epoch
        for topic in self._registry.topics.values():
            topic.rename(epoch)

    # publishing

    def publish(
        self,
        now: float,
        token: int,
        topic: str,
        generation: int,
        count: int,
        body: bytes,
        *,
        traits: Traits = PLAIN,
        wall_ns: int,
        publish_id: str = "",
    ) -> None:
        """Accept ``count`` messages; answered by Confirmed(token) or Unkept(token). ``body`` was checked by the door.

        Those of a ``publish_id`` that is known are there already. Raises Overloaded or StoreTrouble, with nothing
        changed, when they can't be accepted, InvalidMessage when the id was another's, and ChannelDeleted when the
        topic's life ``generation`` is over, or a channel that they are for.
        """
        turn = self._turn
        turn.now = now
        found = self._existence.topic(topic, generation)
        if publish_id and turn.ids.again(found, publish_id, token, count):
            return
        for channel in traits.channels:
            if channel not in found.channels:
                raise ChannelDeleted(f"{topic} has no channel {channel}: nobody would get what is for it alone")
        ttl_s = found.settings.ttl_s
        if ttl_s and not traits.expires:
            traits = traits._replace(expires=now + ttl_s)
        self._intake.accept(found, Publishing(token, count, body, wall_ns, traits))
        if publish_id:
            turn.ids.accepted(found, publish_id, token, count)

    def level(self, topic: str) -> str:
        """How safe a message of the topic is, unless its publish says so itself."""
        found = self._registry.topics.get(topic)
        return (found.settings.level if found is not None else "") or self._turn.config.broker.level

    def bury(self, now: float, topic: str, generation: int) -> None:
        """``topic``, which was asked for by DeadLetters, exists: what is dying for it is published there."""
        self._turn.now = now
        if self.trouble and not is_ephemeral(topic):
            self._undertaker.spare(topic)  # letters would be refused
        else:
            self._undertaker.bury(self._existence.topic(topic, generation))

    def spare(self, now: float, topic: str) -> None:
        """It can't exist now: what is dying for it is delivered once more, later."""
        self._turn.now = now
        self._undertaker.spare(topic)

    # the store

    @property
    def stores(self) -> bool:
        """Whether the node has a store."""
        return self._turn.journal.on

    @property
    def trouble(self) -> str:
        """What is wrong with the store; empty: nothing."""
        return self._intake.trouble

    def recover(self, now: float, wall_ns: int, logs: list[LogKept]) -> None:
        """There is a store, and this is what it kept. Channels are to be announced next, then ``recovered``."""
        self.wall(now, wall_ns)
        self._turn.journal.on = True
        self._existence.recover(logs)

    def recover_ids(self, now: float, puts: list[Put]) -> None:
        """The publish ids among what the store kept."""
        self._turn.now = now
        self._turn.ids.recover(puts)

    def recovered(self, now: float) -> None:
        """Every channel that the node knew has been announced."""
        self._turn.now = now
        self._existence.recovered()

    def put(self, row: Row) -> None:
        """Something that other machines want kept goes with this turn's rows."""
        if self._turn.journal.on:
            self._turn.journal.rows.append(row)

    def write_behind(self, now: float) -> None:
        """The node ends: what would be written in a moment is written now."""
        self._turn.now = now
        self._turn.journal.rang()

    def stored(self, now: float, token: int) -> None:
        """The rows of that Store are kept: their publishes are confirmed."""
        self._turn.now = now
        self._intake.stored(token)

    def unstored(self, now: float, token: int, why: str) -> None:
        """The batches of that Store could not be kept: their publishes are refused."""
        self._turn.now = now
        self._intake.unstored(token, why)

    def loaded(self, now: float, token: int, rows: list[BatchRow] | None) -> None:
        """What a Load or LoadDue asked for; None when the store could not read now."""
        self._turn.now = now
        if not (self._giver.loaded(token, rows) or self._existence.legacies.loaded(token, rows)):
            self._loader.loaded(token, rows)

    def store_health(self, now: float, text: str, *, full: bool = False) -> None:
        """What is wrong with the store; empty when it works again. ``full``: it has no room."""
        self._turn.now = now
        self._intake.trouble = text
        self._retentions.disk(full=full)

    # what exists, as routing says

    def topic_born(self, now: float, topic: str, generation: int) -> None:
        """This life of the topic exists; an earlier one is over."""
        self._turn.now = now
        self._existence.topic_born(topic, generation)

    def topic_ended(self, now: float, topic: str, generation: int) -> None:
        """The topic was deleted, with its channels and every message accepted before."""
        self._turn.now = now
        self._existence.topic_ended(topic, generation)

    def accepted_since(self, topic: str, generation: int, at: float) -> list[Publishing]:
        """Unfinished messages of that life of the topic, which ends now, accepted here after ``at``. More may follow
        as CarryOver: those that the store alone has."""
        self._intake.close_batches()
        return self._existence.accepted_since(topic, generation, at)

    def in_use(self, topic: str) -> tuple[int, int]:
        """How many messages of the topic are here, and how many were ever published to it here."""
        found = self._registry.topics.get(topic)
        return (0, 0) if found is None else (found.messages + found.gathering.messages, found.published)

    def carry_over(self, now: float, topic: str, generation: int, later: list[Publishing]) -> None:
        """Messages of an earlier life belong to this one: they were accepted after its delete, elsewhere."""
        self._turn.now = now
        found = self._existence.topic(topic, generation)
        for publishing in later:
            self._intake.keep(found, publishing)

    def channel_born(
        self,
        now: float,
        topic: str,
        channel: str,
        generation: int,
        age_s: float,
        local: bool,
        settings: Mapping[str, Any] = NO_SETTINGS,
    ) -> None:
        """The channel exists, since ``age_s``; ``local``: it was created here just now. Its topic exists.

        ``settings``: how it was set when it was first heard of; where it begins is among them.
        """
        self._turn.now = now
        self._existence.channel_born(ChannelKey(topic, channel, generation), age_s, local=local, settings=settings)

    def channel_ended(self, now: float, topic: str, channel: str, generation: int) -> None:
        """The channel is over: its messages are gone, its consumers are told, its credit goes back."""
        self._turn.now = now
        self._existence.channel_ended(ChannelKey(topic, channel, generation))

    def configured(self, now: float, topic: str, channel: str, settings: dict[str, Any]) -> None:
        """The topic (``channel`` is empty) or channel, which exists, is set so from now on: name to plain value."""
        self._turn.now = now
        self._existence.configured(topic, channel, settings)

    def interest(self, now: float, topic: str, channel: str, peers: tuple[tuple[str, int], ...]) -> None:
        """Who has consumers on the channel: (node, nearness). The own node knows its own by itself."""
        self._turn.now = now
        self._existence.interest(topic, channel, peers)

    # leaving

    def hand_over(self, now: float, peers: tuple[str, ...], until: float) -> None:
        """The node drains until then: logs go to ``peers``, the best first, if they are willing. To be said again
        now and then, with the peers that there are; what is on its way goes on by itself."""
        self._turn.now = now
        self._giver.run(peers, until)

    @property
    def handing_over(self) -> bool:
        """Whether a log is with a taker that owes its last word: this node is to wait a moment for it."""
        return self._giver.in_hand()

    # sessions with other nodes

    def session_began(self, now: float, peer: str, epoch: Epoch) -> None:
        """There is a link to ``peer``: a new session, which ends an earlier one."""
        self._turn.now = now
        self._exchange.began(peer, epoch)

    def session_ended(self, now: float, peer: str) -> int:
        """The link is gone: leases and credit with it. Returns how many leased messages came back."""
        self._turn.now = now
        return self._exchange.ended(peer)

    def peer_died(self, now: float, peer: str, epoch: Epoch) -> None:
        """That start of ``peer`` is over: what it held when its session ended counts an attempt."""
        self._turn.now = now
        self._exchange.died(peer, epoch)

    def peer_forgotten(self, now: float, peer: str) -> None:
        """The member will not come back under this name as far as anybody knows: forget what waits for it."""
        self._turn.now = now
        self._exchange.ended(peer)
        self._registry.forget_peer(peer)

    def frame(self, now: float, peer: str, frame: Any) -> None:
        """A frame of the credit protocol from ``peer``, of the present session."""
        self._turn.now = now
        self._exchange.frame(peer, frame)

    def pull(self, now: float, peer: str, room_bytes: int) -> list[Frame]:
        """The writer to ``peer`` takes frames: control first, then channels in turn until the room is used."""
        self._turn.now = now
        return self._exchange.pull(peer, room_bytes)

    def wants_pull(self, peer: str) -> bool:
        """Whether ``pull`` may have something for ``peer``."""
        return self._exchange.wants_pull(peer)

    def pullable(self) -> list[str]:
        """The peers that want pulling, nearest first, in rotation among equals: the order to pull in."""
        return self._exchange.pullable()

    def heartbeat(self, now: float, peer: str) -> list[Frame]:
        """Acknowledgements and audits, behind every frame that was due before them."""
        self._turn.now = now
        return self._exchange.heartbeat(peer)

    def idle(self, peer: str) -> bool:
        """Whether a link to ``peer`` would serve nobody: no leases, no messages, no unacknowledged FINs."""
        return self._exchange.idle(peer)

    # time, and the turn

    def wall(self, now: float, wall_ns: int) -> None:
        """It is ``wall_ns`` since 1970 now. What waits in memory waits by the monotonic clock, in the store by this."""
        self._turn.now = now
        self._turn.offset_ns = wall_ns - round(now * 1e9)
        self._loader.wall_moved()

    def tick(self, now: float) -> None:
        """Run what is due: expired hands, deferred messages, old batches."""
        self._turn.now = now
        for key in self._turn.timers.due(now):
            if type(key) is Wanted:
                self._want_again(key)
            else:
                key.rang()

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return self._turn.timers.deadline()

    def confirm(self) -> list[Confirmed]:
        """Before ``effects``, or not at all: close batches, and confirm what waits for nothing more.

        While a publish with an id waits its answer is another's as well: then all leave with ``effects``.
        """
        intake = self._intake
        if not intake.gathers:
            return []
        intake.close_batches()
        return [] if self._turn.ids.pending else intake.confirm()

    def effects(self) -> list[BrokerEffect]:
        """End the turn: close batches, run the send rules of what was touched, hand out what is to be done."""
        turn = self._turn
        self._intake.close_batches()
        self._run()
        if turn.dying:
            self._undertaker.announce()
        if self._retentions.stirred:
            self._retentions.trim()
        if turn.drained:
            self._existence.tidy()
        if turn.finishing:
            finishing, turn.finishing = turn.finishing, {}
            for source in finishing:
                source.flush()
        if self._existence.legacies:
            self._existence.legacies.run()
        self._intake.store()
        for peer in self._registry.peers.values():
            if peer.outbox:
                turn.out += [ToPeer(peer.name, frame) for frame in peer.take_outbox()]
        out, turn.out = turn.out, []
        return turn.ids.answered(out) if turn.ids.pending else out

    @property
    def stirred(self) -> bool:
        """Whether ``effects`` would have something to do, though no verb was called since the last time."""
        turn = self._turn
        return bool(turn.channels or turn.receivers or turn.finishing or turn.drained)

    def _run(self) -> None:
        channels, receivers = self._turn.channels, self._turn.receivers
        while receivers or channels:
            touched: dict[Any, None] = receivers or channels
            one = next(iter(touched))
            del touched[one]
            one.run()
            self._turn.note(one)

    def _want_again(self, wanted: Wanted) -> None:
        names, wanted.names = wanted.names, {}
        for name in names:
            if not self.idle(name):
                self._turn.want(name)

    # views

    @property
    def memory_bytes(self) -> int:
        """Held as origin: bodies, and what each batch costs besides."""
        return self._turn.memory_bytes + self._intake.gathered_bytes

    @property
    def counters(self) -> Counters:
        """What happened since the start."""
        return self._turn.counters

    def messages_left(self) -> int:
        """Own messages that some channel has not finished, or that wait for a first channel."""
        here = sum(topic.messages + topic.gathering.messages for topic in self._registry.topics.values())
        return here + self._existence.legacies.messages

    def why(self, topic: str, channel: str) -> Why:
        """Why the channel's next message is not delivered."""
        found = self._registry.topics.get(topic)
        if found is None:
            return Why.NO_TOPIC
        if channel not in found.channels:
            return Why.NO_CHANNEL
        one = found.channels[channel]
        return why(one, self._registry.receivers.get(one.key), unconfirmed=self._intake.unconfirmed())

    def explain(self, now: float, topic: str) -> dict[str, Any]:
        """What this node knows of why messages of the topic wait, by channel."""
        self._turn.now = now
        return views.explain(self._registry, topic, unconfirmed=self._intake.unconfirmed())

    def peek(self, now: float, topic: str, channel: str, glance: Glance) -> dict[str, Any]:
        """Messages of the channel that are not finished here; without ``channel``: those kept for the first."""
        self._turn.now = now
        return peek(self._registry, topic, channel, glance)

    def stats(self, after: str = "", only: str = "") -> Iterator[dict[str, Any]]:
        """Topics with their channels, as the ``stats`` question answers: by name, those behind ``after``; ``only``
        that one, if it is named. Made as they are taken."""
        return views.stats(self._registry, after, only, unconfirmed=self._intake.unconfirmed())

    def check(self) -> None:
        """Assert what must always hold (I3, I5, the ledger's sums), of what changed since the last check."""
        check(self._turn, self._registry)

"""The broker of one node: topics, logs, channels, credit, leases; both ends of the credit protocol.

Composition: every verb finds the object it is about and marks it touched; ``effects()`` ends the turn by
running the send rules of what was touched until nothing is. The rules are those objects' own. The own
node's logs are lent to its own consumers by direct calls, to other nodes by frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.broker import views
from meshq.broker.batch import Payload
from meshq.broker.borrower import Borrower
from meshq.broker.channel import Channel
from meshq.broker.check import check_channel, check_receiver
from meshq.broker.consumer import Consumer
from meshq.broker.counters import Counters
from meshq.broker.effects import BrokerEffect, Confirmed, ConsumerEnded, ToPeer
from meshq.broker.gathering import Publishing
from meshq.broker.parties import FramesToOrigin, FramesToReceiver
from meshq.broker.peer import Peer
from meshq.broker.receiver import Receiver
from meshq.broker.source import OwnSource, Source
from meshq.broker.topic import Topic
from meshq.broker.turn import Turn, Wanted
from meshq.broker.why import Why
from meshq.broker.window import Windows
from meshq.config import Config
from meshq.errors import ChannelDeleted, Overloaded
from meshq.machine.effects import Store
from meshq.machine.rng import Rng
from meshq.names import ChannelKey, Epoch, LogId
from meshq.wire.frames import (
    Audit,
    Deliver,
    Fin,
    FinAck,
    Frame,
    Grant,
    Ready,
    Recall,
    Recalled,
    Req,
    Return,
    Span,
)

LEVEL: Final = "memory"
"""The durability that a confirmation names: messages are kept in memory."""
ENDED_MAX: Final = 10_000
FRAME_OVERHEAD_BYTES: Final = 128
"""What a DELIVER takes besides its body, about."""


class Broker:
    """One node's messages. Synchronous: verbs in, ``effects()`` out, ``deadline()`` for the next ``tick``."""

    def __init__(self, config: Config, epoch: Epoch, rng: Rng) -> None:
        self._config = config
        self._name = config.name
        self._epoch = epoch
        self._rng = rng
        self._turn = Turn(config)
        self._windows = Windows(self._turn)
        self._topics: dict[str, Topic] = {}
        self._ended: dict[str, int] = {}
        self._channels: dict[ChannelKey, Channel] = {}
        self._receivers: dict[ChannelKey, Receiver] = {}
        self._consumers: dict[int, Consumer] = {}
        self._peers: dict[str, Peer] = {}
        self._interest: dict[tuple[str, str], tuple[tuple[str, int], ...]] = {}
        self._gathered: dict[Topic, None] = {}
        self._gathered_bytes = 0
        self._confirming: list[tuple[int, LogId, int]] = []
        self._storing: dict[int, list[tuple[int, LogId, int]]] = {}
        self._frames: dict[type[Any], Callable[[Peer, Any], None]] = {
            Ready: self._ready,
            Grant: self._grant,
            Deliver: self._deliver,
            Recall: self._recall,
            Recalled: self._recalled,
            Fin: self._fin,
            FinAck: self._fin_ack,
            Req: self._req,
            Return: self._return,
            Audit: self._audit,
        }

    def raise_epoch(self, epoch: Epoch) -> None:
        """Before anything was accepted: the mesh remembers a later start of this name, so logs bear ``epoch``."""
        assert not self._topics, "logs are open under the earlier epoch"
        self._epoch = epoch

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
        delay_s: float = 0.0,
        wall_ns: int,
    ) -> None:
        """Accept ``count`` messages; answered by Confirmed(token). ``body`` was checked by the door.

        Raises Overloaded, with nothing changed, when a limit says no, and ChannelDeleted when the topic's
        life ``generation`` is over.
        """
        self._turn.now = now
        found = self._topics.get(topic)
        if found is None or found.generation != generation:
            found = self._topic_for(now, topic, generation)
        self._check_room(found, count, len(body))
        due = now + delay_s if delay_s > 0 else 0.0
        found.gathering.add(Publishing(token, count, body, due, wall_ns))
        self._gathered[found] = None
        self._gathered_bytes += len(body)

    def stored(self, now: float, token: int) -> None:
        """The rows of that Store are kept: their publishes are confirmed."""
        self._turn.now = now
        for publish, log, first in self._storing.pop(token, ()):
            self._turn.out.append(Confirmed(publish, log, first, LEVEL))

    def _topic_for(self, now: float, name: str, generation: int) -> Topic:
        found = self._topics.get(name)
        if generation <= self._ended.get(name, 0) or (found is not None and generation < found.generation):
            self._turn.counters.refused += 1
            raise ChannelDeleted(f"topic {name} was deleted meanwhile: publish again to start it anew")
        self.topic_born(now, name, generation)
        return self._topics[name]

    def _check_room(self, topic: Topic, count: int, size_bytes: int) -> None:
        limits, turn = self._config.broker, self._turn
        if topic.log.messages + topic.gathering.messages + count > limits.topic_messages_max:
            turn.counters.refused += 1
            raise Overloaded(
                f"topic {topic.name} has {topic.log.messages} unfinished messages here (topic_messages_max is "
                f"{limits.topic_messages_max}): add consumers, delete what nobody reads, or raise the limit",
                limit="topic_messages_max",
            )
        while turn.memory_bytes + self._gathered_bytes + size_bytes > limits.memory_bytes_max:
            if not self._windows.evict_oldest():
                turn.counters.refused += 1
                raise Overloaded(
                    f"this node holds {turn.memory_bytes >> 20} MiB of messages (memory_bytes_max is "
                    f"{limits.memory_bytes_max >> 20} MiB): try again when consumers have caught up, or another node",
                    limit="memory_bytes_max",
                )

    def _close_batches(self) -> None:
        """What was published since the last turn becomes batches, before anything else happens to the logs."""
        gathered, self._gathered = self._gathered, {}
        self._gathered_bytes = 0
        for topic in gathered:
            self._confirming += topic.close_batches()

    # what exists

    def topic_born(self, now: float, topic: str, generation: int) -> None:
        """This life of the topic exists; an earlier one is over."""
        self._turn.now = now
        found = self._topics.get(topic)
        if found is not None:
            if found.generation >= generation:
                return
            self.topic_ended(now, topic, found.generation)
        if generation > self._ended.get(topic, 0):
            self._topics[topic] = Topic(self._turn, self._windows, topic, generation, self._epoch)

    def topic_ended(self, now: float, topic: str, generation: int) -> None:
        """The topic was deleted, with its channels and every message accepted before."""
        self._turn.now = now
        self._close_batches()
        self._ended[topic] = max(generation, self._ended.get(topic, 0))
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]
        found = self._topics.get(topic)
        if found is None or found.generation > generation:
            return
        if not found.channels:
            self._turn.counters.dropped += found.log.messages
        for channel in list(found.channels.values()):
            self.channel_ended(now, topic, channel.key.channel, channel.key.generation)
        found.drop()
        del self._topics[topic]

    def accepted_since(self, topic: str, generation: int, at: float) -> list[Publishing]:
        """Unfinished messages of that life of the topic, accepted here after ``at``."""
        self._close_batches()
        found = self._topics.get(topic)
        return found.unfinished_since(at) if found is not None and found.generation == generation else []

    def carry_over(self, now: float, topic: str, generation: int, later: list[Publishing]) -> None:
        """Messages of an earlier life belong to this one: they were accepted after its delete, elsewhere."""
        self._turn.now = now
        found = self._topic_for(now, topic, generation)
        for publishing in later:
            found.gathering.add(publishing)
            self._gathered_bytes += len(publishing.body)
        self._gathered[found] = None

    def channel_born(self, now: float, topic: str, channel: str, generation: int, age_s: float, local: bool) -> None:
        """The channel exists, since ``age_s``; ``local``: it was created here just now."""
        self._turn.now = now
        self._close_batches()
        found = self._topics.get(topic)
        if found is None:
            return
        key = ChannelKey(topic, channel, generation)
        before = found.channels.get(channel)
        if before is not None:
            if before.key.generation >= generation:
                return
            self.channel_ended(now, topic, channel, before.key.generation)
        born = found.channels[channel] = self._channels[key] = Channel(self._turn, key)
        receiver = self._receivers.get(key)
        if receiver is not None:
            self._introduce(born, receiver)
        self._apply_interest(born, self._interest.get((topic, channel), ()))
        born.join_log(found.log, age_s, exact=local)

    def channel_ended(self, now: float, topic: str, channel: str, generation: int) -> None:
        """The channel is over: its messages are gone, its consumers are told, its credit goes back."""
        self._turn.now = now
        self._close_batches()
        key = ChannelKey(topic, channel, generation)
        ended = self._channels.pop(key, None)
        if ended is not None:
            del self._topics[topic].channels[channel]
            self._turn.counters.dropped += ended.leave_logs()
            self._forget_channel(ended)
        receiver = self._receivers.get(key)
        if receiver is not None:
            for consumer in list(receiver.consumers.values()):
                text = f"channel {channel} of topic {topic} was deleted; what it held is gone"
                self._turn.out.append(ConsumerEnded(consumer.number, "DELETED", text))
                del self._consumers[consumer.number]
                self._turn.timers.cancel(consumer)
            self._forget_receiver(receiver)

    def _forget_channel(self, channel: Channel) -> None:
        """Give back the credit that borrowers have, so that both ends agree."""
        for name, borrower in channel.borrowers.items():
            if borrower.session and (borrower.messages or borrower.bytes):
                borrower.to.recalled(borrower.messages, borrower.bytes)
            peer = self._peers[name]
            del peer.borrowers[channel.key]
            peer.flagged.pop(channel, None)
        receiver = self._receivers.get(channel.key)
        own = receiver.sources.pop(self._name, None) if receiver is not None else None
        if own is not None:
            own.end()
        self._turn.channels.pop(channel, None)

    def interest(self, now: float, topic: str, channel: str, peers: tuple[tuple[str, int], ...]) -> None:
        """Who has consumers on the channel: (node, nearness). The own node knows its own by itself."""
        self._turn.now = now
        if peers:
            self._interest[topic, channel] = peers
        else:
            self._interest.pop((topic, channel), None)
        found = self._topics.get(topic)
        if found is not None and channel in found.channels:
            self._apply_interest(found.channels[channel], peers)

    def _apply_interest(self, channel: Channel, peers: tuple[tuple[str, int], ...]) -> None:
        interested = dict(peers)
        for name, borrower in list(channel.borrowers.items()):
            borrower.interested = name in interested
            if borrower.empty():
                self._forget_borrower(channel, name)
        for name, nearness in peers:
            if name != self._name:
                self._peer(name).nearness = nearness
                self._borrower(channel, name).interested = True
        channel.touch()

    def _borrower(self, channel: Channel, name: str) -> Borrower:
        borrower = channel.borrowers.get(name)
        if borrower is None:
            peer = channel.peers[name] = self._peer(name)
            borrower = Borrower(channel, name, FramesToReceiver(channel.key, peer.outbox))
            channel.borrowers[name] = peer.borrowers[channel.key] = borrower
            if peer.session and peer.epoch is not None:
                borrower.begin(peer.epoch)
        return borrower

    def _forget_borrower(self, channel: Channel, name: str) -> None:
        del channel.borrowers[name]
        del channel.peers[name]
        del self._peers[name].borrowers[channel.key]

    def _introduce(self, channel: Channel, receiver: Receiver) -> None:
        """The own node's logs are one origin of its receiver, its receiver one borrower of the channel."""
        own = OwnSource(receiver, self._name)
        borrower = Borrower(channel, self._name, own)
        own.meet(borrower)
        borrower.session = True
        borrower.interested = bool(receiver.consumers)
        channel.own = borrower
        receiver.sources[self._name] = own
        channel.touch()

    # sessions

    def session_began(self, now: float, peer: str, epoch: Epoch) -> None:
        """There is a link to ``peer``: a new session, which ends an earlier one."""
        self._turn.now = now
        found = self._peer(peer)
        if found.session:
            self.session_ended(now, peer)
        found.session = True
        found.epoch = epoch
        self._turn.wanted.names.pop(peer, None)
        for source in found.sources.values():
            source.begin()
        for borrower in found.borrowers.values():
            borrower.begin(epoch)

    def session_ended(self, now: float, peer: str) -> int:
        """The link is gone: leases and credit with it. Returns how many leased messages came back."""
        self._turn.now = now
        found = self._peers.get(peer)
        if found is None or not found.session:
            return 0
        found.session = False
        found.outbox.clear()
        found.flagged.clear()
        messages = 0
        for borrower in list(found.borrowers.values()):
            messages += borrower.end()
            if found.epoch is not None and found.epoch == found.dead_epoch and borrower.marks:
                borrower.count_dead()
            if borrower.empty():
                self._forget_borrower(borrower.channel, peer)
        for source in list(found.sources.values()):
            source.end()
            self._turn.finishing.pop(source, None)
            self._tidy_source(found, source)
        if not self._idle(found):
            self._turn.want(peer)
        return messages

    def peer_died(self, now: float, peer: str, epoch: Epoch) -> None:
        """That start of ``peer`` is over: what it held when its session ended counts an attempt."""
        self._turn.now = now
        found = self._peer(peer)
        found.dead_epoch = epoch
        for borrower in found.borrowers.values():
            if borrower.marks_epoch == epoch:
                borrower.count_dead()

    def peer_forgotten(self, now: float, peer: str) -> None:
        """The member will not come back under this name as far as anybody knows: forget what waits for it."""
        self.session_ended(now, peer)
        found = self._peers.pop(peer, None)
        self._turn.wanted.names.pop(peer, None)
        if found is not None:
            for borrower in list(found.borrowers.values()):
                borrower.channel.borrowers.pop(peer, None)
                borrower.channel.peers.pop(peer, None)
            for source in found.sources.values():
                source.receiver.forget_source(source)

    def frame(self, now: float, peer: str, frame: Any) -> None:
        """A frame of the present session; one of an ended session is never read."""
        self._turn.now = now
        found = self._peers.get(peer)
        if found is not None and found.session:
            self._frames[type(frame)](found, frame)

    def pull(self, now: float, peer: str, room_bytes: int) -> list[Frame]:
        """The writer to ``peer`` takes frames: control first, then channels in turn until the room is used."""
        self._turn.now = now
        found = self._peers.get(peer)
        if found is None or not found.session:
            return []
        self._flush(found)
        flagged, outbox = found.flagged, found.outbox
        room_bytes -= FRAME_OVERHEAD_BYTES * len(outbox)
        while flagged and room_bytes > 0:
            channel = next(iter(flagged))
            del flagged[channel]
            if channel.pull(peer):
                flagged[channel] = None
                last = outbox[-1]
                room_bytes -= FRAME_OVERHEAD_BYTES + (len(last.body) if type(last) is Deliver else 0)
                self._note(channel)
        return found.take_outbox()

    def wants_pull(self, peer: str) -> bool:
        """Whether ``pull`` may have something for ``peer``."""
        found = self._peers.get(peer)
        return found is not None and found.session and bool(found.flagged or found.outbox)

    def pullable(self) -> list[str]:
        """The peers that want pulling, nearest first, in rotation among equals: the order to pull in."""
        order: list[str] = []
        for nearness in (0, 1, 2):
            wanting = [peer.name for peer in self._peers.values() if peer.nearness == nearness and peer.session]
            wanting = [name for name in wanting if self.wants_pull(name)]
            turn = self._rng.randrange(len(wanting)) if len(wanting) > 1 else 0
            order += wanting[turn:] + wanting[:turn]
        return order

    def heartbeat(self, now: float, peer: str) -> list[Frame]:
        """Acknowledgements and audits, behind every frame that was due before them."""
        self._turn.now = now
        found = self._peers.get(peer)
        if found is None or not found.session:
            return []
        self._flush(found)
        frames = found.take_outbox()
        for key, borrower in found.borrowers.items():
            if borrower.fin_number > borrower.acknowledged:
                borrower.acknowledged = borrower.fin_number
                frames.append(FinAck(key, borrower.fin_number))
        for key, source in found.sources.items():
            counts = source.audit()
            if counts:
                frames.append(Audit(key, counts))
        return frames

    def idle(self, peer: str) -> bool:
        """Whether a link to ``peer`` would serve nobody: no leases, no messages, no unacknowledged FINs."""
        found = self._peers.get(peer)
        return found is None or self._idle(found)

    def _idle(self, peer: Peer) -> bool:
        for source in peer.sources.values():
            if source.fins or source.holds() or (source.queued and source.receiver.consumers):
                return False
        for borrower in peer.borrowers.values():
            if borrower.leased() or borrower.fin_number > borrower.acknowledged:
                return False
            if borrower.interested and borrower.channel.waits():
                return False
        return True

    def _flush(self, peer: Peer) -> None:
        """FINs that were not said yet go before anything that could be read as if they had been."""
        for source in peer.sources.values():
            if source in self._turn.finishing:
                del self._turn.finishing[source]
                source.flush()

    def _peer(self, name: str) -> Peer:
        found = self._peers.get(name)
        if found is None:
            found = self._peers[name] = Peer(name)
        return found

    # frames to this node as receiver

    def _source(self, peer: Peer, key: ChannelKey) -> Source:
        source = peer.sources.get(key)
        if source is None:
            receiver = self._receiver(key)
            source = Source(receiver, peer.name, FramesToOrigin(key, peer.outbox))
            peer.sources[key] = receiver.sources[peer.name] = source
            source.begin()
        return source

    def _receiver(self, key: ChannelKey) -> Receiver:
        receiver = self._receivers.get(key)
        if receiver is None:
            receiver = self._receivers[key] = Receiver(self._turn, key)
            channel = self._channels.get(key)
            if channel is not None:
                self._introduce(channel, receiver)
        return receiver

    def _ready(self, peer: Peer, frame: Ready) -> None:
        known = frame.flow in peer.sources
        source = self._source(peer, frame.flow)  # type: ignore[arg-type]
        # What was granted by a receiver that ended meanwhile is forgotten here: nothing to take back.
        source.ready(frame.least, *((frame.back_messages, frame.back_bytes) if known else (0, 0)))

    def _deliver(self, peer: Peer, frame: Deliver) -> None:
        flow, log, start, stop, accepted_ns, attempts, body, _ = frame
        source = peer.sources.get(flow)  # type: ignore[arg-type]
        if source is None:
            peer.outbox.append(Return(flow, log, start, stop))
        elif len(body) < 2 * (stop - start):
            source.accuse(f"{stop - start} messages in {len(body)} bytes")
        else:
            source.deliver(log, Payload(start, stop - start, body), start, stop, accepted_ns, attempts)

    def _recalled(self, peer: Peer, frame: Recalled) -> None:
        source = peer.sources.get(frame.flow)  # type: ignore[arg-type]
        if source is not None:
            source.recalled(frame.messages, frame.bytes)

    def _fin_ack(self, peer: Peer, frame: FinAck) -> None:
        source = peer.sources.get(frame.flow)  # type: ignore[arg-type]
        if source is not None:
            source.fins.acknowledge(frame.number)

    # frames to this node as origin

    def _grant(self, peer: Peer, frame: Grant) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            borrower.grant(frame.messages, frame.bytes)
        else:
            peer.outbox.append(Recalled(frame.flow, frame.messages, frame.bytes))

    def _recall(self, peer: Peer, frame: Recall) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            borrower.recall()
        else:
            peer.outbox.append(Recalled(frame.flow, 0, 0))

    def _fin(self, peer: Peer, frame: Fin) -> None:
        channel = self._channels.get(frame.flow)  # type: ignore[arg-type]
        if channel is None:
            peer.outbox.append(FinAck(frame.flow, frame.number))
        else:
            self._borrower(channel, peer.name).fin(frame.number, frame.spans)
            self._note(channel)

    def _req(self, peer: Peer, frame: Req) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            borrower.req(frame.log, frame.start, frame.stop, frame.delay_ms / 1000, frame.reason)

    def _return(self, peer: Peer, frame: Return) -> None:
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        if borrower is not None:
            borrower.give_back(frame.log, frame.start, frame.stop)

    def _audit(self, peer: Peer, frame: Audit) -> None:
        self._turn.counters.audits += 1
        borrower = peer.borrowers.get(frame.flow)  # type: ignore[arg-type]
        why = borrower.audit(frame.counts) if borrower is not None else ""
        if why:
            self._turn.counters.audit_differences += 1
            self._turn.accuse(peer.name, f"audit of {'/'.join(map(str, frame.flow))}: {why}")  # type: ignore[arg-type]

    # consumers at this node

    def consumer_joined(
        self,
        now: float,
        consumer: int,
        topic: str,
        channel: str,
        generation: int,
        messages: int,
        size_bytes: int,
        timeout_s: float,
    ) -> None:
        """A consumer that may hold so much of the channel's messages, each for ``timeout_s`` untouched."""
        self._turn.now = now
        receiver = self._receiver(ChannelKey(topic, channel, generation))
        joined = self._consumers[consumer] = Consumer(consumer, receiver, messages, size_bytes, timeout_s)
        receiver.join(joined)
        self._own_interest(receiver)

    def consumer_capacity(self, now: float, consumer: int, messages: int, size_bytes: int) -> None:
        """The consumer may hold so much from now on."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            found.receiver.resize(found, messages, size_bytes)

    def consumer_left(self, now: float, consumer: int) -> None:
        """The consumer is gone: what it has in hand goes back at once."""
        self._turn.now = now
        found = self._consumers.pop(consumer, None)
        if found is not None:
            found.receiver.leave(found)
            self._own_interest(found.receiver)
            self._tidy_receiver(found.receiver)

    def finish(self, now: float, consumer: int, spans: list[Span]) -> None:
        """The consumer is done with these; what it was never handed is ignored."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            for log, start, stop in spans:
                found.receiver.finish(found, log, start, stop)

    def requeue(
        self, now: float, consumer: int, log: LogId, start: int, stop: int, delay_s: float, reason: str
    ) -> None:
        """Deliver these again, after ``delay_s``: an attempt each, unless ``reason`` is "cancelled"."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            found.receiver.requeue(found, log, start, stop, delay_s, reason)

    def give_back(self, now: float, consumer: int, log: LogId, start: int, stop: int) -> None:
        """The application never took these; counts nothing."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            found.receiver.give_back(found, log, start, stop)

    def touch(self, now: float, consumer: int, spans: list[Span]) -> None:
        """Start the message timeout of these again."""
        self._turn.now = now
        found = self._consumers.get(consumer)
        if found is not None:
            for log, start, stop in spans:
                found.receiver.touch_hands(found, log, start, stop)

    def _own_interest(self, receiver: Receiver) -> None:
        channel = self._channels.get(receiver.key)
        if channel is not None and channel.own is not None:
            channel.own.interested = bool(receiver.consumers)
            channel.touch()

    def _tidy_source(self, peer: Peer, source: Source) -> None:
        if source.empty():
            source.receiver.forget_source(source)
            del peer.sources[source.receiver.key]
            self._tidy_receiver(source.receiver)

    def _tidy_receiver(self, receiver: Receiver) -> None:
        if receiver.empty() and self._receivers.get(receiver.key) is receiver:
            self._forget_receiver(receiver)

    def _forget_receiver(self, receiver: Receiver) -> None:
        """The receiver is gone, with whatever it held."""
        del self._receivers[receiver.key]
        for name in receiver.sources:
            if name != self._name:
                source = self._peers[name].sources.pop(receiver.key)
                self._turn.finishing.pop(source, None)
        channel = self._channels.get(receiver.key)
        if channel is not None:
            channel.own = None
        self._turn.receivers.pop(receiver, None)

    # time, and the turn

    def wall(self, now: float, wall_ns: int) -> None:
        """The wall clock moved. What waits here waits by the monotonic clock: nothing to do."""
        self._turn.now = now

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

    def effects(self) -> list[BrokerEffect]:
        """End the turn: close batches, run the send rules of what was touched, hand out what is to be done."""
        turn = self._turn
        if self._gathered:
            self._close_batches()
        self._run()
        if turn.finishing:
            finishing, turn.finishing = turn.finishing, {}
            for source in finishing:
                source.flush()
        if turn.rows or self._confirming:
            self._store()
        for peer in self._peers.values():
            if peer.outbox:
                turn.out += [ToPeer(peer.name, frame) for frame in peer.take_outbox()]
        out, turn.out = turn.out, []
        return out

    def _run(self) -> None:
        channels, receivers = self._turn.channels, self._turn.receivers
        while receivers or channels:
            touched: dict[Any, None] = receivers or channels
            one = next(iter(touched))
            del touched[one]
            one.run()
            if self._turn.unchecked is not None:
                self._turn.unchecked[one] = None

    def _store(self) -> None:
        turn = self._turn
        token = turn.next_serial()
        self._storing[token] = self._confirming
        rows, turn.rows = turn.rows, []
        self._confirming = []
        turn.out.append(Store(token, rows))

    def _want_again(self, wanted: Wanted) -> None:
        names, wanted.names = wanted.names, {}
        for name in names:
            if not self.idle(name):
                self._turn.want(name)

    def _note(self, channel: Channel) -> None:
        if self._turn.unchecked is not None:
            self._turn.unchecked[channel] = None

    # views

    @property
    def memory_bytes(self) -> int:
        """Held as origin: bodies, and what each batch costs besides."""
        return self._turn.memory_bytes + self._gathered_bytes

    @property
    def counters(self) -> Counters:
        """What happened since the start."""
        return self._turn.counters

    def messages_left(self) -> int:
        """Own messages that some channel has not finished, or that wait for a first channel."""
        return sum(topic.log.messages + topic.gathering.messages for topic in self._topics.values())

    def why(self, topic: str, channel: str) -> Why:
        """Why the channel's next message is not delivered."""
        found = self._topics.get(topic)
        if found is None:
            return Why.NO_TOPIC
        if channel not in found.channels:
            return Why.NO_CHANNEL
        one = found.channels[channel]
        return views.why(one, self._receivers.get(one.key), unconfirmed=bool(self._storing))

    def stats(self) -> list[dict[str, Any]]:
        """Every topic with its channels, as the ``stats`` question answers."""
        receivers: dict[str, dict[str, Receiver]] = {}
        for key, receiver in self._receivers.items():
            receivers.setdefault(key.topic, {})[key.channel] = receiver
        unconfirmed = bool(self._storing)
        return [
            views.topic_map(topic, receivers.get(name, {}), unconfirmed=unconfirmed)
            for name, topic in self._topics.items()
        ]

    def check(self) -> None:
        """Assert what must always hold (I3, I5, the ledger's sums), of what changed since the last check."""
        turn = self._turn
        touched: dict[Any, None] = dict.fromkeys((*self._channels.values(), *self._receivers.values()))
        if turn.unchecked is not None:
            touched = turn.unchecked
        turn.unchecked = {}
        for one in touched:
            if isinstance(one, Channel):
                check_channel(one)
            else:
                check_receiver(one)

"""One node's broker on a simulated disk, with a model beside it that is told everything and judges at once.

Time is virtual: the disk answers and timers ring as it passes. Nothing here knows a rule: what the broker does goes to
the model, what the test asks for goes to both.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from meshq.broker.batch import Traits
from meshq.broker.broker import Broker
from meshq.broker.channel import Channel as BrokerChannel
from meshq.broker.effects import Confirmed, ConsumerEnded, DeadLetters, Hand, Unkept
from meshq.config import BrokerConfig, Config
from meshq.errors import Overloaded, StoreTrouble
from meshq.machine.effects import Load, LoadDue, Store
from meshq.machine.store import BatchRow, Put
from meshq.names import LEVELS, Epoch, LogId, dead_topic
from meshq.sim.disk import Disk, Fate
from meshq.sim.world import Alarm, World
from meshq.wire import bodies
from tests.properties.topic_model import IDS_S, Channel, Consumer, Known, Message, Model, Topic

BEGIN_S = 100.0
MARK = ("mark", "at")
Span = tuple[LogId, int, int]


class Node:
    """A node that is killed and starts again, and its model."""

    def __init__(self, memory_bytes: int) -> None:
        self.limits = BrokerConfig(
            memory_bytes_max=memory_bytes,
            batch_messages_max=4,
            batch_bytes_max=2_000,
            dedupe_window_s=IDS_S,
            window_topic_bytes_max=4_000,
            window_bytes_max=8_000,
        )
        self.world = World(1)
        self.world.run_until(BEGIN_S)
        self.disk = Disk(self.world)
        self.model = Model()
        self.alarm = Alarm(self.world, self._rang)
        self.generations: dict[str, int] = {}
        self.serial = 0
        self.life = 0
        self.unread = 0
        """How many of the next reads fail."""
        self.buried = True
        """Whether there can be topics of dead letters."""
        self._handed: dict[int, None] = {}
        self.start()

    @property
    def now(self) -> float:
        """The time: of the wall as well."""
        return self.world.now

    @property
    def wall_ns(self) -> int:
        """The same, as the store has it."""
        return round(self.now * 1e9)

    def next(self) -> int:
        """A number that was not used before."""
        self.serial += 1
        return self.serial

    # lives

    def start(self) -> None:
        """A process starts: it reads what was kept and hears what exists."""
        self.life += 1
        broker = self.broker = Broker(Config(name="a", broker=self.limits), Epoch(self.life, 0), Random(1))
        self.disk.told = partial(self.world.after, 0.0, self._told, self.life)
        found = self.disk.recovered()
        broker.recover(self.now, self.wall_ns, found.logs)
        broker.recover_ids(self.now, found.puts)
        for name, generation in self.generations.items():
            self._announce(name, generation)
        broker.recovered(self.now)
        self.turn()

    def _announce(self, name: str, generation: int) -> None:
        topic = self.model.topics.get(name)
        if topic is None:
            self.broker.topic_ended(self.now, name, generation)
            return
        self.broker.topic_born(self.now, name, generation)
        self.broker.configured(self.now, name, "", topic.settings)
        for channel in topic.channels.values():
            age_s = self.now - channel.born
            self.broker.channel_born(self.now, name, channel.name, channel.generation, age_s, False)
            self.broker.configured(self.now, name, channel.name, channel.settings)

    def end(self, fate: Fate, *, clean: bool, down_s: float) -> None:
        """The process ends, in order or not, perhaps with the host; another starts after ``down_s``."""
        mark = -1.0
        if clean:
            self.broker.write_behind(self.now)
            self.turn()
            if not self.disk.full:
                mark = self.now + 1.0
            self.disk.close()
        else:
            self.disk.process_died()
        self.disk.become(fate)
        self.life += 1
        kept = self.disk.committed.puts.get(MARK)
        mark = max(mark, float(kept) if kept is not None else -1.0)
        self.alarm.arm(None)
        self.world.run_until(self.now + down_s)
        self.model.now = self.now
        self.model.restart(self.disk.committed, fate, mark)
        self.start()

    def _told(self, life: int, text: str) -> None:
        if life == self.life:
            self.broker.store_health(self.now, text, full=bool(text))
            self.turn()

    # turns

    def wait(self, seconds: float) -> None:
        """Time passes; whatever becomes due happens at its time."""
        self.world.run_until(self.now + seconds)
        self._rang()

    def _rang(self) -> None:
        self.model.now = self.now
        self.broker.tick(self.now)
        self.turn()

    def turn(self) -> None:
        """End the turn: carry out what the broker wants, and compare what it has with what it should."""
        self.model.now = self.now
        self._handed = {}
        self._effects()
        while (deadline := self.broker.deadline()) is not None and deadline <= self.now:
            self.broker.tick(self.now)
            self._effects()
        self._sync()
        self.alarm.arm(deadline)

    def _effects(self) -> None:
        while effects := self.broker.effects():
            for effect in effects:
                self._carry_out(effect)

    def _carry_out(self, effect: Any) -> None:
        model = self.model
        match effect:
            case Hand():
                self._hand(effect)
            case Store(token, rows):
                for row in rows:
                    if isinstance(row, BatchRow):
                        self._written(row)
                model.storing(token)
                answer = partial(self.world.after, 0.0, self._stored, self.life, token)
                self.disk.write(effect._replace(rows=[Put(*MARK, repr(self.now).encode()), *rows]), answer)
            case Confirmed(0) | Unkept(0):
                pass  # letters
            case Confirmed(token, log, first, level, duplicate):
                model.confirmed(token, log, first, LEVELS.index(level), duplicate=duplicate)
            case Unkept(token):
                model.unkept(token)
            case Load() | LoadDue():
                self.disk.read(effect, partial(self._loaded, self.life, effect.token))
            case DeadLetters(topic):
                self._bury(topic)
            case ConsumerEnded(consumer):
                assert consumer not in model.consumers, f"{consumer} is sent away, and its channel is there"
            case _:
                raise AssertionError(f"a node that is alone asks for {effect}")

    def _hand(self, hand: Hand) -> None:
        topic = self.model.consumers[hand.consumer].channel.topic
        self._handed[hand.consumer] = None
        attempts = {number: count for start, stop, count in hand.attempts for number in range(start, stop)}
        for number, body in enumerate(bodies.decode(hand.body), hand.start):
            where = (hand.log, number)
            one = self.model.read(topic, where, body)
            self.model.handed(hand.consumer, one, where, attempts.get(number, 0))

    def _written(self, row: BatchRow) -> None:
        topic = self.model.topics.get(row.topic)
        if topic is not None and topic.generation == row.log.generation:
            for number, body in enumerate(bodies.decode(row.body), row.first):
                self.model.read(topic, (row.log, number), body, self.now)

    def _stored(self, life: int, token: int, why: str) -> None:
        if life == self.life:
            self.model.stored(token, kept=not why)
            if why:
                self.broker.unstored(self.now, token, why)
            else:
                self.broker.stored(self.now, token)
            self.turn()

    def _loaded(self, life: int, token: int, rows: list[BatchRow]) -> None:
        if life == self.life:
            fails = self.unread > 0
            self.unread -= fails
            self.broker.loaded(self.now, token, None if fails else rows)
            self.turn()

    def _bury(self, name: str) -> None:
        self._sync()  # what timed out in this turn may be what is dying
        if not self.buried or self.broker.trouble:
            self.model.spare(name)
            self.broker.spare(self.now, name)
            return
        topic = self.model.topics.get(name) or self.create(name)
        self.model.bury(name, topic)
        self.broker.bury(self.now, name, topic.generation)

    def _sync(self) -> None:
        for consumer in self.model.consumers.values():
            has: dict[int, None] = {}
            found = self.broker._registry.consumers.get(consumer.number)
            for hand in found.hands if found is not None else ():
                has |= self._ones(consumer.channel.topic, hand.loan.log, hand.start, hand.stop)
            self.model.sync(consumer, has, consumer.number in self._handed)
        for channel in self.channels():
            receiver = self.broker._registry.receivers.get(channel.key)
            channel.buffered = {}
            for parcel in receiver.buffered if receiver is not None else ():
                channel.buffered |= self._ones(channel.topic, parcel.loan.log, parcel.start, parcel.stop)

    # what the broker has

    def channels(self) -> list[Channel]:
        """Every channel there should be."""
        return [channel for topic in self.model.topics.values() for channel in topic.channels.values()]

    def _ones(self, topic: Topic, log: LogId, start: int, stop: int) -> dict[int, None]:
        return {self._one(topic, (log, number)): None for number in range(start, stop)}

    def _one(self, topic: Topic, where: tuple[LogId, int]) -> int:
        """The message that is there; one that was told to nobody is looked for where the broker has it."""
        found = topic.places.get(where)
        if found is None:
            log, number = where
            (batch,) = self.broker._registry.topics[topic.name].logs[log].overlapping(number, number + 1)
            found = self.model.read(topic, where, bodies.decode(batch.body)[number - batch.first])
        return found

    def has(self, channel: Channel) -> dict[int, None]:
        """What the broker has unfinished of a channel."""
        found: dict[int, None] = {}
        for cursor in self.broker_channel(channel).cursors.values():
            for start, stop in cursor.finished.missing(cursor.born, cursor.log.next):
                found |= self._ones(channel.topic, cursor.log.id, start, stop)
        return found

    def broker_channel(self, channel: Channel) -> BrokerChannel:
        """The channel as its origin has it."""
        return self.broker._registry.channels[channel.key]

    # what exists

    def create(self, name: str) -> Topic:
        """A topic, or its next life; one of dead letters with its channel."""
        generation = self.generations[name] = self.generations.get(name, 0) + 1
        topic = self.model.topics[name] = Topic(name, generation, self.model.life)
        self.broker.topic_born(self.now, name, generation)
        if name == dead_topic(name):
            self.begin_channel(topic, "dlq")
        return topic

    def delete(self, topic: Topic) -> None:
        """The topic, with everything."""
        self.model.end_topic(topic)
        self.broker.topic_ended(self.now, topic.name, topic.generation)
        self.turn()

    def begin_channel(self, topic: Topic, name: str) -> Channel:
        """A channel is created here just now. Leaves the turn open."""
        channel, must, may = self.model.begin_channel(topic, name, self.next())
        self.broker.channel_born(self.now, topic.name, name, channel.generation, 0.0, True)
        self.model.settle_beginning(channel, must, may, self.has(channel))
        return channel

    def end_channel(self, channel: Channel) -> None:
        """The channel is deleted."""
        self.model.end_channel(channel)
        self.broker.channel_ended(self.now, *channel.key)
        self.turn()

    def configure(self, topic: Topic, channel: Channel | None, **settings: Any) -> None:
        """Set the channel, or the topic, so from now on."""
        place = topic if channel is None else channel
        place.settings = {**place.settings, **settings}
        self.broker.configured(self.now, topic.name, "" if channel is None else channel.name, place.settings)
        self.turn()

    # publishing

    def publish(self, topic: Topic, sizes: list[int], traits: Traits, publish_id: str = "") -> None:
        """Publish messages of these sizes; leaves the turn open. A refusal needs a reason."""
        model, broker, token = self.model, self.broker, self.next()
        known = model.known(topic.name, topic.generation, publish_id) if publish_id else None
        messages = [
            Message(
                self.next(),
                self.now,
                size,
                traits.level,
                traits.due,
                traits.expires,
                traits.key,
                traits.lane,
                traits.channels,
            )
            for size in sizes
        ]
        body = bodies.encode([b"%d:" % one.id + b"x" * size for one, size in zip(messages, sizes, strict=True)])
        before = broker.counters.duplicates
        try:
            broker.publish(
                self.now, token, topic.name, topic.generation, len(sizes), body,
                traits=traits, wall_ns=self.wall_ns, publish_id=publish_id,
            )  # fmt: skip
        except (Overloaded, StoreTrouble):
            if not broker.trouble:
                raise
            return
        if broker.counters.duplicates > before:
            assert known is not None, f"{publish_id} was never used, or long ago, and adds nothing"
            known.sure = True
            model.twice[token] = known
            return
        assert known is None or not known.sure, f"{publish_id} was used and is taken as new"
        model.publish(topic, token, messages)
        if publish_id:
            model.ids[topic.name, topic.generation, publish_id] = Known(messages[0], self.now + IDS_S)

    # consumers

    def subscribe(self, channel: Channel, messages: int, size_bytes: int, timeout_s: float) -> Consumer:
        """A consumer joins."""
        consumer = Consumer(self.next(), channel, messages, size_bytes, timeout_s)
        self.model.consumers[consumer.number] = channel.consumers[consumer.number] = consumer
        self.broker.consumers.joined(self.now, consumer.number, *channel.key, messages, size_bytes, timeout_s)
        self.turn()
        return consumer

    def resize(self, consumer: Consumer, messages: int, size_bytes: int) -> None:
        """It may hold so much from now on."""
        consumer.messages, consumer.size_bytes = messages, size_bytes
        self.broker.consumers.capacity(self.now, consumer.number, messages, size_bytes)
        self.turn()

    def leave(self, consumer: Consumer) -> None:
        """It is gone."""
        self.model.leave(consumer.number)
        self.broker.consumers.left(self.now, consumer.number)
        self.turn()

    def finish(self, consumer: Consumer, ones: list[int]) -> None:
        """It is done with these."""
        spans = self.spans(consumer, ones)
        self.model.finish(consumer.number, ones)
        self.broker.consumers.finish(self.now, consumer.number, spans)
        self.turn()

    def requeue(self, consumer: Consumer, ones: list[int], delay_s: float, reason: str) -> None:
        """It gives these up."""
        spans = self.spans(consumer, ones)
        self.model.give_up(consumer.number, ones, delay_s, counts=reason == "requeue")
        for span in spans:
            self.broker.consumers.requeue(self.now, consumer.number, *span, delay_s, reason)
        self.turn()

    def give_back(self, consumer: Consumer, ones: list[int]) -> None:
        """It never took these."""
        spans = self.spans(consumer, ones)
        self.model.give_up(consumer.number, ones, 0.0, counts=False)
        for span in spans:
            self.broker.consumers.give_back(self.now, consumer.number, *span)
        self.turn()

    def touch(self, consumer: Consumer, ones: list[int]) -> None:
        """It is at work on these."""
        for one in ones:
            if one in consumer.held:
                consumer.held[one] = self.now + consumer.timeout_s
        self.broker.consumers.touch(self.now, consumer.number, self.spans(consumer, ones))
        self.turn()

    def spans(self, consumer: Consumer, ones: list[int]) -> list[Span]:
        """Messages by their numbers, neighbours together."""
        places = []
        for one in ones:
            where = consumer.channel.topic.messages[one].where
            assert where is not None, f"{one} was handed over and has no number"
            places.append(where)
        spans: list[Span] = []
        for log, number in sorted(places):
            if spans and spans[-1][0] == log and spans[-1][2] == number:
                spans[-1] = (log, spans[-1][1], number + 1)
            else:
                spans.append((log, number, number + 1))
        return spans

"""What a topic and its channels must do, as plain dictionaries: topic, channel, message, state.

It is told what was asked of a node and what the node did, and asserts that the node may do so. It knows nothing of
logs, cursors or credit: a message is a number in its body, and of a channel it has what is unfinished, who holds
what until when, and what may still be counted though it must not come. What a crash takes back it reads from
what the disk kept, after judging that the disk may have kept just that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from meshq.broker.consumer import TIMEOUT_STEPS
from meshq.broker.dead import SPARED_S
from meshq.broker.journal import BEHIND_S
from meshq.names import DISK, FSYNC, MEMORY, ChannelKey, LogId, dead_topic, is_dead_topic
from meshq.sim.disk import Fate
from meshq.sim.shelf import ChannelShelf, Shelf

EDGE_S = 1e-6
"""Times go to the store and back in nanoseconds."""
FIRST_CHANNELS_S = 10.0
IDS_S = 30.0
"""How long a publish id is known."""
Place = tuple[LogId, int]


@dataclass(slots=True)
class Message:
    """One message as it was published."""

    id: int
    accepted: float
    size_bytes: int
    level: int = MEMORY
    due: float = 0.0
    expires: float = 0.0
    key: str = ""
    lane: int = 0
    to: tuple[str, ...] = ()
    where: Place | None = None
    written_at: float = inf
    """When the disk was asked to keep it."""
    confirmed: bool = False

    def expired(self, now: float) -> bool:
        """Nobody wants it any more."""
        return 0.0 < self.expires <= now

    def safe(self, fate: Fate, mark: float) -> bool:
        """Whether it must survive."""
        if not self.confirmed or self.level < DISK:
            return False
        return fate == "kept" or self.level >= FSYNC or self.written_at < mark


@dataclass(slots=True)
class State:
    """An unfinished message on one channel."""

    due: float = 0.0
    holder: int = 0
    tries: list[float] = field(default_factory=list)
    """When it was requeued, timed out, or lost with its consumer."""
    started: bool = False
    """It was handed over since the node's start."""
    dying: bool = False
    postponed: bool = False
    """It came back with a delay before a restart: until the node gets there it is counted among what waits."""


@dataclass(slots=True)
class Consumer:
    """Whoever takes messages of one channel."""

    number: int
    channel: Channel
    messages: int
    size_bytes: int
    timeout_s: float
    held: dict[int, float] = field(default_factory=dict)
    """Message to the time until which it is this one's."""
    late: dict[int, None] = field(default_factory=dict)
    """What timed out here: a late finish counts."""


@dataclass(slots=True)
class Channel:
    """One life of a channel."""

    topic: Topic
    name: str
    generation: int
    born: float
    messages: dict[int, State] = field(default_factory=dict)
    finished: dict[int, float] = field(default_factory=dict)
    lazy: dict[int, State] = field(default_factory=dict)
    """Emptied, expired or for other channels: may be counted still, must not come."""
    optional: dict[int, State] = field(default_factory=dict)
    """The channel's beginning was lost in a crash: may come."""
    consumers: dict[int, Consumer] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    last: dict[LogId, int] = field(default_factory=dict)
    buffered: dict[int, None] = field(default_factory=dict)
    """Lent at the end of the last turn, and not handed over: still comes, whatever happens to it."""

    @property
    def key(self) -> ChannelKey:
        """What the broker calls it."""
        return ChannelKey(self.topic.name, self.name, self.generation)

    @property
    def paused(self) -> bool:
        """Whether nothing may be lent."""
        return bool(self.settings.get("paused") or self.topic.settings.get("paused"))

    @property
    def attempts_max(self) -> int:
        """What came back so often dies."""
        return 0 if is_dead_topic(self.topic.name) else int(self.settings.get("attempts_max", 0))

    def wants(self, message: Message) -> bool:
        """Whether it is for this channel."""
        return not message.to or self.name in message.to


@dataclass(slots=True)
class Topic:
    """One life of a topic."""

    name: str
    generation: int
    life: int
    """In which life of the node it began."""
    first_born: float = 0.0
    """When the first channel came, since there was none."""
    last_ended: float = -inf
    """When its last channel ended, if the store was told."""
    unwritten_at: float = -inf
    """When it was emptied so that the store was not told."""
    messages: dict[int, Message] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    backlog: dict[int, None] = field(default_factory=dict)
    """Kept for the first channel."""
    remains: dict[int, None] = field(default_factory=dict)
    """What a crash may have brought back after it was dropped."""
    spare: dict[int, None] = field(default_factory=dict)
    """What the first channel has beyond that: others need not."""
    settings: dict[str, Any] = field(default_factory=dict)
    letters: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    """Dead letters by message and channel."""
    places: dict[Place, int] = field(default_factory=dict)

    @property
    def emptied_at(self) -> float:
        """Until when what was accepted is for no channel to come."""
        return int(self.settings.get("emptied_ns", -1)) / 1e9

    def emptied(self, message: Message) -> bool:
        """Somebody emptied the topic after the message was accepted: no channel to come gets it."""
        return round(message.accepted * 1e9) <= int(self.settings.get("emptied_ns", -1))


@dataclass(slots=True)
class Known:
    """A publish id."""

    message: Message
    until: float
    sure: bool = True


@dataclass(slots=True)
class Burial:
    """A message whose letter is on its way to the disk."""

    channel: Channel
    message: Message
    state: State
    topic: Topic
    letter: Message
    token: int = 0
    """Of the Store that has it."""

    @property
    def sure(self) -> bool:
        """Whether it waits for the disk: what was written for want of memory may or may not."""
        return self.message.level >= DISK


class Model:
    """Everything that one node should know."""

    def __init__(self) -> None:
        self.now = 0.0
        self.life = 0
        self.topics: dict[str, Topic] = {}
        self.consumers: dict[int, Consumer] = {}
        self.tokens: dict[int, tuple[Topic, list[Message]]] = {}
        self.ids: dict[tuple[str, int, str], Known] = {}
        self.twice: dict[int, Known] = {}
        """Publishes with a known id, not answered."""
        self.letters = 1_000_000
        self.burials: list[Burial] = []
        self.delivered = 0

    # publishing

    def publish(self, topic: Topic, token: int, messages: list[Message]) -> None:
        """The node took them: every channel that they are for must get them."""
        self.tokens[token] = (topic, messages)
        for message in messages:
            self._take(topic, message)

    def _take(self, topic: Topic, message: Message) -> None:
        topic.messages[message.id] = message
        if not topic.channels:
            topic.backlog[message.id] = None
        for channel in topic.channels.values():
            if channel.wants(message):
                channel.messages[message.id] = State(message.due)

    def confirmed(self, token: int, log: LogId, first: int, level: int, *, duplicate: bool) -> None:
        """The node answers for them."""
        known = self.twice.pop(token, None)
        if known is not None:
            assert duplicate, "a second publish of an id is confirmed as a first"
            assert known.message.where in (None, (log, first)), "confirmed as another message than the first"
            return
        topic, messages = self.tokens.pop(token)
        assert not duplicate, "a first publish is confirmed as a second"
        assert level == messages[0].level, f"asked for level {messages[0].level}, confirmed at {level}"
        for number, message in enumerate(messages, first):
            self.place(topic, message, (log, number))
            message.confirmed = True

    def unkept(self, token: int) -> None:
        """The store could not take them: they live in memory only."""
        if self.twice.pop(token, None) is None:
            _, messages = self.tokens.pop(token)
            for key, known in list(self.ids.items()):
                if known.message is messages[0]:
                    del self.ids[key]

    def place(self, topic: Topic, message: Message, where: Place) -> None:
        """A message has one number, and a number one message."""
        assert topic.places.setdefault(where, message.id) == message.id, f"{where} is two messages"
        assert message.where in (None, where), f"{message.id} is at {message.where} and {where}"
        message.where = where

    def read(self, topic: Topic, where: Place, body: Any, written_at: float = inf) -> int:
        """The message that is there, by what its body says."""
        text, headers = (body, {}) if isinstance(body, bytes) else body
        number = int(text.split(b":")[0])
        if headers:
            number = self._letter(topic, where, number, headers["meshq-dead-channel"])
        message = topic.messages.get(number)
        assert message is not None, f"nobody published {number} to {topic.name}"
        self.place(topic, message, where)
        message.written_at = min(message.written_at, written_at)
        return number

    def _letter(self, topic: Topic, where: Place, number: int, channel: str) -> int:
        """Which letter of that message this is: letters come in the order in which they were written."""
        if where in topic.places:
            return topic.places[where]
        for letter in topic.letters.get((number, channel), []):
            if topic.messages[letter].where is None:
                return letter
        found = self._late_letter(topic, number, channel)
        assert found is not None, f"a letter of {number} from {channel} that nobody wrote"
        return found

    def _late_letter(self, topic: Topic, number: int, channel: str) -> int | None:
        """One of a message that died about when it expired: it may have become a letter or not."""
        for other in self.topics.values():
            message = other.messages.get(number) if dead_topic(other.name) == topic.name else None
            if message is not None and message.expired(self.now) and channel in other.channels:
                letter = self._write_letter(other.channels[channel], topic, message)
                self._may_come(topic, letter)
                return letter.id
        return None

    def known(self, topic: str, generation: int, publish_id: str) -> Known | None:
        """The first publish with that id, if the window is not over."""
        known = self.ids.get((topic, generation, publish_id))
        if known is None or known.until + EDGE_S <= self.now:
            return None
        known.sure = known.sure and known.until - EDGE_S > self.now
        return known

    # what exists

    def begin_channel(
        self, topic: Topic, name: str, generation: int
    ) -> tuple[Channel, dict[int, None], dict[int, None]]:
        """It exists now: what it must have of what was published before, and what it may have."""
        channel = Channel(topic, name, generation, self.now)
        must: dict[int, None] = {}
        may: dict[int, None] = {}
        if not topic.channels:
            topic.first_born = self.now
            must, may = topic.backlog, topic.remains
            topic.backlog, topic.remains = {}, {}
            may |= {one: None for one, message in topic.messages.items() if message.accepted >= self.now}
        elif self.now - topic.first_born <= FIRST_CHANNELS_S:
            must = {one: None for other in topic.channels.values() for one in other.messages if one not in topic.spare}
            if topic.life != self.life:
                must = {one: None for one in must if topic.messages[one].accepted > self.began}
            may = dict.fromkeys(topic.messages)
        topic.channels[name] = channel
        return channel, must, may

    began = 0.0
    """When this life of the node began."""

    def settle_beginning(
        self, channel: Channel, must: dict[int, None], may: dict[int, None], has: dict[int, None]
    ) -> None:
        """What it has of them."""
        every = channel.topic.messages
        if len(channel.topic.channels) == 1:
            channel.topic.spare = {one: None for one in has if one not in must}
        for one in must:
            message = every[one]
            if channel.wants(message) and not message.expired(self.now):
                assert one in has, f"{channel.key} misses {one} of what was kept for it"
        for one in has:
            message = every[one]
            emptied = channel.topic.emptied(message)
            assert one in must or one in may or emptied, f"{channel.key} begins with {one}, from before its time"
            fits = channel.wants(message) and not message.expired(self.now) and not emptied
            (channel.messages if fits else channel.lazy)[one] = State(message.due)

    def end_channel(self, channel: Channel) -> None:
        """Gone, with its messages and consumers."""
        topic = channel.topic
        del topic.channels[channel.name]
        if not topic.channels:
            topic.last_ended = self.now
        for number in channel.consumers:
            del self.consumers[number]

    def end_topic(self, topic: Topic) -> None:
        """The same with all of its channels."""
        for channel in list(topic.channels.values()):
            self.end_channel(channel)
        del self.topics[topic.name]

    def empty(self, channel: Channel, until_ns: int) -> list[int]:
        """What was accepted by then never comes again."""
        every = channel.topic.messages
        gone = [one for one in (*channel.messages, *channel.optional) if round(every[one].accepted * 1e9) <= until_ns]
        for one in gone:
            kept = channel.messages if one in channel.messages else channel.optional
            channel.lazy[one] = kept.pop(one)
        self.burials = [
            burial
            for burial in self.burials
            if burial.channel is not channel or round(burial.message.accepted * 1e9) > until_ns
        ]
        return gone

    # consumers

    def handed(self, number: int, one: int, where: Place, attempts: int) -> None:
        """The node gives a message to a consumer: may it?"""
        consumer = self.consumers[number]
        channel = consumer.channel
        self.delivered += 1
        if one in channel.optional:
            channel.messages[one] = channel.optional.pop(one)
        what = f"{channel.key}: {one} at {where[1]}"
        assert one not in channel.finished, f"{what} was finished and comes again"
        lent = one in channel.buffered
        if lent and one not in channel.messages:  # dropped since then
            consumer.held[one] = self.now + consumer.timeout_s
            return
        assert one in channel.messages, f"{what} comes, though it was dropped or is for others"
        state, message = channel.messages[one], channel.topic.messages[one]
        if state.holder:
            holder = self.consumers[state.holder]
            assert holder.held[one] <= self.now, f"{what} is lent to {holder.number} and {number}"
            self._time_out(holder, one)
        assert not state.dying, f"{what} comes once more than its channel allows"
        assert lent or not channel.paused, f"{what} comes of a paused channel"
        assert state.due <= self.now + EDGE_S, f"{what} comes at {self.now}, and is due at {state.due}"
        assert lent or not message.expired(self.now), f"{what} comes after its time"
        assert attempts == len(state.tries), f"{what} shows {attempts} attempts, there were {len(state.tries)}"
        self._check_order(channel, state, message, where)
        if message.key:
            self._check_key(channel, message)
        state.holder, state.started = number, True
        consumer.held[one] = self.now + consumer.timeout_s
        consumer.late.pop(one, None)

    def _check_order(self, channel: Channel, state: State, message: Message, where: Place) -> None:
        if not (state.started or state.tries or state.due or message.key):
            log, number = where
            last = channel.last.get(log, 0)
            assert number > last, f"{channel.key}: {number} comes for the first time after {last}"
            channel.last[log] = number

    def _check_key(self, channel: Channel, message: Message) -> None:
        every = channel.topic.messages
        for one, state in channel.messages.items():
            other = every[one]
            if other is message or other.key != message.key or other.expired(self.now):
                continue
            assert not state.started, f"{channel.key}: {message.id} comes, {one} of its key is not finished"
            if one < message.id and other.lane == message.lane and not (other.due or message.due):
                raise AssertionError(f"{channel.key}: {message.id} overtakes {one} of its key")

    def finish(self, number: int, ones: list[int]) -> None:
        """The consumer is done with these, if it has them or had them."""
        consumer = self.consumers[number]
        for one in ones:
            if consumer.held.pop(one, None) is not None or one in consumer.late:
                self.end(consumer.channel, one)
            consumer.late.pop(one, None)

    def end(self, channel: Channel, one: int) -> None:
        """Finished on that channel, whoever holds it."""
        if channel.messages.pop(one, None) or channel.lazy.pop(one, None):
            channel.finished[one] = self.now

    def give_up(self, number: int, ones: list[int], delay_s: float, *, counts: bool) -> None:
        """The consumer does not finish these."""
        consumer = self.consumers[number]
        for one in ones:
            if consumer.held.pop(one, None) is not None:
                self._back(consumer, one, self.now + delay_s if delay_s else 0.0, counts=counts)
            consumer.late.pop(one, None)

    def leave(self, number: int) -> None:
        """The consumer is gone: an attempt each."""
        consumer = self.consumers[number]
        self.give_up(number, list(consumer.held), 0.0, counts=True)
        del self.consumers[number], consumer.channel.consumers[number]

    def _back(self, consumer: Consumer, one: int, due: float, *, counts: bool) -> None:
        channel = consumer.channel
        state = channel.messages.get(one) or channel.lazy.get(one)
        if state is None or state.holder != consumer.number:
            return  # finished by another meanwhile
        state.holder, state.due = 0, due
        if counts:
            state.tries.append(self.now)
            state.dying = 0 < channel.attempts_max <= len(state.tries)

    def _time_out(self, consumer: Consumer, one: int) -> None:
        del consumer.held[one]
        consumer.late[one] = None
        self._back(consumer, one, 0.0, counts=True)

    # the dead

    def bury(self, name: str, topic: Topic) -> None:
        """What is dying becomes letters, and is finished where it was."""
        for dying_topic in self.topics.values():
            if dead_topic(dying_topic.name) == name and dying_topic is not topic:
                for channel in dying_topic.channels.values():
                    self._bury(channel, topic)

    def _bury(self, channel: Channel, topic: Topic) -> None:
        """Expired or emptied at the moment when it dies, a message may become a letter or not."""
        for one in [one for one, state in channel.messages.items() if state.dying]:
            message = channel.topic.messages[one]
            if message.expired(self.now):
                channel.lazy[one] = channel.messages.pop(one)
            else:
                letter = self._write_letter(channel, topic, message)
                if letter.level < DISK:
                    self.end(channel, one)
                else:
                    channel.lazy[one] = state = channel.messages.pop(one)
                    self.burials.append(Burial(channel, message, state, topic, letter))

    def storing(self, token: int) -> None:
        """What was buried in this turn goes to the disk."""
        for burial in self.burials:
            burial.token = burial.token or token

    def stored(self, token: int, *, kept: bool) -> None:
        """The disk has the letters, or neither they nor their messages' end count."""
        done = [burial for burial in self.burials if burial.token == token]
        self.burials = [burial for burial in self.burials if burial.token != token]
        for burial in done:
            channel, one = burial.channel, burial.message.id
            if kept:
                burial.letter.confirmed = burial.sure
                self.end(channel, one)
                continue
            if burial.sure:
                for mourning in burial.topic.channels.values():
                    if state := mourning.messages.pop(burial.letter.id, None):
                        mourning.lazy[burial.letter.id] = state
            else:
                self._may_come(burial.topic, burial.letter)
            if channel.lazy.pop(one, None):
                burial.state.dying, burial.state.due = False, self.now + SPARED_S
                (channel.messages if burial.sure else channel.optional)[one] = burial.state

    def _may_come(self, topic: Topic, letter: Message) -> None:
        for channel in topic.channels.values():
            if state := channel.messages.pop(letter.id, None):
                channel.optional[letter.id] = state

    def _write_letter(self, channel: Channel, topic: Topic, message: Message) -> Message:
        self.letters += 1
        level = message.level if message.written_at == inf else max(message.level, DISK)
        letter = Message(self.letters, self.now, 0, level)
        self._take(topic, letter)
        topic.letters.setdefault((message.id, channel.name), []).append(letter.id)
        return letter

    def spare(self, name: str) -> None:
        """No letters can be written: what is dying comes once more, later."""
        for topic in self.topics.values():
            if dead_topic(topic.name) == name:
                for channel in topic.channels.values():
                    for state in channel.messages.values():
                        if state.dying:
                            state.dying, state.due = False, self.now + SPARED_S

    # after every turn

    def sync(self, consumer: Consumer, has: dict[int, None], handed: bool) -> None:
        """What the node says it has in hand, against what should be: what is missing has timed out."""
        for one in [one for one in consumer.held if one not in has]:
            due = consumer.held[one]
            assert due <= self.now, f"{one} is taken from {consumer.number} {due - self.now} s before its time"
            self._time_out(consumer, one)
        for one in has:
            assert one in consumer.held, f"{consumer.number} has {one}, which nobody handed over"
        slack_s = consumer.timeout_s / TIMEOUT_STEPS + EDGE_S
        for one, due in consumer.held.items():
            assert due + slack_s >= self.now, f"{consumer.number} has {one} since {due - consumer.timeout_s}"
        assert not handed or len(has) <= consumer.messages, f"{consumer.number} has {len(has)} of {consumer.messages}"

    def check(self, channel: Channel, has: dict[int, None]) -> None:
        """What the node says is unfinished of a channel, against what should be."""
        every = channel.topic.messages
        for one in [one for one in channel.messages if every[one].expired(self.now)]:
            channel.lazy[one] = channel.messages.pop(one)
        for kept in (channel.lazy, channel.optional):
            for one in [one for one in kept if one not in has]:
                del kept[one]
        for one in channel.messages:
            assert one in has, f"{channel.key} has lost {one}: {channel.messages[one]}"
        for one in has:
            there = one in channel.messages or one in channel.lazy or one in channel.optional
            assert there, f"{channel.key} has {one}, which is finished, dropped or for others"

    def waiting(self, channel: Channel) -> int:
        """Messages that wait for nothing but a consumer."""
        return sum(not state.holder and state.due <= self.now for state in channel.messages.values())

    def unread(self, channel: Channel) -> int:
        """Messages of which only the store may know, so far, that they wait for a time, or no longer; or whose
        time comes in this very microsecond."""
        every = channel.topic.messages
        return sum(
            state.postponed
            or (every[one].due > 0.0 and every[one].written_at < inf and not state.started)
            or abs(state.due - self.now) <= EDGE_S
            for one, state in channel.messages.items()
        )

    def deferred(self, channel: Channel) -> int:
        """Messages that are not due."""
        return sum(not state.holder and state.due > self.now for state in channel.messages.values())

    # a restart

    def restart(self, shelf: Shelf, fate: Fate, mark: float) -> None:
        """The node ended; ``shelf`` is what is left: all that was asked for before ``mark``, and perhaps more."""
        self.consumers.clear()
        self.tokens.clear()
        self.twice.clear()
        self.life += 1
        self.began = self.now
        burials, self.burials = self.burials, []
        for burial in burials:
            self._restart_burial(burial, shelf)
        self.ids = {key: known for key, known in self.ids.items() if known.message.level >= DISK}
        for known in self.ids.values():
            known.sure = known.sure and known.message.safe(fate, mark)
        for topic in self.topics.values():
            self._restart_topic(topic, shelf, fate, mark)

    def _restart_burial(self, burial: Burial, shelf: Shelf) -> None:
        """Both were kept, or the message is to come again."""
        channel, message = burial.channel, burial.message
        place, number = _place(shelf, channel, message)
        if place is not None and number in place.finished:
            burial.letter.confirmed = burial.sure
            self.end(channel, message.id)
        elif channel.lazy.pop(message.id, None):
            burial.state.dying = False
            (channel.messages if burial.sure else channel.optional)[message.id] = burial.state

    def _restart_topic(self, topic: Topic, shelf: Shelf, fate: Fate, mark: float) -> None:
        there = {one: None for one, message in topic.messages.items() if _row(shelf, topic, message)}
        for one in [one for one in topic.backlog if one not in there]:
            message = topic.messages[one]
            lost = message.safe(fate, mark) and not message.expired(self.now)
            assert not lost, f"{topic.name} has lost {one} of its backlog"
            del topic.backlog[one]
        topic.remains = {}
        if topic.emptied_at >= mark - EDGE_S:
            topic.unwritten_at = topic.emptied_at
        if topic.last_ended >= mark:
            topic.last_ended = -inf
        if topic.channels:  # who came before those that are left is not remembered
            topic.first_born = max(topic.first_born, min(channel.born for channel in topic.channels.values()))
        for channel in topic.channels.values():
            channel.consumers.clear()
            channel.last.clear()
            channel.buffered.clear()
            for one, message in topic.messages.items():
                self._restart_message(channel, message, shelf, fate, mark, there=one in there)
            self.empty(channel, channel.settings.get("emptied_ns", -1))
        if not topic.channels:
            topic.remains = {one: None for one in there if self._remains(topic, topic.messages[one], shelf, mark)}

    def _remains(self, topic: Topic, message: Message, shelf: Shelf, mark: float) -> bool:
        """Whether the next first channel may get what no channel had finished, or is no longer to have."""
        assert message.where is not None
        log, number = message.where
        if message.id in topic.backlog:
            return False
        over = number < shelf.logs[topic.name, log].backlog_from
        ended = message.accepted < topic.last_ended
        emptied = topic.emptied(message) and topic.emptied_at != topic.unwritten_at
        assert over or not (ended or emptied), f"{topic.name}: {message.id} was dropped, and is kept"
        return not over

    def _restart_message(
        self, channel: Channel, message: Message, shelf: Shelf, fate: Fate, mark: float, *, there: bool
    ) -> None:
        one = message.id
        what = f"{channel.key}: {one}"
        place, number = _place(shelf, channel, message)
        open_ = there and place is not None and number >= place.number and number not in place.finished
        unborn = there and place is None
        assert not unborn or channel.born >= mark, f"{channel.key} was born by {mark}, and is not kept"
        if one in channel.messages:
            state = channel.messages[one]
            if not open_:
                lost = message.safe(fate, mark) and not message.expired(self.now)
                assert unborn or not lost, f"{what} was confirmed and is lost"
                del channel.messages[one]
                if unborn:
                    channel.optional[one] = State(message.due)
            else:
                assert place is not None
                self._remember(channel, message, state, place, mark)
        elif one in channel.finished and open_:
            at = channel.finished[one]
            assert at + BEHIND_S >= mark, f"{what} was finished at {at}, written by {mark}, and is to come again"
            assert place is not None
            del channel.finished[one]
            state = channel.messages[one] = State(message.due)
            state.tries = [at] * _tried(place, number)[0]  # at the latest: a crash of the host may undo some of them
            self._due(state, message, place)
        elif unborn:
            channel.finished.pop(one, None)
            channel.optional[one] = State(message.due)
        elif open_ and one not in channel.optional:
            channel.lazy[one] = State(message.due)

    def _remember(self, channel: Channel, message: Message, state: State, place: ChannelShelf, mark: float) -> None:
        assert message.where is not None
        kept = _tried(place, message.where[1])[0]
        sure = sum(at < mark for at in state.tries)
        what = f"{channel.key}: {message.id}"
        assert sure <= kept <= len(state.tries), f"{what}: {kept} attempts kept of {state.tries}, written by {mark}"
        channel.messages[message.id] = after = State(tries=state.tries[:kept])
        self._due(after, message, place)

    def _due(self, state: State, message: Message, place: ChannelShelf) -> None:
        assert message.where is not None
        due = _tried(place, message.where[1])[1]
        state.postponed = due > self.now
        state.due = max(due, message.due)


def _row(shelf: Shelf, topic: Topic, message: Message) -> bool:
    if message.where is None:
        return False
    log = shelf.logs.get((topic.name, message.where[0]))
    return log is not None and log.holds(message.where[1])


def _place(shelf: Shelf, channel: Channel, message: Message) -> tuple[ChannelShelf | None, int]:
    if message.where is None:
        return None, 0
    log, number = message.where
    return shelf.place(channel.topic.name, log, channel.name, channel.generation), number


def _tried(place: ChannelShelf, number: int) -> tuple[int, float]:
    for row in place.tried:
        if row.start <= number < row.stop:
            return row.attempts, row.due_ns / 1e9
    return 0, 0.0

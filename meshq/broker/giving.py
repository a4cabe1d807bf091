"""A node that drains hands its logs to others: the giver's side.

Decides which log goes next, whom it is offered to, how much is under way, and when the log is forgotten: once the taker
has kept all of it, in one transaction, and no sooner. A log that is on its way is not lent from; what is lent of it
already may be finished until its places are told, and what is finished later is passed on to the taker. What is read
of a log is ``reading``'s, what a taker does with it ``taking``'s.

Until the last word of the taker the giver owns the log, whatever becomes of the taker; from then on the taker does,
whatever becomes of the giver. A crash in between leaves both with it: some is delivered twice, but nothing finished.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from meshq.broker.intake import Intake
from meshq.broker.places import Standing, places
from meshq.broker.reading import Piece, Reading
from meshq.machine import events
from meshq.machine.effects import Emit
from meshq.machine.ranges import Ranges
from meshq.machine.store import BatchRow
from meshq.names import DISK, LEVELS, MEMORY, ChannelKey, LogId, is_dead_topic, is_ephemeral, log_text
from meshq.wire.frames import Cede, Declined, Offer, Part, Place, Taken, Withdraw

if TYPE_CHECKING:
    from meshq.broker.log import Log
    from meshq.broker.peer import Peer
    from meshq.broker.registry import Registry
    from meshq.broker.topic import Topic

GIFTS_MAX: Final = 4
"""Logs on their way at a time: small ones need not wait for each other's round trips."""
HEAD_START_S: Final = 0.5
"""Where there are consumers they have so long to finish what waits, before it is handed over."""
SETTLE_S: Final = 2.0
"""So long it is waited for what is in flight; what is not finished then is handed over as unfinished."""
LAST_S: Final = 0.25
"""Nothing is offered, and no log ceded, so shortly before the end."""
ANSWER_S: Final = 3.0
"""A taker that says nothing for so long is given up: perhaps it is of a version that knows nothing of this."""
RETRY_S: Final = 1.0
"""A peer that declined, or broke off, is asked again after this time."""
MEAN_BYTES: Final = 1024
"""What a message takes about, when nothing is known of it."""


class Gift:
    """One log on its way to one peer."""

    __slots__ = (
        "bytes", "ceded", "heard_at", "log", "next", "number", "parts", "peer", "reading", "settle_until", "snapshot",
        "topic", "transfer", "willing",
    )  # fmt: skip

    def __init__(self, transfer: int, topic: Topic, log: Log, peer: Peer, now: float) -> None:
        self.transfer = transfer
        self.topic = topic
        self.log = log
        self.peer = peer
        self.willing = False
        self.heard_at = now
        self.reading: Reading | None = None
        """None while nothing is to be read: the peer has not answered, or has the messages."""
        self.number = 0
        """Of the last frame that was sent."""
        self.parts: deque[tuple[int, int]] = deque()
        """Those that are not kept yet: number and bytes."""
        self.bytes = 0
        """Of these."""
        self.settle_until = 0.0
        self.snapshot: dict[ChannelKey, Ranges] = {}
        """What the places said was finished."""
        self.ceded = False
        self.next = 0
        """The number that the log's next message had then."""

    def next_number(self) -> int:
        """The number of one more frame."""
        self.number += 1
        return self.number

    def in_flight(self) -> bool:
        """Whether something of the log is lent, or on its way to become a dead letter."""
        for cursor in self.log.cursors:
            channel = cursor.channel
            for borrower in (*channel.borrowers.values(), *([channel.own] if channel.own is not None else [])):
                lent = borrower.lent.get(self.log.id)
                if lent is not None and lent.leases.messages:
                    return True
            if cursor.dying:
                return True
        return False


class Giver:
    """Everything that a draining node has on its way."""

    def __init__(self, registry: Registry, intake: Intake) -> None:
        self._registry = registry
        self._turn = registry.turn
        self._intake = intake
        self._began_at = 0.0
        self._until = 0.0
        self._peers: tuple[str, ...] = ()
        self._gifts: dict[int, Gift] = {}
        self._asked_not: dict[Any, float] = {}
        """Who is not to be asked before a certain time: a peer, or a peer about a log."""
        self._storeless: dict[str, None] = {}
        """Peers that keep messages in memory only."""
        self._last = ""
        """The peer that took something last: it is asked first."""
        self._broken_off: dict[tuple[str, LogId], str] = {}
        """Whose last word was missing when its session ended: it may have the log, and is asked again first."""

    # the drain

    def run(self, peers: tuple[str, ...], until: float) -> None:
        """The node drains until then; these could take logs, the best first. Called now and then."""
        turn = self._turn
        if not turn.draining:
            turn.draining = True
            self._began_at = turn.now
        self._peers, self._until = peers, until
        for gift in list(self._gifts.values()):
            self._step(gift)
        if turn.now < until - LAST_S:
            for topic, log in self._ready():
                if len(self._gifts) >= GIFTS_MAX:
                    return
                self._offer(topic, log)

    def _ready(self) -> list[tuple[Topic, Log]]:
        """Logs that could go now. Dead letters last: until then there may be more of them."""
        busy = [gift.log for gift in self._gifts.values()]
        alive: list[tuple[Topic, Log]] = []
        dead: list[tuple[Topic, Log]] = []
        left = bool(busy)
        for topic in self._registry.topics.values():
            for log in topic.logs.values():
                if not (log.messages or (log is topic.log and topic.gathering.messages)):
                    continue
                left = left or not is_dead_topic(topic.name)
                if log not in busy and self._may_go(topic, log):
                    (dead if is_dead_topic(topic.name) else alive).append((topic, log))
        return alive or ([] if left else dead)

    def _may_go(self, topic: Topic, log: Log) -> bool:
        if (topic.name, log.id) in self._turn.moved or topic.gathering.messages or self._intake.storing(log):
            return False
        served = any(cursor.channel.wanted() for cursor in log.cursors)
        return not served or self._turn.now >= self._began_at + HEAD_START_S

    def in_hand(self) -> bool:
        """Whether a taker owes its last word."""
        return any(gift.ceded for gift in self._gifts.values())

    # offering

    def _offer(self, topic: Topic, log: Log) -> None:
        keeps = self._turn.journal.on and log.written and not is_ephemeral(topic.name)
        chosen = self._choose(topic, log, keeps=keeps)
        if chosen is None:
            return
        peer, level = chosen
        turn = self._turn
        if not peer.session:
            turn.want(peer.name)
            return
        gift = Gift(turn.next_serial(), topic, log, peer, turn.now)
        self._gifts[gift.transfer] = gift
        messages, size_bytes = log.messages, _size_bytes(log)
        peer.outbox.append(Offer(gift.transfer, topic.name, log.id, log.next, messages, size_bytes, LEVELS[level]))

    def _choose(self, topic: Topic, log: Log, *, keeps: bool) -> tuple[Peer, int] | None:
        """Whom to ask, and at which level: somebody with a store, or anybody if this node has none either."""
        first = (self._broken_off.get((topic.name, log.id), ""), self._last)
        names = sorted(self._peers, key=lambda name: -(2 * (name == first[0]) + (name == first[1])))
        asked_not, now = self._asked_not, self._turn.now
        for level in (DISK,) if keeps else (DISK, MEMORY):
            for name in names:
                if (name in self._storeless) != (level == MEMORY):
                    continue
                waits = (name, (name, topic.name, log.id))
                if all(asked_not.get(key, 0.0) <= now for key in waits):
                    return self._registry.peer(name), level
        return None

    # handing over

    def _step(self, gift: Gift) -> None:
        turn, log = self._turn, gift.log
        if gift.topic.logs.get(log.id) is not log or self._registry.topics.get(gift.topic.name) is not gift.topic:
            self._end(gift, withdraw=True)  # its topic was deleted
        elif not gift.ceded and gift.willing and not log.messages:
            self._end(gift, withdraw=True)  # its consumers were quicker
        elif (not gift.willing or gift.parts) and turn.now >= gift.heard_at + ANSWER_S:
            self._not_again(gift.peer.name)
            self._end(gift, withdraw=True)
        elif gift.willing and not gift.ceded:
            self._send(gift)

    def _send(self, gift: Gift) -> None:
        reading = gift.reading
        if reading is not None:
            while self._under_way() < self._turn.config.broker.handover_bytes and (piece := reading.next()) is not None:
                self._part(gift, piece)
            if not reading.over:
                return
        now = self._turn.now
        if not gift.settle_until:
            gift.settle_until = min(now + SETTLE_S, max(now, self._until - 2 * LAST_S))
        if now < self._until - LAST_S and (now >= gift.settle_until or not gift.in_flight()):
            self._cede(gift)

    def _under_way(self) -> int:
        return sum(gift.bytes for gift in self._gifts.values())

    def _part(self, gift: Gift, piece: Piece) -> None:
        now, traits = self._turn.now, piece.traits
        options: dict[str, Any] = {"key": traits.key} if traits.key else {}
        if traits.channels:
            options["channels"] = list(traits.channels)
        number = gift.next_number()
        due_ms = max(0, round((traits.due - now) * 1000)) if traits.due else 0
        expires_ms = max(1, round((traits.expires - now) * 1000)) if traits.expires else 0
        gift.peer.outbox.append(
            Part(gift.transfer, number, piece.first, piece.messages, piece.accepted_ns, due_ms, expires_ms, piece.body,
                 options)
        )  # fmt: skip
        if not gift.parts:
            gift.heard_at = now
        gift.parts.append((number, len(piece.body)))
        gift.bytes += len(piece.body)

    def _cede(self, gift: Gift) -> None:
        """The places as they are now, and the last word."""
        for cursor in list(gift.log.cursors):
            gift.snapshot[cursor.channel.key] = cursor.finished.copy()
            for standing in places(cursor):
                gift.peer.outbox.append(self._place(gift, standing))
        number = gift.next_number()
        gift.peer.outbox.append(Cede(gift.transfer, number))
        if not gift.parts:
            gift.heard_at = self._turn.now
        gift.parts.append((number, 0))
        gift.ceded = True
        gift.next = gift.log.next

    def _place(self, gift: Gift, standing: Standing) -> Place:
        now = self._turn.now
        tried = [
            [start, stop, attempts, max(0, round((due - now) * 1000)) if due else 0, first, last]
            for start, stop, attempts, due, first, last in standing.tried
        ]
        key, since_ns = standing.cursor.channel.key, standing.cursor.since_ns
        finished = [[start, stop] for start, stop in standing.finished]
        return Place(gift.transfer, gift.next_number(), key.channel, key.generation, standing.cursor.born, since_ns,
                     finished, tried)  # fmt: skip

    # what the taker says

    def taken(self, peer: Peer, frame: Taken) -> None:
        """Everything up to a number is kept there."""
        gift = self._gifts.get(frame.transfer)
        if gift is None or gift.peer is not peer:
            return
        if frame.number > gift.number or (frame.number and not gift.willing):
            self._turn.accuse(peer.name, f"has taken {frame.number} parts of {gift.number} handed over")
            return
        gift.heard_at = self._turn.now
        if not gift.willing:
            self._begin(gift, has=frame.options.get("has") is True)
        while gift.parts and gift.parts[0][0] <= frame.number:
            gift.bytes -= gift.parts.popleft()[1]
        if gift.ceded and not gift.parts:
            self._forget(gift)
        else:
            self._step(gift)

    def declined(self, peer: Peer, frame: Declined) -> None:
        """The peer does not take the log."""
        gift = self._gifts.get(frame.transfer)
        if gift is None or gift.peer is not peer:
            return
        if frame.code == "LEVEL":
            self._storeless[peer.name] = None
        elif frame.code in ("DRAINING", "STORE"):
            self._not_again(peer.name)
        else:
            self._not_again((peer.name, gift.topic.name, gift.log.id))
        self._end(gift, withdraw=False)

    def loaded(self, token: int, rows: list[BatchRow] | None) -> bool:
        """The store's answer to one of the readings; False when it was for somebody else."""
        for gift in self._gifts.values():
            if gift.reading is not None and gift.reading.token == token:
                gift.reading.loaded(rows)
                self._step(gift)
                return True
        return False

    def session_ended(self, peer: Peer) -> None:
        """Whatever was on its way to the peer is this node's still."""
        for gift in list(self._gifts.values()):
            if gift.peer is peer:
                if gift.ceded:
                    self._broken_off[gift.topic.name, gift.log.id] = peer.name
                self._not_again((peer.name, gift.topic.name, gift.log.id))
                self._end(gift, withdraw=False)

    def _not_again(self, key: Any) -> None:
        self._asked_not[key] = self._turn.now + RETRY_S

    def _begin(self, gift: Gift, *, has: bool) -> None:
        """The peer is willing: nothing of the log is lent any more."""
        gift.willing = True
        self._last = gift.peer.name
        gift.log.leaving = True
        if not has:
            gift.reading = Reading(gift.log)

    def _end(self, gift: Gift, *, withdraw: bool) -> None:
        """It comes to nothing: the log goes on here."""
        del self._gifts[gift.transfer]
        if withdraw and gift.peer.session:
            gift.peer.outbox.append(Withdraw(gift.transfer))
        gift.log.leaving = False
        for cursor in gift.log.cursors:
            cursor.channel.touch()

    # afterwards

    def _forget(self, gift: Gift) -> None:
        """The taker has the log. What was finished since its places were told, the taker hears as any origin does. A
        dead letter that was written since stays here, with another number."""
        del self._gifts[gift.transfer]
        self._intake.close_batches()
        turn, log, topic, name = self._turn, gift.log, gift.topic, gift.peer.name
        before = log.messages
        since = [
            (cursor.channel.key, span)
            for cursor in log.cursors
            for span in _since(cursor.finished, gift.snapshot.get(cursor.channel.key))
        ]
        later = topic.give(log, gift.next)
        for publishing in later:
            self._intake.keep(topic, publishing)
        messages = before - sum(publishing.messages for publishing in later)
        turn.moved[topic.name, log.id] = name
        self._broken_off.pop((topic.name, log.id), None)
        turn.counters.handed_over += messages
        for key, (start, stop) in since:
            self.finished(key, log.id, start, stop)
        turn.out.append(Emit(events.HandedOver(topic.name, log.id.origin, log_text(log.id), name, messages)))

    def finished(self, key: ChannelKey, log: LogId, start: int, stop: int) -> None:
        """Finished by somebody to whom this node had lent it, of a log that has moved: its holder is told."""
        holder = self._turn.moved.get((key.topic, log))
        if holder is None:
            return
        peer = self._registry.peers.get(holder)
        if peer is not None and peer.session:
            self._registry.source(peer, key).finish(log, start, stop)


def _since(finished: Ranges, before: Ranges | None) -> list[tuple[int, int]]:
    if before is None:
        return list(finished)
    return [part for start, stop in finished for part in before.missing(start, stop)]


def _size_bytes(log: Log) -> int:
    """About how many bytes are unfinished."""
    batches = [batch for batch in log.batches.values() if batch.open]
    here_bytes = sum(len(batch.body) for batch in batches)
    here = sum(batch.count() for batch in batches)
    mean = log.kept_bytes_mean or (here_bytes / here if here else MEAN_BYTES)
    return here_bytes + round((log.away_messages + log.sleeping_messages) * mean)

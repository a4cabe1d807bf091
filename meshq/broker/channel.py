"""A channel at an origin: what waits for it, who borrows, and who is served first.

Decides the order among borrowers: the own node before any other, then whoever's writer pulls. The
credit rules are each ``borrower``'s, the order of messages the ``cursor``'s.
"""

from __future__ import annotations

from meshq.broker.beginning import begin
from meshq.broker.borrower import Borrower
from meshq.broker.counters import ChannelCounters
from meshq.broker.cursor import Cursor
from meshq.broker.depth import asleep, not_due_ahead
from meshq.broker.keyed import Keyed
from meshq.broker.lanes import Lanes
from meshq.broker.log import Log
from meshq.broker.peer import Peer
from meshq.broker.turn import Turn
from meshq.machine.settings import ChannelSettings, TopicSettings
from meshq.names import ChannelKey, LogId


class Channel:
    """One life of a channel, as the origin of its topic's logs here."""

    __slots__ = (
        "borrowers", "counters", "cursors", "key", "keyed", "lanes", "own", "peers", "settings", "topic", "turn",
    )  # fmt: skip

    def __init__(self, turn: Turn, key: ChannelKey) -> None:
        self.turn = turn
        self.key = key
        self.cursors: dict[LogId, Cursor] = {}
        self.own: Borrower | None = None
        """This node's own receiver, once there is one."""
        self.borrowers: dict[str, Borrower] = {}
        """Those at other nodes."""
        self.peers: dict[str, Peer] = {}
        self.counters = ChannelCounters()
        self.lanes = Lanes()
        self.keyed = Keyed(self)
        self.settings = ChannelSettings()
        self.topic = TopicSettings()
        """How its topic is set."""

    def touch(self) -> None:
        """Something changed: the send rules run at the end of the turn."""
        self.turn.channels[self] = None

    def join_log(self, log: Log, age_s: float, *, exact: bool) -> None:
        """Begin in a log."""
        cursor = self.cursors[log.id] = Cursor(self, log)
        self.lanes.many = self.lanes.many or log.id.lane > 0
        begin(log, cursor, age_s, exact=exact)
        self.turn.journal.born(cursor)
        self.touch()

    def forget_log(self, log: LogId) -> None:
        """A log of an earlier start is empty: nothing of it is lent."""
        cursor = self.cursors.pop(log, None)
        if cursor is not None:
            cursor.dying = {}
            self.turn.timers.cancel(cursor)
            self.keyed.forget(cursor)
            self.touch()
        for borrower in (*self.borrowers.values(), *([self.own] if self.own is not None else [])):
            borrower.lent.pop(log, None)

    def leave_logs(self) -> int:
        """End in every log; returns how many messages were not finished."""
        dropped = 0
        for cursor in self.cursors.values():
            log = cursor.log
            self.turn.journal.over(cursor)
            self.keyed.forget(cursor)
            cursor.dying = {}
            dropped += log.detach(cursor)
            self.turn.timers.cancel(cursor)
        self.cursors.clear()
        return dropped

    @property
    def attempts_max(self) -> int:
        """What has come back so often becomes a dead letter; 0: nothing does."""
        own = self.settings.attempts_max
        return (self.topic.attempts_max or 0) if own is None else own

    @property
    def paused(self) -> bool:
        """Nothing is lent: somebody paused the channel, or its topic. What is lent goes on."""
        return self.settings.paused or self.topic.paused

    def waits(self) -> bool:
        """Whether a message could be lent now."""
        return not self.paused and any(cursor.waits() for cursor in self.cursors.values())

    def run(self) -> None:
        """The send rules: the own node at once, the others when their writers pull."""
        own, paused = self.own, self.paused
        if not paused:
            self._feed()
        self.keyed.run()
        if own is not None:
            while not paused and own.lend():
                pass
            if own.recalled:
                own.give_credit_back()
            if not paused and own.ready():
                self.touch()  # the own receiver answers first
                return
        waits = self.waits() if self.borrowers else False
        for name, borrower in self.borrowers.items():
            if borrower.recalled and not (waits and borrower.messages):
                borrower.give_credit_back()
            if waits:
                if not borrower.session:
                    if borrower.interested:
                        self.turn.want(name)
                elif not borrower.said and (borrower.messages or borrower.interested):
                    self.peers[name].flagged[self] = None

    def _feed(self) -> None:
        """Have loaded what lies in the store only, if somebody wants messages."""
        for cursor in self.cursors.values():
            if cursor.log.away_messages and not cursor.log.leaving and self.wanted():
                self.turn.loader.feed(cursor)

    def wanted(self) -> bool:
        """Whether the channel has consumers anywhere."""
        own = self.own
        return (own is not None and own.interested) or any(one.interested for one in self.borrowers.values())

    def pull(self, name: str) -> bool:
        """The writer to ``name`` takes one extent, credit that was recalled, or READY; False: nothing for it."""
        borrower = self.borrowers.get(name)
        if borrower is None or not borrower.session:
            return False
        paused = self.paused
        lent = not paused and borrower.lend()
        if borrower.recalled:
            borrower.give_credit_back()
            return True
        return lent or (not paused and borrower.ready())

    # counting

    def count_requeued(self, reason: str, messages: int) -> None:
        """So many came back by REQ."""
        total, own = self.turn.counters, self.counters
        if reason == "timeout":
            total.timed_out += messages
            own.timed_out += messages
        elif reason == "departed":
            total.departed += messages
            own.departed += messages
        elif reason == "cancelled":
            total.cancelled += messages
            own.cancelled += messages
        else:
            total.requeued += messages
            own.requeued += messages

    def count_returned(self, messages: int) -> None:
        """So many came back without having been handed over."""
        self.turn.counters.returned += messages
        self.counters.returned += messages

    def count_lost(self, messages: int) -> None:
        """So many came back by the end of a session."""
        self.turn.counters.sessions_lost += messages
        self.counters.sessions_lost += messages

    # views

    def unfinished(self) -> int:
        """Messages of this origin that the channel has not finished."""
        return sum(cursor.unfinished() for cursor in self.cursors.values())

    def in_flight(self) -> int:
        """Messages lent, to the own node or others."""
        own = self.own.leased() if self.own is not None else 0
        return own + sum(borrower.leased() for borrower in self.borrowers.values())

    def depth(self) -> int:
        """Messages that wait. What is lent and was emptied, expired or finished by another is in flight only."""
        lent = sum(
            high - low
            for borrower in (*self.borrowers.values(), *([self.own] if self.own is not None else []))
            for one in borrower.lent.values()
            for lease in one.leases
            for low, high in one.cursor.finished.missing(lease.start, lease.stop)
        )
        return self.unfinished() - lent - self.deferred()

    def deferred(self) -> int:
        """Messages that are not due."""
        cursors = self.cursors.values()
        return sum(cursor.deferred_messages + asleep(cursor) + not_due_ahead(cursor) for cursor in cursors)

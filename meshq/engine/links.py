"""The links of a node: one stream to each other node that it has business with.

Decides when a link is dialled, which of two simultaneous links stays, when an idle one is closed, and
that the broker's sessions begin and end with it. Messages and credit are the broker's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

from meshq.broker.broker import Broker
from meshq.config import Config
from meshq.engine.greeting import Greeting
from meshq.engine.streams import Stream, Streams
from meshq.errors import RemoteProtocolError
from meshq.machine import events
from meshq.machine.effects import Address
from meshq.machine.rng import Rng
from meshq.machine.timers import Timers
from meshq.membership.member import State
from meshq.membership.membership import Membership
from meshq.names import ChannelKey, Epoch
from meshq.wire.frames import (
    Answer,
    Ask,
    Audit,
    Cede,
    Declined,
    Deliver,
    Fin,
    FinAck,
    Frame,
    Goodbye,
    Gossip,
    Grant,
    Hello,
    Offer,
    Part,
    Place,
    Ready,
    Recall,
    Recalled,
    Req,
    Return,
    Taken,
    Withdraw,
)
from meshq.wire.keyring import KEYS_MAX

BROKER_FRAMES: Final = frozenset((Ready, Grant, Deliver, Recall, Recalled, Fin, FinAck, Req, Return, Audit))
HANDOVER_FRAMES: Final = frozenset((Offer, Part, Place, Cede, Taken, Declined, Withdraw))
IDLE_CHECK_S: Final = 5.0
CRASH_CONFIRM_S: Final = 0.2
"""A ping sent when a link broke may be answered for so long, before a refused dial makes a death of it."""
CALLS_BEFORE_ASKING: Final = 2
"""Dials that fail before the peer is asked by gossip to dial us."""


class Link:
    """An established link; ``dialler`` is the name of the side that dialled."""

    __slots__ = ("dialler", "epoch", "name", "stream", "used_at")

    def __init__(self, stream: Stream, name: str, epoch: Epoch, dialler: str, now: float) -> None:
        self.stream = stream
        self.name = name
        self.epoch = epoch
        self.dialler = dialler
        self.used_at = now


class Trouble(NamedTuple):
    """A node that can't be dialled: since when, and how the last dial ended."""

    since: float
    how: str


class Broken(NamedTuple):
    """A link that ended without a goodbye: of which start of the peer, and when."""

    epoch: Epoch
    since: float


class Links:
    """All links of a node, by the name at their other end."""

    def __init__(
        self,
        config: Config,
        rng: Rng,
        streams: Streams,
        greeting: Greeting,
        membership: Membership,
        broker: Broker,
        emit: Callable[[events.Event], None],
    ) -> None:
        self._config = config
        self._rng = rng
        self._streams = streams
        self._greeting = greeting
        self._membership = membership
        self._broker = broker
        self._emit = emit
        self._links: dict[str, Link] = {}
        self._dials: dict[str, Stream] = {}
        self._failures: dict[str, int] = {}
        self._troubles: dict[str, Trouble] = {}
        self._broken: dict[str, Broken] = {}
        self._timers: Timers[tuple[str, str]] = Timers()
        self.on_gossip: Callable[[float, bytes, Address, int], None]
        self.on_ask: Callable[[float, Stream, Ask], None]
        self.on_answer: Callable[[float, str, Answer], None]
        self.on_up: Callable[[float, str], None]
        self.on_call: Callable[[float, str], None]

    def all(self) -> list[Link]:
        """Every established link."""
        return list(self._links.values())

    def get(self, name: str) -> Link | None:
        """The link to that node, when it is up."""
        return self._links.get(name)

    def troubles(self) -> list[tuple[str, Trouble]]:
        """The live nodes that could not be dialled since the last link to them, by name."""
        return sorted(self._troubles.items())

    def heard_at(self, name: str) -> float:
        """When the link to that node last delivered bytes; long ago when there is none."""
        link = self._links.get(name)
        session = link.stream.session if link is not None else None
        return session.heard_at if session is not None else -inf

    def send(self, name: str, frame: Frame) -> bool:
        """Queue a frame for that node; False when there is no link."""
        link = self._links.get(name)
        if link is None:
            return False
        self._streams.send(link.stream, frame)
        return True

    def want(self, now: float, name: str) -> None:
        """There is business with that node: dial it, unless a link, a dial or a redial is there."""
        if name in self._links or name in self._dials or ("dial", name) in self._timers:
            return
        self._dial(now, name)

    def connected(self, now: float, stream: Stream) -> None:
        self._streams.open(now, stream, self._greeting.hello("node", stream.address))

    def greeted(self, now: float, stream: Stream, hello: Hello) -> None:
        me = self._config.name
        if hello.name == me:
            self._streams.end(now, stream, "NAME_TAKEN", f"this is {me} itself, or another node of its name")
            return
        if stream.dialled and stream.name != hello.name:
            self._end_dial(stream.name)
            raise RemoteProtocolError(f"expected {stream.name}, reached {hello.name}", code="OTHER_NODE")
        known = self._membership.members.get(hello.name)
        if known is not None and known.epoch > hello.epoch:
            raise RemoteProtocolError(f"a later start of {hello.name} is known", code="OLD_EPOCH")
        dialler = me if stream.dialled else hello.name
        before = self._links.get(hello.name)
        if before is not None and not self._replaces(before, hello, dialler):
            self._end_dial(hello.name)
            self._streams.end(now, stream, "DUPLICATE", "another link between the two stays")
            return
        if before is not None:
            self._forget(now, before, "replaced")
            self._streams.end(now, before.stream, "DUPLICATE", "another link between the two stays")
        self._establish(now, Link(stream, hello.name, hello.epoch, dialler, now))

    def frame(self, now: float, stream: Stream, frame: Frame) -> None:
        link = self._links.get(stream.name)
        if link is None or link.stream is not stream:
            return
        kind = type(frame)
        if kind in BROKER_FRAMES:
            if type(frame.flow) is not ChannelKey:  # type: ignore[union-attr]
                raise RemoteProtocolError("between nodes a flow is [topic, channel, generation]", code="BAD_FRAME")
            self._broker.frame(now, link.name, frame)
        elif kind in HANDOVER_FRAMES:
            link.used_at = now
            self._broker.frame(now, link.name, frame)
        elif type(frame) is Gossip:
            self.on_gossip(now, frame.packet, stream.address, stream.number)
        elif type(frame) is Ask:
            link.used_at = now
            self.on_ask(now, stream, frame)
        elif type(frame) is Answer:
            self.on_answer(now, link.name, frame)
        elif type(frame) is Goodbye:
            self._streams.end(now, stream, "", "")
        else:
            raise RemoteProtocolError(f"{kind.__name__} on a link between nodes", code="BAD_FRAME")

    def closed(self, now: float, stream: Stream, reason: str) -> None:
        link = self._links.get(stream.name)
        if link is not None and link.stream is stream:
            self._forget(now, link, reason)
        elif self._dials.get(stream.name) is stream:
            del self._dials[stream.name]
            self._failures[stream.name] = self._failures.get(stream.name, 0) + 1
            before = self._troubles.get(stream.name)
            self._troubles[stream.name] = Trouble(before.since if before is not None else now, reason)
            if self._failures[stream.name] == CALLS_BEFORE_ASKING:
                self.on_call(now, stream.name)
            self._look_closer(now, stream.name, reason)
            if stream.session is not None and stream.session.turned_away and self._failures[stream.name] < KEYS_MAX:
                self._dial(now, stream.name)  # with the next key
            else:
                self._redial(now, stream.name)

    def gone(self, now: float, name: str) -> None:
        """The member is held dead, or has left: a verdict acts on leases by closing the link."""
        link = self._links.get(name)
        if link is not None:
            self._streams.end(now, link.stream, "VERDICT", "you are held dead or gone")
        self._end_dial(name)
        self._whole(name)
        self._timers.cancel(("dial", name))
        self._failures.pop(name, None)
        self._troubles.pop(name, None)

    def superseded(self, now: float, name: str, epoch: Epoch) -> None:
        """A later start of the member is known: a link to the earlier one is over."""
        link = self._links.get(name)
        if link is not None and link.epoch < epoch:
            self._streams.end(now, link.stream, "OLD_EPOCH", "a later start of your name is known")

    def broken(self, now: float, name: str, why: str) -> None:
        """The broker found that the two ends do not agree: the session ends and everything goes back."""
        link = self._links.get(name)
        if link is not None:
            self._emit(events.Trouble(f"session with {name} ended: {why}"))
            self._streams.end(now, link.stream, "AUDIT", why)

    def tick(self, now: float) -> None:
        """Redials, audits and idle links that are due."""
        for what, name in self._timers.due(now):
            if what == "dial":
                if not self._broker.idle(name):
                    self._dial(now, name)
                continue
            if what == "crash":
                self._declare(now, name)
                continue
            link = self._links.get(name)
            if link is None:
                continue
            if what == "beat":
                self._timers.arm((what, name), now + self._config.link.heartbeat_s)
                self._testify(now, link)
                for frame in self._broker.heartbeat(now, name):
                    self._streams.send(link.stream, frame)
            else:
                self._check_idle(now, link)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return self._timers.deadline()

    def _replaces(self, before: Link, hello: Hello, dialler: str) -> bool:
        """Of two links of the same starts the one dialled by the lower name stays; else the later."""
        if before.epoch != hello.epoch:
            return before.epoch < hello.epoch
        return dialler <= before.dialler

    def _establish(self, now: float, link: Link) -> None:
        name = link.name
        link.stream.name = name
        if self._dials.get(name) is link.stream:
            del self._dials[name]
        self._links[name] = link
        self._whole(name)
        self._failures.pop(name, None)
        self._troubles.pop(name, None)
        self._timers.cancel(("dial", name))
        self._timers.arm(("beat", name), now + self._config.link.heartbeat_s)
        self._timers.arm(("idle", name), now + IDLE_CHECK_S)
        self._broker.session_began(now, name, link.epoch)
        self._emit(events.LinkUp(name))
        self.on_up(now, name)

    def _forget(self, now: float, link: Link, reason: str) -> None:
        name = link.name
        del self._links[name]
        for what in ("beat", "idle"):
            self._timers.cancel((what, name))
        leases = self._broker.session_ended(now, name)
        if name not in self._membership.members:  # nobody would have the broker forget a peer that never was a member
            self._broker.peer_forgotten(now, name)
        self._emit(events.LinkDown(name, reason, leases))
        if reason in ("reset", "eof"):
            self._membership.path_evidence(now, name, False)
            self._check_crash(now, link)

    def _check_crash(self, now: float, link: Link) -> None:
        """A link ended without a goodbye: whether its process is gone shows at once, by a dial that is refused."""
        self._broken[link.name] = Broken(link.epoch, now)
        self._dial(now, link.name)
        if link.name not in self._dials:
            self._whole(link.name)

    def _look_closer(self, now: float, name: str, reason: str) -> None:
        """A dial failed. Refused after the link broke: a crash, if no ping is answered; else nothing follows.

        Taken in and cut off at once: the kernel of a process that is dying does so; the next dial will tell.
        """
        broken = self._broken.get(name)
        if broken is None:
            return
        if reason == "refused":
            self._timers.arm(("crash", name), max(now, broken.since + CRASH_CONFIRM_S))
        elif reason not in ("reset", "eof"):
            self._whole(name)

    def _whole(self, name: str) -> None:
        """No crash is looked into any more."""
        self._broken.pop(name, None)
        self._timers.cancel(("crash", name))

    def _declare(self, now: float, name: str) -> None:
        broken = self._broken.pop(name, None)
        if broken is not None:
            self._membership.crashed(now, name, *broken)

    def _dial(self, now: float, name: str) -> None:
        member = self._membership.members.get(name)
        if name in self._links or name in self._dials or member is None:
            return
        if member.state not in (State.ALIVE, State.SUSPECT) or len(self._dials) >= self._config.link.links_max:
            return
        stream = self._dials[name] = self._streams.dial(now, member.address, self)
        stream.name = name

    def _redial(self, now: float, name: str) -> None:
        link = self._config.link
        wait_s = min(link.redial_max_s, link.redial_min_s * 2 ** min(self._failures.get(name, 0), 10))
        self._timers.arm(("dial", name), now + wait_s * self._rng.uniform(0.8, 1.2))

    def _end_dial(self, name: str) -> None:
        self._dials.pop(name, None)

    def _testify(self, now: float, link: Link) -> None:
        """A member whose link brought bytes since the last beat lives, whatever happened to its datagrams."""
        session = link.stream.session
        if session is not None and now - session.heard_at < self._config.link.heartbeat_s:
            self._membership.path_evidence(now, link.name, True)

    def _check_idle(self, now: float, link: Link) -> None:
        if not self._broker.idle(link.name):
            link.used_at = now
        if now - link.used_at >= self._config.link.idle_close_s:
            self._streams.end(now, link.stream, "IDLE", "no messages for a while")
        else:
            self._timers.arm(("idle", link.name), now + IDLE_CHECK_S)

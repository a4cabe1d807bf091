"""How late this node reads what is sent to it, and what it makes of that.

Decides the lag that the node declares in its own record, so that the others allow it that much more time, and when
something that depends on having read everything may go on: a packet to the own socket, sent now, is read after all that
came before it. So late reading accuses nobody, and costs nothing where nothing is late. Twice a second such a packet
measures how late it is read; a timer that is served late tells the same.

Own design, tried first in a prototype (``docs/adr/0029``). What delays packets on their way to this node its own ones
don't meet: that shows in the answers of others, when all are late, from five members up. Where the own packets never
come back everything goes on without them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final, TypeAlias

from meshq.machine.effects import OWN
from meshq.membership.member import State
from meshq.membership.rumours import Kind
from meshq.membership.view import TimerKey, View
from meshq.wire import gossip

LOOP: Final[TimerKey] = ("loop", 0)
BARRIER: Final[TimerKey] = ("barrier", 0)
ANSWER: Final[TimerKey] = ("answer", 0)
TRIPS: Final = 3
"""Round trips in a row that are late before this node takes the delay for its own."""
PEERS_MIN: Final = 5
"""Members from which on their answers tell of this node: of fewer the others may be the slow ones."""
STEPS_S: Final = (1.0, 3.0, 6.0, 12.0)
"""What is declared: few steps, as each change is a rumour to everybody."""
OUT_MAX: Final = 256
"""Own packets that are not read yet; beyond it the oldest counts as lost."""
WAITING_MAX: Final = 1024
"""What waits to go on; beyond it the next goes on at once."""
Then: TypeAlias = Callable[[float], None]


class Lag:
    """What one node knows of its own lateness."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._out: dict[int, float] = {}
        """When each own packet was sent that is not read yet, oldest first."""
        self._waiting: deque[tuple[float, Then]] = deque()
        self._read_at = -inf
        """When the last of them was read; -inf: none ever."""
        self._read_s = 0.0
        """How late that was."""
        self._evidence_at = [-inf] * len(STEPS_S)
        self._trips: deque[float] = deque(maxlen=TRIPS)
        """The last round trips to members that don't call themselves slow."""
        self._unheard: deque[tuple[float, Then]] = deque()

    def start(self, now: float) -> None:
        """Begin to measure, at a random moment of the first interval."""
        settings = self._view.settings
        if settings.loop_interval_s:
            self._view.timers.arm(LOOP, now + settings.loop_interval_s * self._view.rng.random())

    def period(self, now: float) -> None:
        """Measure: send one more, and see how long the oldest is on its way already."""
        self._view.timers.arm(LOOP, now + self._view.settings.loop_interval_s)
        self._send(now)
        self.late(now, self.now_s(now))

    def read(self, now: float, number: int) -> None:
        """An own packet was read: so was whatever came before it."""
        sent_at = self._out.get(number)
        if sent_at is None:
            return
        while next(iter(self._out)) != number:
            del self._out[next(iter(self._out))]
        del self._out[number]
        self._read_at, self._read_s = now, now - sent_at
        self.late(now, self._read_s)
        self._go_on(now, sent_at)

    def late(self, now: float, by_s: float) -> None:
        """This node did something so much late: declare it if it matters, or that it is long past."""
        settings = self._view.settings
        if not settings.loop_interval_s:
            return
        if by_s > settings.lag_threshold_s:
            step = next((at for at, step_s in enumerate(STEPS_S) if by_s <= step_s), len(STEPS_S) - 1)
            self._evidence_at[step] = now
        self._declare(now)

    def now_s(self, now: float) -> float:
        """How late this node reads at the moment; 0 below the threshold."""
        oldest = next(iter(self._out.values()), now)
        late_s = max(self._read_s, now - oldest if self.comes_back(now) else 0.0, self._trips_s())
        return late_s if late_s > self._view.settings.lag_threshold_s else 0.0

    def after_reading(self, now: float, then: Then) -> None:
        """Go on once everything that has come by now was read, at once where that can't be known."""
        limit_s = self._view.settings.read_barrier_s
        if not limit_s or not self.comes_back(now) or len(self._waiting) >= WAITING_MAX:
            then(now)
            return
        if not self._waiting or self._waiting[-1][0] < now:
            self._send(now)
        self._waiting.append((now, then))
        if BARRIER not in self._view.timers:
            self._view.timers.arm(BARRIER, now + limit_s)

    def answered(self, now: float, took_s: float) -> None:
        """A member that does not call itself slow has answered a ping, so long after it was sent.

        If that is always late the way to this node is, or what the loopback can't see. And what was sent before that
        ping has been answered by now, if it was at all.
        """
        self._trips.append(took_s)
        if self._trips_s() > self._explained_s():
            self.late(now, max(self._trips))
        self._hear_on(now, now - took_s)

    def after_answer(self, now: float, then: Then) -> None:
        """Go on once a member has answered a ping that is sent from now on: then it is not this node that is deaf."""
        limit_s = self._view.settings.read_barrier_s
        if not limit_s or self._view.size < PEERS_MIN or len(self._unheard) >= WAITING_MAX:
            then(now)
            return
        self._unheard.append((now, then))
        if ANSWER not in self._view.timers:
            self._view.timers.arm(ANSWER, now + limit_s)

    def unanswered(self, now: float) -> None:
        """Nobody answers any more: go on all the same."""
        if self._unheard:
            self._hear_on(now, self._unheard[0][0])

    def _explained_s(self) -> float:
        """How late answers may be without telling anything new: what the own packets showed is declared by them."""
        threshold_s = self._view.settings.lag_threshold_s
        return max(threshold_s, self._view.me.lag_ms / 1000) if self._read_s > threshold_s else threshold_s

    def _trips_s(self) -> float:
        """How late all of the last answers were at least; 0 when there are too few to tell."""
        view = self._view
        enough = len(self._trips) == TRIPS and view.size >= PEERS_MIN and view.settings.loop_interval_s
        return min(self._trips) if enough else 0.0

    def _hear_on(self, now: float, until: float) -> None:
        while self._unheard and self._unheard[0][0] <= until:
            self._unheard.popleft()[1](now)
        if self._unheard:
            self._view.timers.arm(ANSWER, self._unheard[0][0] + self._view.settings.read_barrier_s)
        else:
            self._view.timers.cancel(ANSWER)

    def waited(self, now: float) -> None:
        """The own packets don't come back any more: go on without."""
        if self._waiting:
            self._go_on(now, self._waiting[0][0])

    def comes_back(self, now: float) -> bool:
        """Whether what is sent to the own socket is read there, however late."""
        limit_s = self._view.settings.read_barrier_s
        return now - self._read_at <= limit_s + self._view.settings.loop_interval_s

    def _send(self, now: float) -> None:
        view = self._view
        number = view.number()
        if len(self._out) >= OUT_MAX:
            del self._out[next(iter(self._out))]
        self._out.pop(number, None)
        self._out[number] = now
        view.send(OWN, gossip.loop(number, view.me.name))

    def _go_on(self, now: float, until: float) -> None:
        """Everything that waits since then at the latest."""
        while self._waiting and self._waiting[0][0] <= until:
            self._waiting.popleft()[1](now)
        if self._waiting:
            self._view.timers.arm(BARRIER, self._waiting[0][0] + self._view.settings.read_barrier_s)
        else:
            self._view.timers.cancel(BARRIER)

    def _declare(self, now: float) -> None:
        view = self._view
        held_s = view.settings.lag_hold_s
        step_s = max((s for s, at in zip(STEPS_S, self._evidence_at, strict=True) if now - at < held_s), default=0.0)
        if round(step_s * 1000) == view.me.lag_ms or view.me.state is not State.ALIVE or view.over:
            return
        view.renew(now, Kind.REFUTATION, incarnation=view.raised(), lag_ms=round(step_s * 1000))

"""Nothing comes before its time: a message that was published with a delay is not handed over before that is over, nor
is one that was requeued with a delay, unless a link ended or a process began since it was handed over before (then the
requeue may never have arrived, and the lease went back without it). An origin that begins anew goes by its wall clock:
where that was moved, its messages are not judged.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage
from meshq.sim.start import Change

EARLY_S: Final = 0.002
"""Delays are whole milliseconds on the wire."""


class Due(Checker):
    """Remembers what was asked to come later."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._again_at: dict[tuple[bytes, str], float] = {}
        self._handed: dict[tuple[bytes, str], tuple[float, Any]] = {}
        """When it was handed over last, and to whom: only that one's requeue counts."""
        self._link_at = 0.0
        stage.fleet.on_change.append(self._changed)
        stage.ledger.on_handed.append(self._hand)
        stage.ledger.on_requeued.append(self._requeued)

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.LinkDown | events.LinkUp):
            self._begin_anew()

    def _changed(self, host: Host, change: Change) -> None:
        if change == "started":
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._again_at.clear()
        self._link_at = self.stage.world.now

    def _requeued(self, name: bytes, channel: str, delay_s: float, consumer: Any) -> None:
        at, last = self._handed.get((name, channel), (0.0, None))
        if at > self._link_at and consumer is last:
            self._again_at[name, channel] = self.stage.world.now + delay_s

    def _hand(self, message: Message, channel: str, consumer: Any) -> None:
        now = self.stage.world.now
        key = (message.name, channel)
        again_at = self._again_at.pop(key, 0.0)
        if self.stage.losses.moved_at(message) > self._handed.get(key, (0.0, None))[0]:
            again_at = 0.0  # its holder now may know nothing of the requeue
        self._handed[key] = now, consumer
        due_at = max(message.due_at, again_at)
        if now < due_at - EARLY_S and not consumer.remote and not self._goes_by_a_wrong_clock(message):
            self.find(f"{message} came to {consumer.name} on {channel} {due_at - now:.3f} s before its time")

    def _goes_by_a_wrong_clock(self, message: Message) -> bool:
        assert message.place is not None
        host = self.stage.fleet.hosts[message.place[0].origin]
        return host.clock.moved and self.stage.losses.keeper(message) is None

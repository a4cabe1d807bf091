"""Nothing comes before its time: a message that was published with a delay is not handed over before that is over, nor
is one that was requeued with a delay, unless a link ended or a process began since it was handed over before (then the
requeue may never have arrived, and the lease went back without it).
"""

from __future__ import annotations

from typing import Any, Final

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage

EARLY_S: Final = 0.002
"""Delays are whole milliseconds on the wire."""


class Due(Checker):
    """Remembers what was asked to come later."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._again_at: dict[tuple[bytes, str], float] = {}
        self._handed_at: dict[tuple[bytes, str], float] = {}
        self._link_at = 0.0
        stage.ledger.on_handed.append(self._handed)
        stage.ledger.on_requeued.append(self._requeued)

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.LinkDown | events.LinkUp):
            self._again_at.clear()
            self._link_at = self.stage.world.now

    def _requeued(self, name: bytes, channel: str, delay_s: float) -> None:
        if self._handed_at.get((name, channel), 0.0) > self._link_at:
            self._again_at[name, channel] = self.stage.world.now + delay_s

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        now = self.stage.world.now
        key = (message.name, channel)
        again_at = self._again_at.pop(key, 0.0)
        self._handed_at[key] = now
        due_at = max(message.due_at, again_at)
        if now < due_at - EARLY_S and not consumer.remote:
            self.find(f"{message} came to {consumer.name} on {channel} {due_at - now:.3f} s before its time")

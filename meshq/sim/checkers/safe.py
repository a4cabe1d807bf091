"""Confirmed means safe: when a publisher is told that a message is kept at level `disk`, its origin's disk has
committed it; at level `fsync` it has synced it as well. What some consumer has finished by then may be gone already.

Looked at in the moment of each confirmation, so that a node which confirms too early is seen without a crash.
"""

from __future__ import annotations

from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage


class Safe(Checker):
    """Looks into the origin's disk at each confirmation."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_confirmed.append(self._confirmed)

    def _confirmed(self, message: Message) -> None:
        host = self.stage.losses.keeper(message)
        if message.level == "memory" or host is None or message.finished or message.topic in self.stage.forgiven:
            return
        assert message.place is not None
        log, number = message.place
        disk = host.disk
        shelf = (disk.synced if message.level == "fsync" else disk.committed).logs.get((message.topic, log))
        if shelf is None or not shelf.holds(number):
            self.find(f"{host.name} confirmed {message} at level {message.level}, and its disk does not have it")

"""What exists goes on existing: no consumer is told that its channel was deleted, unless somebody asked for that, or a
node has lost its disk or has none. A restart knows the names that there were.
"""

from __future__ import annotations

from typing import Any

from meshq.sim.checkers.base import Checker
from meshq.sim.stage import Stage


class Existing(Checker):
    """Hears what consumers are told."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_deleted.append(self._told)

    def _told(self, consumer: Any) -> None:
        stage = self.stage
        asked = any(topic == consumer.topic for topic in stage.ledger.deletes)
        lost = any(loss.everything for host in stage.fleet.hosts.values() for loss in host.disk.losses)
        if stage.fleet.stores and not (asked or lost):
            self.find(
                f"{consumer.name} is told that {consumer.topic}/{consumer.channel} was deleted; nobody asked for it"
            )

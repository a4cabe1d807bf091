"""A channel that begins at a time gets nothing that was confirmed before it. What an origin retains of a topic takes no
more bytes than it may.

That a channel gets everything from where it begins is the statement of `delivery`: the scenario says from when on all
is due to it. That nothing is retained for longer than it should be is that of `rest`.
"""

from __future__ import annotations

from typing import Any, Final

from meshq.engine.engine import Engine
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage

EXACT_S: Final = 0.002
"""Starts are told in milliseconds."""


class Begun(Checker):
    """Looks at each hand-over on channels with a start, and at what brokers retain after their turns."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.ledger.on_handed.append(self._handed)

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        begun_at = self.stage.ledger.begun_at.get((message.topic, channel))
        if begun_at is not None and message.confirmed_at is not None and message.confirmed_at < begun_at - EXACT_S:
            self.find(f"{message} came to {consumer.name}, though {channel} begins after it, at {begun_at:.3f} s")

    def look(self, host: Host) -> None:
        engine = host.machine
        if not isinstance(engine, Engine):
            return
        for name, topic in engine.broker._registry.topics.items():
            retention = topic.retention
            if retention.bytes_max and not any(log.grace.until for log in topic.logs.values()):
                kept = sum(log.retained.stored_bytes() + log.retained.held_bytes for log in topic.logs.values())
                if kept > retention.bytes_max + 1:
                    self.find(f"{host.name} retains {kept:.0f} bytes of {name}, of which it may {retention.bytes_max}")

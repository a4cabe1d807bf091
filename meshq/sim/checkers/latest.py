"""Of a channel that drops the oldest above its limit the latest are there: as many messages of each log as the limit
says, the last ones, reach a consumer that comes at the end.
"""

from __future__ import annotations

from typing import ClassVar

from meshq.names import LogId
from meshq.sim.checkers.base import Checker
from meshq.sim.ledger import Message


class Latest(Checker):
    """Compares what was finished with the ends of the logs."""

    KEPT: ClassVar = 10

    def at_end(self, settled: bool) -> None:
        logs: dict[LogId, list[Message]] = {}
        for (topic, log, _), message in sorted(self.stage.ledger.places.items(), key=lambda one: one[0][2]):
            if topic == "latest":
                logs.setdefault(log, []).append(message)
        for log, messages in logs.items():
            for message in messages[-self.KEPT :]:
                if message.confirmed_at is not None and "screen" not in message.finished:
                    self.find(f"{message} is one of the last {self.KEPT} of {log}, and was dropped")

"""At rest nothing is kept: when every message is finished and the window for late channels has passed, brokers hold no
bytes of messages, no leases, no FINs that were not acknowledged, and every channel says that nothing waits.
"""

from __future__ import annotations

from typing import Final

from meshq.broker.why import Why
from meshq.sim.checkers.base import Checker

WITHIN_S: Final = 45.0
"""The window, the time in which first channels may come, and the time of an audit."""


class Rest(Checker):
    """Waits for brokers to be empty."""

    def at_end(self, settled: bool) -> None:
        if settled and not self.stage.world.run_while(lambda: bool(self._kept()), within_s=WITHIN_S, check_s=1.0):
            self.find(f"{WITHIN_S:.0f} s after the last message was finished {self._kept()}")

    def _kept(self) -> str:
        for name, engine in self.stage.engines():
            broker = engine.broker
            if broker.memory_bytes:
                return f"{name} still keeps {broker.memory_bytes} bytes"
            for topic in broker.stats():
                for channel in topic["channels"]:
                    if channel["depth"] or channel["in_flight"] or channel["deferred"]:
                        return f"{name} says {channel} of {topic['topic']}"
                    why = broker.why(topic["topic"], channel["channel"])
                    if why not in (Why.NONE, Why.NO_CONSUMER):
                        return f"{name} says of {topic['topic']}/{channel['channel']}: {why}"
        return ""

"""Where every consumer settles what it holds or leaves, nothing times out: what a departed consumer held, what a
dead node held and what was on a broken link is back at once, not after the message timeout."""

from __future__ import annotations

from meshq.sim.checkers.base import Checker


class NoTimeouts(Checker):
    """Reads the origins' counters."""

    def at_end(self, settled: bool) -> None:
        for name, engine in self.stage.engines():
            for topic in engine.broker.stats():
                for channel in topic["channels"]:
                    if channel["timed_out"]:
                        self.find(f"{channel['timed_out']} messages of {name} timed out on {channel['channel']}")

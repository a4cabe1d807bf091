"""Nothing confirmed is lost: each message that was confirmed by a node reached, and was finished by, a consumer of
every channel whose barrier all members had answered before the message was sent.

Excepted is what went with its origin for good: nothing that was confirmed at level `disk` goes with a crash of its
process, nothing at `fsync` with a power loss, once the origin runs again; a crash takes what level `memory` keeps, and
a drain says how many it left. The run must come to rest: a message that is still owed when faults have long been over
is lost or stuck, and the finding tells which by asking the origin why.
"""

from __future__ import annotations

from typing import Final

from meshq.sim.checkers.base import Checker

NAMED_MAX: Final = 3


class NothingLost(Checker):
    """Compares the ledger with what became of it."""

    def at_end(self, settled: bool) -> None:
        stage = self.stage
        owed = stage.outstanding()
        for message, channel in owed[:NAMED_MAX]:
            assert message.place is not None
            origin = message.place[0].origin
            engine = dict(stage.engines()).get(origin)
            why = engine.broker.why(message.topic, channel) if engine is not None else "its origin is gone"
            handed = message.handed.get(channel, 0)
            self.find(f"{channel} never finished {message}, handed over {handed} times; {origin} says why: {why}")
        if len(owed) > NAMED_MAX:
            self.find(f"{len(owed)} confirmed messages in all were never finished")
        self._check_stops()
        if not settled and not owed:
            self._say_what_is_stuck()

    def _check_stops(self) -> None:
        """A node that left said how many messages went with it: no more may be missing."""
        missing: dict[tuple[int, int], set[bytes]] = {}
        for message, _ in self.stage.ledger.owed():
            moved = self.stage.losses.moved_at(message) > 0.0
            if message.place is not None and message.topic not in self.stage.forgiven and not moved:
                log = message.place[0]
                missing.setdefault((log.epoch_ms, log.epoch_nonce), set()).add(message.name)
        for host in self.stage.fleet.hosts.values():
            for epoch, stop in host.stops:
                lost = len(missing.get((epoch.ms, epoch.nonce), ()))
                if stop.error is None and lost > stop.messages_left:
                    self.find(
                        f"{host.name} left, said that {stop.messages_left} messages went with it: {lost} did", "left"
                    )

    def _say_what_is_stuck(self) -> None:
        stage = self.stage
        for name, engine in stage.engines():
            if engine.messages_left:
                self.find(
                    f"{name} still keeps {engine.messages_left} messages that nobody is owed: "
                    f"{engine.view()['queues']}",
                    "stuck",
                )
        busy = [publisher.name for publisher in stage.publishers if publisher.busy]
        if busy:
            self.find(f"publishers {busy} still wait for answers", "unanswered")

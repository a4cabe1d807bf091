"""A message is handed over again only for a reason: since the hand-over before, its consumer let it go or left, its
timeout passed, a process died, or the link between its origin and the consumer's node ended. Over a link that the
origin holds ended and the consumer's node does not yet, anything may come again. But what a consumer finished is never
handed over again at the same node while its process and the origin's live: its FIN is repeated, and drops what crosses
it. What an origin's restart may forget of it is the statement of `remembered`.

A log that was handed over is another node's: what its giver had lent may come once more from its taker, and from both
while two nodes have the log. That nothing comes which had been finished by then is the statement of `handed`.

Looked at from outside, for consumers in their node's process (what a remote one knows of its connection may be late).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from meshq.machine import events
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.ledger import Message
from meshq.sim.stage import Stage
from meshq.sim.start import Change

PATIENCE: Final = 0.8
"""A timeout is looked at from the client, which got the message a little after its node counted from."""

IN_FLIGHT_S: Final = 5.0
"""For so long after a log has moved consumers may have what its giver lent them."""

HEARD_S: Final = 0.05
"""A node has read by then what its in-process consumer said."""


class HandOver(NamedTuple):
    """The last hand-over of a message on a channel."""

    at_s: float
    consumer: Any
    subscription: int
    node: str
    starts: int


class Repeats(Checker):
    """Remembers the last hand-over of each message, and when links and processes ended."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._last: dict[tuple[bytes, str], HandOver] = {}
        self._link_ended: dict[tuple[str, str], float] = {}
        self._up_at: dict[tuple[str, str], float] = {}
        self._down_at: dict[tuple[str, str], float] = {}
        """When the first told last of the beginning and of the end of its link to the second."""
        self._finished: dict[tuple[bytes, str], HandOver] = {}
        self._started_at: dict[str, float] = {}
        stage.fleet.on_change.append(self._changed)
        stage.ledger.on_handed.append(self._handed)
        stage.ledger.on_finished.append(self._finish)
        stage.ledger.on_let_go.append(self._let_go)

    def event(self, host: Host, event: Any) -> None:
        if isinstance(event, events.LinkDown | events.LinkUp):
            pair = min(host.name, event.name), max(host.name, event.name)
            self._link_ended[pair] = self.stage.world.now
            told = self._down_at if isinstance(event, events.LinkDown) else self._up_at
            told[host.name, event.name] = self.stage.world.now

    def _changed(self, host: Host, change: Change) -> None:
        if change == "started":
            self._started_at[self.stage.twins.get(host.name, host.name)] = self.stage.world.now

    def _let_go(self, name: bytes, channel: str) -> None:
        self._last.pop((name, channel), None)

    def _finish(self, message: Message, channel: str, consumer: Any) -> None:
        if not consumer.remote:
            self._finished[message.name, channel] = self._hand_over(consumer)

    def _hand_over(self, consumer: Any) -> HandOver:
        starts = self.stage.fleet.hosts[consumer.node].counters.starts
        return HandOver(self.stage.world.now, consumer, consumer.subscription, consumer.node, starts)

    def _check_finished(self, message: Message, channel: str, consumer: Any, now: HandOver) -> None:
        finished = self._finished.get((message.name, channel))
        if finished is None or (finished.node, finished.starts) != (now.node, now.starts):
            return
        assert message.place is not None
        if self._started_at.get(message.place[0].origin, 0.0) > finished.at_s or self._moved(message, finished):
            return
        if consumer.node not in self.stage.slow and now.at_s > finished.at_s + HEARD_S and not consumer.remote:
            self.find(f"{message} was finished on {channel} at {finished.node} and came back to {consumer.name}")

    def _handed(self, message: Message, channel: str, consumer: Any) -> None:
        if message.topic in self.stage.forgiven:
            return  # a channel that was deleted and created anew may begin a little too early
        key = (message.name, channel)
        before = self._last.get(key)
        if before is not None and not (consumer.remote or self._had_reason(before, message, consumer.node)):
            self.find(
                f"{message} was handed to {consumer.name} on {channel}, though {before.consumer.name} at {before.node} "
                f"has it since {before.at_s:.4f} s"
            )
        now = self._last[key] = self._hand_over(consumer)
        self._check_finished(message, channel, consumer, now)

    def _moved(self, message: Message, before: HandOver) -> bool:
        """Whether its log was handed over since, or just before: what is in flight then may come from both."""
        losses = self.stage.losses
        return losses.shared(message) or losses.moved_at(message) >= before.at_s - IN_FLIGHT_S

    def _had_reason(self, before: HandOver, message: Message, node: str) -> bool:
        consumer, now = before.consumer, self.stage.world.now
        host = self.stage.fleet.hosts[before.node]
        if consumer.remote or consumer.subscription != before.subscription or not consumer.up:
            return True
        if now - before.at_s >= PATIENCE * consumer.timeout_s or host.counters.starts != before.starts or host.paused:
            return True
        assert message.place is not None
        origin = message.place[0].origin
        if self._started_at.get(origin, -1.0) >= before.at_s or self._moved(message, before):
            return True
        if any(
            self._up_at.get((at, origin), -1.0) < self._down_at.get((origin, at), -1.0) for at in (node, before.node)
        ):
            return True
        pair = min(before.node, origin), max(before.node, origin)
        return self._link_ended.get(pair, -1.0) >= before.at_s

"""What may be gone: which confirmed messages a crash, a power loss or a lost disk of their origin excuses.

Level ``memory`` keeps a message as long as the process that took it, ``disk`` through a crash of that process, and
``fsync`` through a power loss. Judged from outside, by what a client was told and by what befell the disk. What is not
excused must be there once its origin runs again; whether it is, is the checkers' to ask.

A log that was handed over is asked of whoever has it then: its taker from the moment at which it says so, its giver
until it says so. What a taker has, it has synced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from meshq.machine import events
from meshq.names import log_text
from meshq.sim.fleet import Fleet
from meshq.sim.host import Host
from meshq.sim.ledger import Message
from meshq.sim.start import Change


class _Start(NamedTuple):
    host: Host
    number: int
    at: float

    @property
    def runs(self) -> bool:
        return self.host.running and self.host.counters.starts == self.number


class _Holders:
    """Who has a log that was handed over."""

    def __init__(self) -> None:
        self.origin = True
        """The start that opened it, or a later one of that host, has it."""
        self.takers: list[_Start] = []
        self.moved_at = 0.0


class Losses:
    """Follows which start of which host each epoch is, and where logs are that moved."""

    def __init__(self, fleet: Fleet) -> None:
        self._starts: dict[tuple[int, int], _Start] = {}
        self._holders: dict[tuple[str, str], _Holders] = {}
        self._world = fleet.world
        fleet.on_change.append(self._changed)
        fleet.on_event.append(self._happened)

    def excuse(self, message: Message) -> bool:
        """Whether nobody can be asked for the message, because what kept it is gone."""
        if message.place is None:
            return True
        log = message.place[0]
        holders = self._of(message)
        if holders is not None and any(not _lost_with(message, taker) for taker in holders.takers):
            return False
        if holders is not None and not holders.origin:
            return bool(holders.takers)  # given up, and nobody has said that it is his: that excuses nothing
        start = self._starts.get((log.epoch_ms, log.epoch_nonce))
        if start is None or not start.host.running:
            return True
        if start.runs:
            return False
        return message.level == "memory" or any(self._taking(message, start))

    def moved_at(self, message: Message) -> float:
        """When the message's log was last taken over, or given up; 0.0: never."""
        holders = self._of(message)
        return holders.moved_at if holders is not None else 0.0

    def shared(self, message: Message) -> bool:
        """Whether two nodes have the message: a hand-over broke off behind the taker's last word."""
        holders = self._of(message)
        return holders is not None and holders.origin + len(holders.takers) > 1

    def keeper(self, message: Message) -> Host | None:
        """The host on which the start that took the message still runs."""
        assert message.place is not None
        log = message.place[0]
        start = self._starts.get((log.epoch_ms, log.epoch_nonce))
        return start.host if start is not None and start.runs else None

    def _taking(self, message: Message, start: _Start) -> Iterator[bool]:
        """Of each loss of the disk since that start, whether it may have taken the message."""
        assert message.confirmed_at is not None
        for loss in start.host.disk.losses:
            if loss.at >= start.at:
                yield loss.everything or (message.level != "fsync" and message.confirmed_at > loss.safe_at)

    def _of(self, message: Message) -> _Holders | None:
        return self._holders.get((message.topic, log_text(message.place[0]))) if message.place is not None else None

    def _happened(self, host: Host, event: Any) -> None:
        if not isinstance(event, events.TakenOver | events.HandedOver):
            return
        holders = self._holders.setdefault((event.topic, event.log), _Holders())
        holders.moved_at = self._world.now
        if isinstance(event, events.TakenOver):
            holders.takers.append(_Start(host, host.counters.starts, self._world.now))
        elif any(taker.host is host for taker in holders.takers):
            holders.takers = [taker for taker in holders.takers if taker.host is not host]
        else:
            holders.origin = False

    def _changed(self, host: Host, change: Change) -> None:
        if change == "started":
            epoch = host.epoch
            self._starts[epoch.ms, epoch.nonce] = _Start(host, host.counters.starts, self._world.now)


def _lost_with(message: Message, taker: _Start) -> bool:
    """Whether a taker no longer has what it took."""
    if not taker.host.running:
        return True
    if taker.runs:
        return False
    return message.level == "memory" or any(loss.everything and loss.at >= taker.at for loss in taker.host.disk.losses)

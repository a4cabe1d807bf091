"""What may be gone: which confirmed messages a crash, a power loss or a lost disk of their origin excuses.

Level ``memory`` keeps a message as long as the process that took it, ``disk`` through a crash of that process, and
``fsync`` through a power loss. Judged from outside, by what a client was told and by what befell the disk. What is not
excused must be there once its origin runs again; whether it is, is the checkers' to ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

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


class Losses:
    """Follows which start of which host each epoch is."""

    def __init__(self, fleet: Fleet) -> None:
        self._starts: dict[tuple[int, int], _Start] = {}
        self._world = fleet.world
        fleet.on_change.append(self._changed)

    def excuse(self, message: Message) -> bool:
        """Whether nobody can be asked for the message, because what kept it is gone."""
        if message.place is None:
            return True
        log = message.place[0]
        start = self._starts.get((log.epoch_ms, log.epoch_nonce))
        if start is None or not start.host.running:
            return True
        if start.runs:
            return False
        return message.level == "memory" or any(self._taking(message, start))

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

    def _changed(self, host: Host, change: Change) -> None:
        if change == "started":
            epoch = host.epoch
            self._starts[epoch.ms, epoch.nonce] = _Start(host, host.counters.starts, self._world.now)

"""What leaves a node is bounded: no consumer ever holds more than its capacity (unless it lets something time out), no
stream's write buffer grows past its mark by more than what one turn may add, and no datagram is above the limit of
the wire.

The tables inside are the statement of ``tables``.
"""

from __future__ import annotations

from typing import Final

from meshq.machine.effects import Address
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage
from meshq.wire.prefix import DATAGRAM_BYTES_MAX

CONTROL_BYTES_MAX: Final = 256 * 1024
"""Frames that are not messages may wait above the mark: they are small, and bounded by credit."""


class Bounds(Checker):
    """Looks at buffers now and then, and at each packet."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._send = stage.fleet.datagrams.send
        stage.fleet.datagrams.send = self._sending  # type: ignore[method-assign]

    def look(self, host: Host) -> None:
        settings = self.stage.settings
        frame_max = max(settings.broker.batch_bytes_max, settings.broker.message_bytes_max) + 4096
        limit = 2 * settings.link.write_buffer_bytes + frame_max + CONTROL_BYTES_MAX
        for end in host.open_ends():
            if end.peer[1] and end.buffered_bytes > limit:
                self.find(f"{host.name} has {end.buffered_bytes} bytes waiting for {end.peer}; at most {limit}")

    def at_end(self, settled: bool) -> None:
        for consumer in self.stage.consumers:
            if consumer.may_hold is not None and consumer.in_hand_max > consumer.may_hold:
                self.find(f"{consumer.name} held {consumer.in_hand_max}; its capacity is {consumer.may_hold}")

    def _sending(self, source: Address, to: Address, data: bytes) -> None:
        if len(data) > DATAGRAM_BYTES_MAX:
            self.find(f"{source} sends a datagram of {len(data)} bytes")
        self._send(source, to, data)

"""What the runtime counts; every view of it reads these."""

from __future__ import annotations


class DatagramCounters:
    """What happened at the door. Everything dropped is counted under its reason."""

    __slots__ = ("dropped_full", "dropped_stranger", "dropped_too_long", "dropped_unsent", "errors", "received", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.dropped_full = 0
        self.dropped_stranger = 0
        self.dropped_too_long = 0
        self.dropped_unsent = 0
        self.errors = 0


class HostCounters:
    """What the host itself counts; the datagrams have their own."""

    __slots__ = ("datagrams", "inputs", "strangers_refused", "turns")

    def __init__(self, datagrams: DatagramCounters) -> None:
        self.datagrams = datagrams
        self.inputs = 0
        self.turns = 0
        self.strangers_refused = 0

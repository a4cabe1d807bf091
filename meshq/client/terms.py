"""What a subscription asks for: how much, for how long, and from where.

Decides which values there may be, before anything is said to a node; the node may allow less.
"""

from __future__ import annotations

from meshq.client import checks
from meshq.client.backoff import Wait
from meshq.client.start import Start
from meshq.client.start import setting as start_setting
from meshq.errors import LocalProtocolError


class Terms:
    """What a subscription asks for; None leaves it to the node."""

    __slots__ = (
        "backoff", "barrier_s", "max_in_flight", "max_in_flight_bytes", "message_timeout_s", "start", "timeout_s",
    )  # fmt: skip

    def __init__(
        self,
        max_in_flight: int,
        max_in_flight_bytes: int,
        backoff: Wait,
        barrier_s: float | None,
        message_timeout_s: float | None,
        timeout_s: float,
        start: Start | None = None,
    ) -> None:
        checks.whole("max_in_flight", max_in_flight)
        checks.whole("max_in_flight_bytes", max_in_flight_bytes)
        for name, value in (("barrier_s", barrier_s), ("message_timeout_s", message_timeout_s)):
            if value is not None:
                checks.seconds(name, value)
        checks.seconds("timeout_s", timeout_s)
        if not callable(backoff):
            raise LocalProtocolError(f"backoff maps attempts to seconds, as lambda attempts: 2.0; not {backoff!r:.64}")
        self.max_in_flight = max_in_flight
        self.max_in_flight_bytes = max_in_flight_bytes
        self.backoff = backoff
        self.barrier_s = barrier_s
        self.message_timeout_s = message_timeout_s
        self.timeout_s = timeout_s
        self.start = None if start is None else start_setting(start)

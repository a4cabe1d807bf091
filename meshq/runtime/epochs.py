"""The epoch of a start: later than the stored one, and than the clock's last start as a rule.

Without a store the clock alone orders starts; random bits break ties. Storing it is the store's.
"""

from __future__ import annotations

import secrets

from meshq.names import COUNT_MAX, Epoch
from meshq.runtime.clock import wall_ns

NONCE_BITS = 64


def next_epoch(stored_ms: int | None = None) -> Epoch:
    """max(``stored_ms`` + 1, the clock in ms), with 64 random bits."""
    clock_ms = wall_ns() // 1_000_000
    least_ms = 0 if stored_ms is None else min(stored_ms + 1, COUNT_MAX)
    return Epoch(max(least_ms, clock_ms), secrets.randbits(NONCE_BITS))

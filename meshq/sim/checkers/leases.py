"""A message has at most one live session lease per channel at its origin."""

from __future__ import annotations

from meshq.sim.checkers.base import Checker


class OneLease(Checker):
    """Looks into origins."""

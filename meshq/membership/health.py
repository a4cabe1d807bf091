"""How well this node itself is doing, judged by what comes back to it.

Decides by how much probes and their waits are stretched. Source: Lifeguard (Dadgar et al. 2018), local health
multiplier; memberlist awareness.go. Departure: the direct wait is stretched as the paper says, which memberlist
does not do.
"""

from __future__ import annotations


class Health:
    """A score from 0 (well) to ``limit`` - 1."""

    __slots__ = ("_limit", "score")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.score = 0

    @property
    def stretch(self) -> int:
        """What the probe interval and its waits are multiplied by."""
        return self.score + 1

    def answered(self) -> None:
        """A probe succeeded."""
        self.score = max(0, self.score - 1)

    def failed(self, relays: int, nacks: int) -> None:
        """A probe failed: relays that did not even say so speak against this node, all nacks acquit it."""
        self._worsen(max(0, relays - nacks) if relays else 1)

    def accused(self) -> None:
        """This node had to refute."""
        self._worsen(1)

    def _worsen(self, by: int) -> None:
        self.score = min(self._limit - 1, self.score + by)

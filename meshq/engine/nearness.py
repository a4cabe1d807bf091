"""How near a node is: this one, one of its zone, any other. Links are served, and logs offered, the nearest first."""

from __future__ import annotations

from meshq.config import Config
from meshq.membership.membership import Membership


class Nearness:
    """By the zones that members tell of themselves."""

    def __init__(self, config: Config, membership: Membership) -> None:
        self._name = config.name
        self._zone = config.zone
        self._membership = membership

    def of(self, name: str) -> int:
        """0 for this node, 1 within its zone, 2 for any other, and for all where no zone is set."""
        if name == self._name:
            return 0
        member = self._membership.members.get(name)
        return 1 if self._zone and member is not None and member.zone == self._zone else 2

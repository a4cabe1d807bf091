"""What befalls a mesh in one run, as a value that can be sent to another process and played there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from meshq.config import Config, MembershipConfig, membership_profile

REFERENCE: Final = "memberlist"
OURS: Final = "lan"

Outcome: TypeAlias = dict[str, float]
"""What a run came to, by name; what never happened is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A mesh, its weather, what ails it, and which course the run takes (a name in ``plays.PLAYS``)."""

    play: str
    nodes: int
    loss: float = 0.0
    """Of each packet, each way."""
    stream_probe: bool = True
    """Whether members are asked over streams too; without, only datagrams count."""
    ailment: str = ""
    """One of ``ailments.AILMENTS``."""
    ill: int = 0
    """How many nodes have it."""

    def settings(self, profile: str) -> MembershipConfig:
        """The membership settings of a profile in this cell."""
        return replace(membership_profile(profile), stream_probe=self.stream_probe)

    def config(self, profile: str, name: str, seeds: tuple[str, ...] = ()) -> Config:
        """The settings of one node."""
        return Config(name=name, seeds=seeds, membership=self.settings(profile))

"""Who was suspected or declared dead in a run, rightly or not.

Decides what is false: a suspicion or a death of a member whose process runs, at the epoch at which it runs; each counts
once per member and incarnation, however many nodes hold it.
"""

from __future__ import annotations

from meshq.membership.effects import MemberChanged
from meshq.membership.member import State
from meshq.sim.gossip import Gossip, Node


class Watch:
    """Follows every change of state that nodes hold; ``look_for`` names the member whose death is waited for."""

    def __init__(self, gossip: Gossip) -> None:
        self._gossip = gossip
        self._false: dict[State, dict[tuple[str, int, int], None]] = {State.SUSPECT: {}, State.DEAD: {}}
        self._sought = ""
        self._holding: dict[str, None] = {}
        """The nodes that hold the one looked for dead or gone."""
        self.first_at: float | None = None
        self.last_at = 0.0
        gossip.on_change.append(self._changed)

    def look_for(self, name: str) -> None:
        """From now on, wait for this member's end to be known."""
        self._sought = name
        self._holding = {
            node.name: None for node in self._gossip.running if node.machine and not node.machine.members[name].live
        }

    @property
    def known_to_all(self) -> bool:
        """Whether every node that runs holds the one looked for dead or gone."""
        return len(self._holding) >= len(self._gossip.running)

    @property
    def suspicions(self) -> int:
        """False ones."""
        return len(self._false[State.SUSPECT])

    @property
    def deaths(self) -> int:
        """False ones."""
        return len(self._false[State.DEAD])

    def _changed(self, node: Node, change: MemberChanged) -> None:
        member = change.member
        if member.name == self._sought:
            self._look(node, gone=not member.live)
        if member.state not in self._false or member.state is change.before:
            return
        accused = self._gossip.nodes[member.name].machine
        if accused is not None and accused.me.epoch == member.epoch:
            self._false[member.state][member.name, member.epoch.ms, member.incarnation] = None

    def _look(self, node: Node, *, gone: bool) -> None:
        if not gone:
            self._holding.pop(node.name, None)
            return
        self.last_at = self._gossip.world.now
        if self.first_at is None:
            self.first_at = self.last_at
        self._holding[node.name] = None

"""A crash is known at once: a second and a half after a process died to which some node had a link, no node that runs
holds that start of it alive any more.

A host that falls silent takes longer, and is not looked at; nor is a node that stands still or began anew meanwhile.
"""

from __future__ import annotations

from typing import Final

from meshq.names import Epoch
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.stage import Stage
from meshq.sim.start import Change

WITHIN_S: Final = 1.5


class CrashKnown(Checker):
    """Looks at every node a while after each crash."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._seen = 0
        stage.fleet.on_change.append(self._changed)

    def at_end(self, settled: bool) -> None:
        if not self._seen and len(self.stage.names) > 2:
            self.find("no process crashed that had a link: the scenario did not happen")

    def _changed(self, host: Host, change: Change) -> None:
        if change == "crashed" and any(engine.links.get(host.name) for _, engine in self.stage.engines()):
            self._seen += 1
            starts = {name: self.stage.fleet.hosts[name].counters.starts for name, _ in self.stage.engines()}
            self.stage.world.after(WITHIN_S, self._look, host.name, host.epoch, starts)

    def _look(self, crashed: str, epoch: Epoch, starts: dict[str, int]) -> None:
        for name, engine in self.stage.engines():
            host, member = self.stage.fleet.hosts[name], engine.membership.members.get(crashed)
            same = name != crashed and host.counters.starts == starts.get(name) and not host.paused
            if same and member is not None and member.live and member.epoch == epoch:
                self.find(f"{name} holds {crashed} to be {member.state.name} {WITHIN_S} s after its process died")

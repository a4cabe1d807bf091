"""Of two starts of one name only the later lives on; the earlier ends with an error that says why."""

from __future__ import annotations

from meshq.errors import Fenced
from meshq.sim.checkers.base import Checker


class OneOfAName(Checker):
    """Looks at who runs, and how the others ended."""

    def at_end(self, settled: bool) -> None:
        by_name: dict[str, list[str]] = {}
        for host, engine in self.stage.engines_by_host():
            by_name.setdefault(engine.config.name, []).append(host)
        for name, hosts in by_name.items():
            if len(hosts) > 1:
                self.stage.find(f"{name} runs on {hosts}")
        for off in self.stage.mesh.hosts.values():
            for _, stop in off.stops:
                if stop.error is not None and not isinstance(stop.error, Fenced):
                    self.stage.find(f"{off.name} ended with {stop.error!r}")

"""Of two starts of one name only one lives on, and the other ends with an error that says why: it was fenced by the
later start, or it was refused because the name was still held by a live member elsewhere."""

from __future__ import annotations

from meshq.errors import ConfigError, Fenced
from meshq.sim.checkers.base import Checker


class OneOfAName(Checker):
    """Looks at who runs, and how the others ended."""

    def at_end(self, settled: bool) -> None:
        by_name: dict[str, list[str]] = {}
        for host, engine in self.stage.engines_by_host():
            by_name.setdefault(engine.config.name, []).append(host)
        for name in self.stage.names:
            if len(by_name.get(name, ())) != 1:
                self.find(f"{name} runs on {by_name.get(name)}")
        for off in self.stage.fleet.hosts.values():
            for _, stop in off.stops:
                if stop.error is not None and not isinstance(stop.error, Fenced | ConfigError):
                    self.find(f"{off.name} ended with {stop.error!r}")

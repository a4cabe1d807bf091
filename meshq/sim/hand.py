"""The hand of fate over a user's mesh: what may befall hosts and paths, by name, checked before it happens.

Decides what a caller may ask for, and keeps what was asked for the report; what a fault does is ``faults``' and the
fleet's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, get_args

from meshq.errors import LocalProtocolError
from meshq.sim import faults, swarm
from meshq.sim.disk import Fate
from meshq.sim.drawing import Recorder
from meshq.sim.faults import Fault
from meshq.sim.fleet import Fleet
from meshq.sim.network import Weather

FATES: Final[tuple[Fate, ...]] = get_args(Fate)
Undo: TypeAlias = Callable[[], None]
"""Ends what a verb began; calling it again does nothing."""


class Hand:
    """Verbs take effect at once; those that last are ended by what they return, or by their counterpart.

    Names of hosts that do not exist, and values that mean nothing, raise LocalProtocolError, and nothing happens.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.plan: list[Fault] = []
        """Faults that were scheduled; their times count from the beginning of the run."""
        self._fleet = fleet
        self._recorder = Recorder(fleet)
        self._disks: dict[str, Fate] = {}

    @property
    def now_s(self) -> float:
        """Virtual seconds since the beginning."""
        return self._fleet.world.now

    def note(self, text: str, who: str = "main") -> None:
        """Add a line to the timeline."""
        self._fleet.world.note(who, text)

    def partition(self, *groups: Iterable[str]) -> Undo:
        """Nothing passes between the groups, ``["n1"], ["n2", "n3"]``; who is in none is with the first."""
        sides = [self._known(group) for group in groups]
        named = [name for side in sides for name in side]
        if len(sides) < 2 or len(set(named)) < len(named):
            raise LocalProtocolError('give two groups or more that share no host: partition(["n1"], ["n2", "n3"])')
        self._note(f"partition {' | '.join(','.join(side) for side in sides)}")
        return self._fleet.partition(*sides)

    def one_way(self, source: str, target: str) -> Undo:
        """Nothing passes from ``source`` to ``target``; the other way is open."""
        self._pair(source, target)
        self._note(f"one way: nothing passes from {source} to {target}")
        return self._fleet.one_way(source, target)

    def cut(self, one: str, other: str, *, silently: bool = False) -> None:
        """The streams between two hosts are reset, or half-open from now on (``silently``). New ones work."""
        self._pair(one, other)
        self._note(f"{'silent ' if silently else ''}cut between {one} and {other}")
        self._fleet.cut_streams(one, other, silently=silently)

    def lossy(self, loss: float, source: str | None = None, target: str | None = None) -> Undo:
        """That share of packets (0 to 1) is lost, from ``source`` to ``target`` (None: any)."""
        return self.storm(Weather(loss=loss), source, target)

    def storm(self, weather: Weather, source: str | None = None, target: str | None = None) -> Undo:
        """``weather`` holds as well, from ``source`` to ``target`` (None: any)."""
        self._known([name for name in (source, target) if name is not None])
        _check_weather(weather)
        self._note(f"{weather} from {source or 'any'} to {target or 'any'}")
        return self._fleet.spell(weather, source, target)

    def heal(self) -> None:
        """Every path is whole again; processes stay as they are."""
        self._note("all paths heal")
        self._fleet.paths.mend_all()

    def slow(self, name: str, turn_s: float = 0.05) -> Undo:
        """Each turn of the node comes ``turn_s`` after its input."""
        self._known([name])
        if turn_s <= 0:
            raise LocalProtocolError(f"turn_s is above 0, not {turn_s:g}")
        self._note(f"{name} takes {turn_s:g} s for each turn")
        return faults.Slow(at_s=0.0, node=name, turn_s=turn_s).begin(self._fleet)

    def pause(self, name: str) -> Undo:
        """The process stands still, its services too, until ``resume`` or what this returns."""
        self._known([name])
        return faults.Pause(at_s=0.0, node=name).begin(self._fleet)

    def resume(self, name: str) -> None:
        """The process goes on, whatever made it stand still."""
        self._known([name])
        host = self._fleet.hosts[name]
        while host.paused:
            host.resume()

    def crash(self, name: str, *, host: bool = False, disk: Fate = "kept") -> None:
        """The process dies as by kill -9, or the whole ``host``: without a word to anybody.

        ``disk``: what the next start finds: all that was committed (``kept``), what was synced (``unsynced-lost``: the
        power failed, so the host dies too), or nothing (``lost``). What runs there is gone in the middle of what it
        did. Nothing happens where nothing runs.
        """
        self._known([name])
        if disk not in FATES:
            raise LocalProtocolError(f"disk is one of {', '.join(FATES)}, not {disk!r}")
        self._disks[name] = disk
        self._fleet.crash(name, host=host or disk == "unsynced-lost")

    def restart(self, name: str) -> None:
        """Start the process again, with its services; ``up`` waits until its node is open. Nothing if it runs."""
        self._known([name])
        self._fleet.restart(name, self._disks.pop(name, "kept"))

    def runs(self, name: str) -> bool:
        """Whether the process lives; it may stand still, and its node may not be open yet."""
        self._known([name])
        return self._fleet.hosts[name].running

    def skew(self, name: str, offset_s: float, drift: float = 0.0) -> None:
        """The wall clock of ``name`` is off by ``offset_s`` from now on, and gains ``drift`` seconds a second."""
        self._known([name])
        self._note(f"the clock of {name} is off by {offset_s:g} s, drifting by {drift:g}")
        self._fleet.hosts[name].skew(offset_s, drift)

    def befall(self, plan: Sequence[Fault]) -> None:
        """Have faults happen, their times counted from now (before the run: from its beginning)."""
        plan = [plan] if isinstance(plan, Fault) else list(plan)
        for fault in plan:
            self._known(_named(fault))
            if fault.at_s < 0 or fault.for_s < 0:
                raise LocalProtocolError(f"times of a fault are 0 or more: {fault}")
        self.plan += [replace(fault, at_s=round(fault.at_s + self.now_s, 3)) for fault in plan]
        self._recorder.befell(plan, self.now_s)
        faults.schedule(self._fleet, plan, self.now_s)

    def swarm(
        self,
        count: int = 4,
        *,
        within_s: float = 20.0,
        kinds: Sequence[swarm.Kind] | None = None,
        among: Sequence[str] | None = None,
    ) -> list[Fault]:
        """Have ``count`` faults happen within ``within_s`` from now, drawn by the seed; returns them.

        They are of ``kinds`` (None: one to four of them, drawn too), and befall hosts ``among`` those (None: any). The
        kinds are partition, one-way, loss, storm, pause, starve, slow, crash, power, cut, half-open, flap, skew,
        disk-full, slow-disk.
        """
        hosts = self._known(list(self._fleet.hosts) if among is None else among)
        if isinstance(kinds, str) or (unknown := [kind for kind in kinds or () if kind not in swarm.KINDS]):
            wrong = kinds if isinstance(kinds, str) else unknown[0]
            raise LocalProtocolError(f"kinds is a list of {', '.join(swarm.KINDS)}; not {wrong!r}")
        if count < 0 or within_s < 0 or not hosts:
            raise LocalProtocolError("a swarm is of 0 faults or more, within 0 seconds or more, among one host or more")
        rng = self._fleet.world.rng("swarm", len(self.plan))
        plan = swarm.draw(rng, hosts, kinds or swarm.kinds(rng), count=count, within_s=within_s)
        self.befall(plan)
        return plan

    def _pair(self, one: str, other: str) -> None:
        self._known([one, other])
        if one == other:
            raise LocalProtocolError(f"give two hosts, not {one} twice")

    def _known(self, names: Iterable[str]) -> list[str]:
        if isinstance(names, str):
            raise LocalProtocolError(f"give a list of hosts, [{names!r}], not {names!r}")
        found = list(names)
        for name in found:
            if name not in self._fleet.hosts:
                raise LocalProtocolError(f"no host is called {name!r}: there are {', '.join(self._fleet.hosts)}")
        return found

    def _note(self, text: str) -> None:
        self._recorder.moment(text)
        self.note(text, "fault")


def _named(fault: Fault) -> list[str]:
    """The hosts that a fault names."""
    names: list[str] = []
    for field in ("node", "one", "other", "source", "target"):
        names += [name for name in (getattr(fault, field, None),) if name is not None]
    return names + [name for group in getattr(fault, "groups", ()) for name in group]


def _check_weather(weather: Weather) -> None:
    for share in ("loss", "duplication", "reordering"):
        if not 0 <= getattr(weather, share) <= 1:
            raise LocalProtocolError(f"{share} is a share from 0 to 1, not {getattr(weather, share):g}")
    for least in ("latency_s", "jitter_s", "reorder_s", "bandwidth_bytes_s", "mtu_bytes"):
        if getattr(weather, least) < 0:
            raise LocalProtocolError(f"{least} is 0 or more, not {getattr(weather, least):g}")

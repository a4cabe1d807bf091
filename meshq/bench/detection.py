"""How soon everybody knows that a process has died or stands still: real processes of one host, beside kinship's.

A mesh of members that do nothing else. In turn one of them is killed with -9, or stopped (which is silence: its sockets
stay), and the clock runs until the last of the others has told of its death; then another takes its place. All members
read the same clock, the host's. Each side runs with the settings that it recommends for one network (``lan``).
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from random import Random
from typing import Any, Final

from meshq.bench.crew import BenchError, Crew, Role
from meshq.bench.figures import Spread
from meshq.bench.host import describe
from meshq.bench.repeat import Say
from meshq.bench.show import KEPT, MISSED, console, document, progress, table

SIDES: Final = {"meshq": "member", "kinship": "kinship-member"}
"""By name: the role that plays a member."""
ACCIDENTS: Final = {"kill -9": signal.SIGKILL, "SIGSTOP": signal.SIGSTOP}
TOGETHER: Final = 10
"""Members that start at a time: an interpreter's start takes a core for half a second."""
START_S: Final = 120.0
KNOWN_S: Final = 120.0
"""How long a death may take until everybody knows it; then the bench gives up."""


class Members:
    """A mesh of processes, and what each says of the others."""

    def __init__(self, crew: Crew, role: str) -> None:
        self._crew = crew
        self._role = role
        self._said = threading.Condition()
        self._roles: dict[str, Role] = {}
        self._addresses: dict[str, str] = {}
        self._joined: dict[str, dict[str, None]] = {}
        self._dead: dict[str, dict[str, float]] = {}
        self._made = 0

    def grow(self, count: int) -> None:
        """So many more, who all know everybody then. Raises BenchError when they don't in time."""
        started = [self._start() for _ in range(count)]
        self._wait(lambda: all(name in self._addresses for name in started), "not all have started", START_S)
        self._wait(self._whole, "not everybody knows everybody", START_S)

    def hurt(self, name: str, accident: signal.Signals) -> float:
        """Seconds until the last of the others knows; the member is gone for good then. Raises BenchError."""
        victim = self._roles.pop(name)
        others = list(self._roles)
        began_s = time.monotonic()
        victim.process.send_signal(accident)
        what = f"not everybody knows that {name} is gone"
        self._wait(lambda: all(name in self._dead[other] for other in others), what, KNOWN_S)
        victim.process.kill()
        return max(self._dead[other][name] for other in others) - began_s

    def false_deaths(self) -> int:
        """How many were told dead that run, by whomever."""
        return sum(name in self._roles for told in self._dead.values() for name in told)

    @property
    def names(self) -> list[str]:
        """Who runs."""
        return list(self._roles)

    def _start(self) -> str:
        self._made += 1
        name = f"member-{self._made}"
        seeds = [self._addresses[other] for other in self._roles if other in self._addresses][:3]
        role = self._crew.role(self._role, member=name, seeds=seeds)
        self._roles[name] = role
        self._joined[name], self._dead[name] = {}, {}
        threading.Thread(target=self._listen, args=(name, role), name=name, daemon=True).start()
        return name

    def _listen(self, name: str, role: Role) -> None:
        while True:
            try:
                told = role.hear()
            except (BenchError, ValueError, OSError):  # it was killed, or the crew is over
                return
            with self._said:
                if "address" in told:
                    self._addresses[name] = told["address"]
                if "joined" in told:
                    self._joined[name][told["joined"]] = None
                if "dead" in told:
                    self._dead[name].setdefault(told["dead"], told["at_s"])
                self._said.notify_all()

    def _whole(self) -> bool:
        return all(other == name or other in self._joined[name] for name in self._roles for other in self._roles)

    def _wait(self, condition: Callable[[], bool], otherwise: str, timeout_s: float) -> None:
        with self._said:
            if not self._said.wait_for(condition, timeout_s):
                raise BenchError(f"{otherwise} after {timeout_s:g} s: is this host too slow for so many members?")


@dataclass(frozen=True)
class Detection:
    """What was seen: seconds by side and accident, run by run."""

    nodes: int
    seconds: dict[str, dict[str, list[float]]]
    false_deaths: dict[str, int] = field(default_factory=dict)

    def behind(self) -> list[str]:
        """Where meshq is not ahead; empty as well when there is nobody beside it."""
        found = []
        for side, by_accident in self.seconds.items():
            for accident, theirs in by_accident.items():
                ours, other = Spread.of(self.seconds["meshq"][accident]), Spread.of(theirs)
                if side != "meshq" and not (ours.median < other.median and ours.max < other.max):
                    found.append(f"{accident}: {side} is sooner")
        return found

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "bench": "detection",
            "settings": {"nodes": self.nodes},
            "known_by_all_s": {
                side: {accident: {**asdict(Spread.of(runs)), "runs": runs} for accident, runs in by_accident.items()}
                for side, by_accident in self.seconds.items()
            },
            "false_deaths": self.false_deaths,
            "behind": self.behind(),
            "host": describe(),
        }


def run(*, nodes: int, runs: int, seed: int, as_json: bool) -> int:
    """Measure and show it; the exit status: 4 when meshq is not ahead. Raises BenchError."""
    sides = [side for side in SIDES if side == "meshq" or find_spec(side) is not None]
    with progress(as_json=as_json) as say:
        found = measure(sides, nodes, runs, seed, say)
    if as_json:
        document(found.document())
    else:
        _people(found)
    return MISSED if found.behind() else KEPT


def measure(sides: Sequence[str], nodes: int, runs: int, seed: int, say: Say) -> Detection:
    """Each side in turn. Raises BenchError."""
    found = Detection(nodes, {side: {accident: [] for accident in ACCIDENTS} for side in sides})
    for side in sides:
        chance = Random(seed)
        with Crew() as crew:
            members = Members(crew, SIDES[side])
            members.grow(1)
            while (there := len(members.names)) < nodes:
                say(f"{side}: {there} of {nodes} members run")
                members.grow(min(TOGETHER, nodes - there))
            for number in range(1, runs + 1):
                for accident, by in ACCIDENTS.items():
                    say(f"{side}: {accident}, run {number} of {runs}")
                    found.seconds[side][accident].append(members.hurt(chance.choice(members.names), by))
                    members.grow(1)
            found.false_deaths[side] = members.false_deaths()
    return found


def _people(found: Detection) -> None:
    out = console()
    runs = len(next(iter(found.seconds["meshq"].values())))
    out.print(f"detection: {found.nodes} processes of each, {runs} runs; until the last of the others knows")
    shown = table("", "", "MIN S", "MEDIAN S", "MAX S", "FALSE DEATHS", left=2)
    for accident in ACCIDENTS:
        for side, by_accident in found.seconds.items():
            spread = Spread.of(by_accident[accident])
            numbers = [f"{value:.2f}" for value in (spread.min, spread.median, spread.max)]
            shown.add_row(accident, side, *numbers, str(found.false_deaths[side]))
    out.print(shown)
    if len(found.seconds) == 1:
        out.print("not here: kinship (pip install kinship)")
    for behind in found.behind():
        out.print(behind, style="bold red")

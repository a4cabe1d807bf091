"""What a scenario is: who takes part, what befalls them, and for how long.

A scenario is a function that puts clients on the stage and returns a plan of faults; its docstring says which
plausible design it breaks. ``run`` plays it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, TypeAlias

from meshq.sim.checkers import Checker
from meshq.sim.faults import Fault
from meshq.sim.stage import Settings, Stage

Prepare: TypeAlias = Callable[[Stage], Sequence[Fault]]
CheckerMaker: TypeAlias = Callable[[Stage], Checker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A named scenario and how long its parts take, in virtual seconds."""

    name: str
    prepare: Prepare
    active_s: float = 15.0
    settle_s: float = 90.0
    settings: Callable[[], Settings] = Settings
    more: tuple[CheckerMaker, ...] = ()
    """Checkers beyond the standard ones."""
    without: tuple[CheckerMaker, ...] = ()
    """Standard checkers that do not apply, because the scenario asks for what they forbid."""

    @property
    def why(self) -> str:
        """What it is for: the first paragraph of its docstring."""
        return " ".join((getdoc(self.prepare) or "").split("\n\n")[0].split())


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, **options: Any) -> Callable[[Prepare], Prepare]:
    """Make a function a scenario of that name."""

    def register(prepare: Prepare) -> Prepare:
        SCENARIOS[name] = Scenario(name=name, prepare=prepare, **options)
        return prepare

    return register

"""A run of a scenario, played once more to be drawn: it does the same as when it was not recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meshq.sim.drawing.diagram import Diagram
from meshq.sim.drawing.recorder import Recorder
from meshq.sim.run import Result, play_scenario
from meshq.sim.scenario import Scenario
from meshq.sim.stage import Stage


def diagram_of(scenario: Scenario, nodes: int | Sequence[str], seed: int) -> tuple[Diagram, Result]:
    """Play it, and say what there is to draw and how it ended."""
    stages: list[tuple[Stage, Recorder]] = []
    result = play_scenario(
        scenario, nodes, seed, watch=lambda stage: stages.append((stage, Recorder(stage.fleet, stage.ledger)))
    )
    stage, recorder = stages[0]
    began_s, over_s = result.active
    recorder.moment("publishing begins", began_s)
    if over_s:
        recorder.moment("faults end, everything is mended", over_s)
    recorder.befell(result.plan, began_s)
    told = result.ok or "NothingLost" in result.kinds  # else it was over before everything could be finished
    lost = [message for message, _ in stage.outstanding()] if told else []
    owed = [message for message, _ in stage.ledger.owed()] if told else []
    title = f"{scenario.name}: {result.nodes} nodes, seed {seed}"
    violations = [_dated(each, stage.world.now) for each in result.violations]
    return recorder.diagram(title, violations=violations, owed=owed, lost=lost), result


def _dated(violation: str, now: float) -> tuple[float, str]:
    """When it was found and what it says; of a machine's failure the last line."""
    found = re.match(r"at ([\d.]+) s: ", violation)
    lines = violation.removeprefix(found.group() if found else "").strip().splitlines()
    said = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"
    return float(found.group(1)) if found else now, said

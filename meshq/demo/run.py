"""The demo from start to end: play the scene on a stage, show it, say the verdict."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from meshq.demo.display import conclude, showing
from meshq.demo.ledger import Ledger
from meshq.demo.scene import CHANNELS, NAMES, Scene
from meshq.demo.stage import Stage
from meshq.demo.verdict import Verdict
from meshq.runtime.loop import run as run_loop
from meshq.runtime.signals import StopSignals

KEPT: Final = 0
MISSED: Final = 4


def run(*, messages: int, as_json: bool) -> int:
    """Play it; the exit status: 0 only if nothing was lost, 4 otherwise, 128 and the signal's number when stopped.

    Raises MeshError when the nodes can't be started.
    """
    stage = Stage(NAMES, Ledger(messages, list(CHANNELS)))
    with showing(stage, as_json=as_json):
        outcome = run_loop(_play(stage))
    if isinstance(outcome, int):
        return outcome
    if as_json:
        print(json.dumps(outcome.document(), indent=2))
    else:
        conclude(outcome)
    return KEPT if outcome.kept else MISSED


async def _play(stage: Stage) -> Verdict | int:
    """The verdict, or the exit status after a signal; the node processes have ended in either case."""
    with StopSignals() as signals:
        scene = asyncio.create_task(Scene(stage).play(), name="scene")
        stop = asyncio.create_task(signals.wait(), name="signal")
        await asyncio.wait((scene, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if scene.done():
            return scene.result()
        scene.cancel()
        await asyncio.wait((scene,))
        assert signals.last is not None, "ended without a verdict and without a signal"
        return 128 + int(signals.last)

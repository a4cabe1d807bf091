"""The drivers that every test here is played on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from meshq.runtime.loop import new_loop
from tests.conformance.stages import DurableStage, RealStage, SimulatedStage, Stage


@pytest.fixture(params=["uvloop", "asyncio", "simulated"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    kind = request.param
    played: Stage
    if kind == "simulated":
        played = SimulatedStage()
    else:
        played = RealStage(new_loop if kind == "uvloop" else asyncio.SelectorEventLoop)
    yield played
    played.close()
    for machine in played.machines:
        machine.check()


@pytest.fixture(params=["uvloop", "simulated"])
def durable_stage(request: pytest.FixtureRequest) -> Iterator[DurableStage]:
    """The same, as they keep rows beyond a process's end."""
    played: DurableStage = RealStage(new_loop) if request.param == "uvloop" else SimulatedStage()
    yield played
    played.close()

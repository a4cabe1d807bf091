"""The drivers that every test here is played on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from meshq.runtime.loop import new_loop
from tests.conformance.stages import RealStage, SimulatedStage, Stage


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

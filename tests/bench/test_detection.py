"""A small mesh of members, one killed and one stopped; and who is said to be ahead, by hand."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from meshq.bench.detection import SIDES, Detection, measure


def told(**seconds: list[float]) -> Detection:
    return Detection(3, {side: {"kill -9": runs} for side, runs in seconds.items()})


def test_meshq_is_ahead_only_with_a_smaller_median_and_a_smaller_worst() -> None:
    assert told(meshq=[1.0, 2.0, 3.0], kinship=[2.0, 3.0, 4.0]).behind() == []
    assert told(meshq=[1.0, 2.0, 9.0], kinship=[2.0, 3.0, 4.0]).behind() == ["kill -9: kinship is sooner"]
    assert told(meshq=[1.0]).behind() == []


@pytest.mark.parametrize("side", SIDES)
def test_everybody_learns_of_a_death_and_of_a_silence(side: str) -> None:
    if side != "meshq" and find_spec(side) is None:
        pytest.skip(f"{side} is not installed: pip install {side}")
    found = measure([side], 3, 1, 1, lambda _: None)
    for runs in found.seconds[side].values():
        assert runs[0] > 0
    assert found.false_deaths == {side: 0}

"""Local health: what makes it better and worse (memberlist awareness.go, state.go probeNode)."""

from __future__ import annotations

import pytest

from meshq.membership.health import Health


@pytest.mark.parametrize(
    ("relays", "nacks", "score"),
    [(3, 3, 0), (3, 2, 1), (3, 0, 3), (0, 0, 1), (2, 3, 0)],
)
def test_missing_nacks_speak_against_the_prober(relays: int, nacks: int, score: int) -> None:
    health = Health(8)
    health.failed(relays, nacks)
    assert health.score == score
    assert health.stretch == score + 1


def test_the_score_stays_between_zero_and_its_limit() -> None:
    health = Health(8)
    health.answered()
    assert health.score == 0
    for _ in range(5):
        health.failed(3, 0)
    assert health.score == 7
    health.answered()
    health.accused()
    health.accused()
    assert health.score == 7

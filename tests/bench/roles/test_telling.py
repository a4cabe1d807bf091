"""Quantiles, with times chosen by hand."""

from __future__ import annotations

from meshq.bench.roles.telling import LADDER, ladder_ms, quantiles_ms

TIMES_S = [each / 1000 for each in range(101)]


def test_quantiles_are_of_what_was_measured_in_milliseconds() -> None:
    assert quantiles_ms(TIMES_S) == {"p50": 50.0, "p99": 99.0, "p99_9": 100.0, "max": 100.0}


def test_a_ladder_goes_up_to_the_largest() -> None:
    ladder = ladder_ms(list(reversed(TIMES_S)))
    assert [part for part, _ in ladder] == list(LADDER)
    assert ladder[-1] == (1.0, 100.0)
    assert [ms for _, ms in ladder] == sorted(ms for _, ms in ladder)

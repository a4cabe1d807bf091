"""How long a suspicion lasts: memberlist's figures, and Lifeguard's fall with the confirmations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meshq.config import membership_profile
from meshq.membership.suspicion import Bounds, Suspicion, bounds, confirmations_wanted, timeout
from meshq.names import Epoch

LAN = membership_profile("memberlist")


@pytest.mark.parametrize(
    ("members", "min_s"),
    [(1, 4.0), (3, 4.0), (8, 4.0), (10, 4.0), (32, 6.0), (128, 8.4), (1_000, 12.0), (10_000, 16.0)],
)
def test_the_least_time_grows_with_the_logarithm_of_the_mesh(members: int, min_s: float) -> None:
    limits = bounds(LAN, members)
    assert limits.min_s == pytest.approx(min_s, abs=0.05)
    assert limits.max_s == pytest.approx(6 * limits.min_s)


@pytest.mark.parametrize(
    ("members", "mult", "wanted"), [(2, 4, 0), (3, 4, 0), (4, 4, 2), (50, 4, 2), (50, 6, 4), (50, 2, 0), (5, 1, 0)]
)
def test_confirmations_are_wanted_where_there_are_members_to_give_them(members: int, mult: int, wanted: int) -> None:
    assert confirmations_wanted(replace(LAN, suspicion_mult=mult), members) == wanted


@pytest.mark.parametrize(
    ("confirmations", "wanted", "expected_s"),
    # memberlist suspicion_test.go, remainingSuspicionTime with k = 3, min 2 s, max 30 s.
    [(0, 3, 30.0), (1, 3, 16.0), (2, 3, 7.81), (3, 3, 2.0), (4, 3, 2.0), (5, 3, 2.0), (0, 0, 2.0)],
)
def test_the_time_falls_with_distinct_confirmations(confirmations: int, wanted: int, expected_s: float) -> None:
    assert timeout(confirmations, wanted, Bounds(2.0, 30.0)) == pytest.approx(expected_s, abs=0.01)


def test_only_new_accusers_shorten_a_suspicion_and_only_as_many_as_wanted() -> None:
    suspicion = Suspicion(10.0, Epoch(1, 1), 0, "a", 2, Bounds(4.0, 24.0))
    assert suspicion.due() == 34.0
    assert not suspicion.confirm("a")
    assert suspicion.confirm("b")
    assert 14.0 < suspicion.due() < 34.0
    assert not suspicion.confirm("b")
    assert suspicion.confirm("c")
    assert suspicion.due() == 14.0
    assert not suspicion.confirm("d")


def test_time_in_which_the_node_stood_still_does_not_count() -> None:
    suspicion = Suspicion(10.0, Epoch(1, 1), 0, "a", 0, Bounds(4.0, 24.0))
    suspicion.postpone(7.5)
    assert suspicion.due() == 21.5


def test_plain_swim_has_one_time_for_every_suspicion() -> None:
    swim = membership_profile("swim")
    limits = bounds(swim, 50)
    assert limits.min_s == limits.max_s == pytest.approx(6.8, abs=0.01)
    assert confirmations_wanted(swim, 50) == 0

"""Digests: order plays no part, a change shows when it has settled, and what is on its way is no difference."""

from __future__ import annotations

import pytest

from meshq.config import MembershipConfig
from meshq.membership.digest import Digest, settle_s
from meshq.membership.member import State
from tests.membership.desk import member

MEMBERS = [member(number) for number in range(1, 20)]
SETTLE_S = 3.0


def loaded() -> Digest:
    """The digest of all MEMBERS."""
    digest = Digest()
    digest.load(MEMBERS)
    return digest


@pytest.mark.parametrize(("members", "expected_s"), [(1, 1.8), (10, 2.44), (1_000, 3.72)])
def test_a_change_settles_in_twice_the_time_of_its_spread(members: int, expected_s: float) -> None:
    assert settle_s(MembershipConfig(gossip_interval_s=0.2), members) == pytest.approx(expected_s)
    assert settle_s(MembershipConfig(gossip_interval_s=0.4), members) == pytest.approx(2 * expected_s)


def test_the_order_of_members_and_changes_plays_no_part() -> None:
    one, other = loaded(), Digest()
    for each in reversed(MEMBERS):
        other.change(0.0, None, each, SETTLE_S)
    assert other.raw == one.raw
    assert other.buckets == one.buckets
    assert other.value(2.9) == 0
    assert other.value(3.0) == one.value(0.0)


def test_only_the_living_count() -> None:
    digest, dead = loaded(), MEMBERS[3].with_(state=State.DEAD)
    digest.change(0.0, MEMBERS[3], dead, SETTLE_S)
    digest.change(0.0, dead, MEMBERS[3].with_(state=State.LEFT), SETTLE_S)
    without = Digest()
    without.load([each for each in MEMBERS if each is not MEMBERS[3]])
    assert digest.raw == without.raw


def test_a_change_that_one_knows_and_the_other_does_not_yet_is_no_difference() -> None:
    ahead, behind = loaded(), loaded()
    changed = MEMBERS[0].with_(incarnation=1)
    ahead.change(0.0, MEMBERS[0], changed, SETTLE_S)
    assert behind.agrees(2.9, ahead.value(2.9), SETTLE_S)
    for now in (2.9, 3.1, 5.9):
        assert ahead.agrees(now, behind.value(now), SETTLE_S)
    assert not behind.agrees(3.1, ahead.value(3.1), SETTLE_S)
    assert not ahead.agrees(6.1, behind.value(6.1), SETTLE_S)


def test_what_a_repair_brought_shows_at_once() -> None:
    digest = loaded()
    digest.change(0.0, None, member(77), SETTLE_S)
    digest.settle(0.0)
    assert digest.value(0.0) == digest.raw


def test_buckets_tell_where_views_differ() -> None:
    one, other = loaded(), loaded()
    assert one.differing(tuple(other.buckets)) == 0
    other.change(0.0, MEMBERS[5], None, SETTLE_S)
    assert one.differing(tuple(other.buckets)) == 1 << MEMBERS[5].bucket

"""Who is killed when, out of a seed and a number."""

from __future__ import annotations

from meshq.bench.crash.plan import BOTH, CONSUMER, KINDS, ORIGIN, plan

ROUNDS = range(1, 201)


def test_a_round_is_the_same_whenever_it_is_planned_and_differs_from_others() -> None:
    assert plan(7, 3) == plan(7, 3)
    assert plan(7, 3) != plan(7, 4)
    assert plan(7, 3) != plan(8, 3)


def test_every_round_kills_the_origin_a_node_of_consumers_and_both() -> None:
    orders = {tuple(each.kind for each in plan(1, number)) for number in ROUNDS}
    assert all(sorted(order) == sorted(KINDS) for order in orders)
    assert len(orders) == 6


def test_both_are_killed_in_either_order_and_some_once_more_while_they_start() -> None:
    accidents = [each for number in ROUNDS for each in plan(1, number)]
    assert {each.victims for each in accidents if each.kind == BOTH} == {(ORIGIN, CONSUMER), (CONSUMER, ORIGIN)}
    assert {each.victims for each in accidents if each.kind != BOTH} == {(ORIGIN,), (CONSUMER,)}
    again = [each for each in accidents if each.again_s is not None]
    assert len(accidents) * 0.3 < len(again) < len(accidents) * 0.5

"""What a failover did, from notes written by hand."""

from __future__ import annotations

from typing import Any

from meshq.bench.aftermath import Aftermath

Confirms = list[tuple[float, int, str]]


def publisher(*confirms: tuple[float, int, str], unconfirmed: int = 0) -> dict[str, Any]:
    return {"confirms": list(confirms), "unconfirmed": unconfirmed}


def aftermath(publishers: list[dict[str, Any]], takes: list[Any]) -> Aftermath:
    return Aftermath(publishers, takes, killed_s=10.0, published_s=20.0, killed="c")


def test_a_confirmed_message_that_nobody_saw_is_lost_and_counted_by_its_origin() -> None:
    a = publisher((1.0, 1, "a"), (2.0, 2, "a"))
    c = publisher((1.0, 3, "c"), (2.0, 4, "c"), (11.0, 5, "a"), unconfirmed=2)
    values = aftermath([a, c], [[(1.5, [1, 3])], [(2.5, [2])]]).measured().values
    assert (values["lost_of_survivors"], values["lost_with_the_killed"], values["unconfirmed"]) == (1, 1, 2)


def test_what_comes_again_is_redelivered_whether_to_the_same_consumer_or_another() -> None:
    takes = [[(1.0, [1, 2]), (2.0, [2])], [(3.0, [1, 3])]]
    assert aftermath([publisher(), publisher()], takes).redelivered() == 2


def test_pauses_are_told_apart_by_who_pauses_and_by_the_kill() -> None:
    a = publisher((9.0, 1, "a"), (9.8, 2, "a"), (10.1, 3, "a"), (10.2, 4, "a"))
    c = publisher((9.0, 5, "c"), (9.9, 6, "c"), (10.6, 7, "a"))
    takes = [[(9.0, [1]), (9.9, [2]), (10.3, [3])], [(9.9, [5]), (10.0, [6])]]
    values = aftermath([a, c], takes).measured().values
    assert values["publishers_pause_ms"] == 300.0
    assert values["consumers_pause_ms"] == values["pause_ms"] == 400.0
    assert values["moved_clients_pause_ms"] == 700.0
    assert values["pause_before_ms"] == 900.0


def test_the_curve_counts_messages_by_their_time_from_the_kill() -> None:
    takes = [[(9.99, [1, 2]), (10.03, [3])], []]
    series = aftermath([publisher(), publisher()], takes).measured().series
    assert series["consumed by the others"] == [(-0.02, 2), (0.0, 0), (0.02, 1)]
    assert series["consumed by moved clients"] == []

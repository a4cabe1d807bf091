"""What a round cost, from notes written by hand."""

from __future__ import annotations

from meshq.bench.crash.toll import SHIFT, Span, Toll, toll

SECOND = 1 << SHIFT
"""The first number of the second publisher."""


def test_a_message_that_one_channel_has_not_finished_is_lost() -> None:
    confirmed: list[Span] = [(1.0, 0, 10), (1.1, SECOND, 5)]
    finished: dict[str, list[Span]] = {
        "a": [(2.0, 0, 10), (2.1, SECOND, 5)],
        "b": [(2.0, 0, 7), (2.1, SECOND + 1, 4)],
    }
    found = toll(confirmed, 3, finished, [1.5], 0)
    assert found == Toll(confirmed=15, lost=4, unconfirmed=3, redelivered=[0], left=0)
    assert not found.kept


def test_what_was_never_confirmed_may_come_or_not() -> None:
    assert toll([(1.0, 0, 4)], 8, {"a": [(2.0, 0, 6)]}, [], 0).kept


def test_messages_that_come_once_more_are_put_down_to_the_accident_before() -> None:
    spans: list[Span] = [(1.0, 0, 10), (5.0, 4, 2), (9.0, 0, 3), (9.5, 0, 3)]
    assert toll([(0.5, 0, 10)], 0, {"a": spans}, [2.0, 8.0, 20.0], 0).redelivered == [2, 6, 0]


def test_channels_don_t_make_each_other_s_messages_redeliveries() -> None:
    assert toll([(0.5, 0, 4)], 0, {"a": [(1.0, 0, 4)], "b": [(1.1, 0, 4)]}, [0.2], 0).redelivered == [0]


def test_what_the_nodes_never_finish_is_no_good_round() -> None:
    assert not toll([(0.5, 0, 4)], 0, {"a": [(1.0, 0, 4)]}, [], 2).kept

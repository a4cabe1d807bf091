"""Deadlines by key: which are due, and the next."""

from __future__ import annotations

from meshq.machine.timers import Timers


def test_nothing_armed_has_no_deadline() -> None:
    timers: Timers[str] = Timers()
    assert timers.deadline() is None
    assert timers.due(1e9) == []


def test_due_keys_come_out_once_and_earliest_first() -> None:
    timers: Timers[str] = Timers()
    timers.arm("late", 3.0)
    timers.arm("early", 1.0)
    timers.arm("later", 9.0)
    assert timers.deadline() == 1.0
    assert timers.due(3.0) == ["early", "late"]
    assert timers.due(3.0) == []
    assert timers.deadline() == 9.0


def test_equal_deadlines_come_in_the_order_they_were_armed() -> None:
    timers: Timers[int] = Timers()
    for key in (3, 1, 2):
        timers.arm(key, 5.0)
    assert timers.due(5.0) == [3, 1, 2]


def test_arming_again_moves_the_deadline_either_way() -> None:
    timers: Timers[str] = Timers()
    timers.arm("a", 1.0)
    timers.arm("a", 5.0)
    assert timers.due(1.0) == []
    timers.arm("a", 2.0)
    assert timers.deadline() == 2.0
    assert timers.due(5.0) == ["a"]
    assert len(timers) == 0


def test_a_cancelled_key_is_never_due() -> None:
    timers: Timers[str] = Timers()
    timers.arm("a", 1.0)
    timers.cancel("a")
    timers.cancel("a")
    assert "a" not in timers
    assert timers.due_at("a") is None
    assert timers.deadline() is None


def test_keys_without_an_order_can_share_a_deadline() -> None:
    timers: Timers[object] = Timers()
    timers.arm(("a", 1), 1.0)
    timers.arm("b", 1.0)
    timers.arm(None, 1.0)
    assert len(timers.due(1.0)) == 3


def test_moving_one_deadline_for_ever_keeps_the_heap_small() -> None:
    timers: Timers[str] = Timers()
    for step in range(10_000):
        timers.arm("a", float(step))
    assert len(timers._heap) <= 65
    assert timers.due(1e9) == ["a"]

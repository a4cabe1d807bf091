"""What is to be kept is answered once, in order, in a later turn; and what was answered is there after an end.

Every driver keeps its rows: SQLite's file, or the simulator's disk. A power cut can be had in the simulator alone; that
SQLite syncs before it answers is traced in ``tests/runtime/store``.
"""

from __future__ import annotations

from meshq.machine.effects import Stop, Store
from meshq.machine.store import Put
from tests.conformance.stages import DurableStage, Player, SimulatedStage, Stage


def row(number: int) -> Put:
    return Put("note", f"{number:04}", b"")


def tokens(player: Player) -> list[int]:
    return [token for _, token in player.machine.named("stored")]


def test_each_store_is_answered_once_and_in_order_however_many_a_turn_asks_for(stage: Stage) -> None:
    a = stage.add("a")
    for turn in range(10):
        a.act(*(Store(100 * turn + number, [row(number)]) for number in range(turn * 3)))
        if turn % 3 == 0:
            stage.until(lambda: a.machine.pending == [])
    a.act(Store(9999, []))
    stage.until(lambda: bool(tokens(a)) and tokens(a)[-1] == 9999)
    assert tokens(a) == [100 * turn + number for turn in range(10) for number in range(turn * 3)] + [9999]


def test_a_store_is_answered_after_the_turn_that_asked(stage: Stage) -> None:
    a = stage.add("a")
    stage.until(lambda: a.machine.turns > 0)
    before = a.machine.turns
    a.act(Store(7, []), Store(8, [row(1)]))
    stage.until(lambda: tokens(a) == [7, 8])
    assert min(a.machine.stored_in) > before


def test_nothing_is_answered_after_a_stop(stage: Stage) -> None:
    a, b = stage.add("a"), stage.add("b")
    a.act(Store(1, [row(1)]), Stop(None))
    stage.until(lambda: a.machine.pending == [])
    stage.until(lambda: bool(b.machine.inputs))
    b.machine.alarms = [b.machine.inputs[0][1] + 0.3]
    b.act(Store(1, []))
    stage.until(lambda: tokens(b) == [1] and not b.machine.alarms)
    assert tokens(a) == []


def test_what_was_answered_is_there_when_the_process_starts_again(durable_stage: DurableStage) -> None:
    a = durable_stage.add("a")
    a.act(Store(1, [row(1), row(2)]), Store(2, [row(3)]))
    durable_stage.until(lambda: tokens(a) == [1, 2])
    durable_stage.kill("a")
    durable_stage.again("a")
    assert durable_stage.kept("a") == [row(1), row(2), row(3)]


def test_of_a_store_that_an_end_interrupts_all_rows_are_there_or_none(durable_stage: DurableStage) -> None:
    a = durable_stage.add("a")
    durable_stage.until(lambda: a.machine.turns > 0)
    a.act(Store(1, [row(1), row(2)]))
    durable_stage.until(lambda: a.machine.pending == [])
    durable_stage.kill("a")
    later = durable_stage.again("a")
    later.act(Store(2, [row(3)]))
    durable_stage.until(lambda: tokens(later) == [2])
    everything = [row(1), row(2), row(3)]
    assert durable_stage.kept("a") in ([everything] if tokens(a) else [[row(3)], everything]), "all rows, or none"


def test_an_answer_that_waits_for_the_sync_is_true_after_a_power_cut() -> None:
    stage = SimulatedStage()
    a = stage.add("a")
    for number in range(50):
        a.act(Store(number, [row(number)], sync=True))
        stage.until(lambda: a.machine.pending == [])
    stage.until(lambda: len(tokens(a)) >= 20)
    answered = tokens(a)
    stage.power_cut("a")
    stage.again("a")
    assert 20 <= len(answered) < 50
    assert stage.kept("a")[: len(answered)] == [row(number) for number in answered]
    assert answered == tokens(a)


def test_an_answer_that_does_not_wait_for_the_sync_may_be_lost_by_a_power_cut_but_by_no_end_of_a_process() -> None:
    stage = SimulatedStage()
    a = stage.add("a")
    a.act(Store(1, [row(1)]))
    stage.until(lambda: tokens(a) == [1])
    stage.kill("a")
    assert stage.kept("a") == [row(1)]
    b = stage.add("b")
    b.act(Store(1, [row(1)]))
    stage.until(lambda: tokens(b) == [1])
    stage.power_cut("b")
    assert stage.kept("b") == []

"""When messages were accepted and what they take, kept as a staircase."""

from __future__ import annotations

from meshq.machine.ages import STEP_NS, STEPS_MAX, Ages


def filled(count: int, first: int = 1) -> Ages:
    """Messages of ten bytes, each of a step of its own."""
    ages = Ages(first)
    for number in range(count):
        ages.add(first + number + 1, number * STEP_NS, 10)
    return ages


def test_what_was_accepted_at_about_one_time_is_one_step_as_old_as_its_newest_message() -> None:
    ages = Ages(1)
    ages.add(2, 1_000, 10)
    ages.add(5, 1_000 + STEP_NS // 2, 30)
    ages.add(6, 1_000 + STEP_NS, 50)
    assert [tuple(step) for step in ages] == [(1, 5, 1_000 + STEP_NS // 2), (5, 6, 1_000 + STEP_NS)]
    assert ages.of([(1, 6)]) == 90
    assert ages.of([(1, 3), (5, 6)]) == 70, "an average within a step"


def test_however_many_steps_there_were_they_stay_bounded_and_nothing_is_older_than_it_is() -> None:
    ages = filled(20 * STEPS_MAX)
    steps = list(ages)
    assert len(steps) <= STEPS_MAX
    assert ages.of([(1, 20 * STEPS_MAX + 1)]) == 200 * STEPS_MAX
    assert all(step.accepted_ns == (step.stop - 2) * STEP_NS for step in steps)
    assert [step.start for step in steps[1:]] == [step.stop for step in steps[:-1]]


def test_before_a_time_lie_only_messages_that_were_accepted_before_it() -> None:
    ages = filled(10)
    assert ages.before(3 * STEP_NS) == 4
    assert ages.before(0) == 1
    assert ages.before(100 * STEP_NS) == 11


def test_a_message_has_the_age_of_its_step_and_an_unknown_one_that_of_the_nearest() -> None:
    ages = filled(10, first=101)
    assert ages.step(103) == (2 * STEP_NS, 104)
    assert ages.step(1) == (0, 102)
    assert ages.step(999) == (9 * STEP_NS, 111)


def test_a_clock_that_was_ahead_made_nothing_younger_than_now() -> None:
    ages = filled(10)
    ages.add(12, 10**18, 10)
    ages.correct(20 * STEP_NS)
    assert ages.step(11) == (20 * STEP_NS, 12)
    assert ages.step(3) == (2 * STEP_NS, 4)


def test_what_is_gone_is_forgotten_and_the_rest_is_as_it_was() -> None:
    ages = filled(10)
    ages.forget(6)
    assert next(iter(ages)).start == 6
    assert ages.of([(6, 11)]) == 50
    ages.forget(999)
    assert ages.step(10) == (9 * STEP_NS, 11)

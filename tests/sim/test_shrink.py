"""Failing runs become small: by a rule that is known, and with a bug that is planted."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from meshq.sim.crew import Crew
from meshq.sim.faults import Crash, Fault, Flap, LinkCut, Pause
from meshq.sim.run import Result, play_scenario
from meshq.sim.scenario import SCENARIOS
from meshq.sim.shrink import Job, Search, shrink
from meshq.sim.smaller import fewer
from meshq.sim.story import Publishing, Story, drawn
from tests.pure import pure_only
from tests.sim.planted import leases_vanish

PLAN: tuple[Fault, ...] = (
    *(Pause(at_s=number + 0.123, for_s=0.2, node="n2") for number in range(4)),
    Flap(at_s=5.432, for_s=3.0, one="n1", other="n3", every_s=0.1),
    *(LinkCut(at_s=6.0 + number, one="n4", other="n5") for number in range(4)),
    Crash(at_s=12.0, for_s=1.0, node="n3"),
)


def failed(kind: str = "NothingLost", at_s: float = 40.0, active: tuple[float, float] = (3.0, 23.0)) -> Result:
    """A run that ended with that violation."""
    return Result("mixed", 5, 1, ["lost"], "", {}, at_s, 1, kinds={kind: at_s}, active=active)


def smallest(story: Story, fails: Callable[[Story], bool], within_s: float = 60.0) -> tuple[Story, list[int]]:
    """What a search finds for a rule, and how many stories it had tried each time."""
    tried: list[int] = []

    def rule(job: Job) -> bool:
        return fails(job.story)

    with Crew(rule, 1) as crew:
        search = Search(crew, failed(), within_s, lambda _story, count: tried.append(count))
        return search.smallest(story), tried


def test_shorter_lists_come_from_the_boldest_to_each_without_one() -> None:
    assert list(fewer(())) == []
    assert list(fewer("a")) == [()]
    assert list(fewer("abcd")) == [
        (), ("a",), ("b",), ("c",), ("d",), ("c", "d"), ("a", "b"),
        ("b", "c", "d"), ("a", "c", "d"), ("a", "b", "d"), ("a", "b", "c"),
    ]  # fmt: skip


def test_only_what_the_failure_needs_is_left() -> None:
    """It takes a flap and a crash, two nodes, and a publisher at one of them that sends three messages or more."""

    def fails(story: Story) -> bool:
        kinds = [type(fault) for fault in story.plan]
        publishing = [part for part in story.cast if isinstance(part, Publishing) and part.node == "n1"]
        enough = any(part.habits.messages_max in (0, *range(3, 1000)) for part in publishing)
        return Flap in kinds and Crash in kinds and enough

    story, _ = smallest(replace(drawn(SCENARIOS["mixed"], 5, 1), plan=PLAN), fails)
    assert [type(fault) for fault in story.plan] == [Flap, Crash]
    assert story.nodes == ("n1", "n3")
    assert [fault.at_s for fault in story.plan] == [1.0, 8.0]
    publishers = [part for part in story.cast if isinstance(part, Publishing)]
    assert [(part.node, part.habits.messages_max) for part in publishers] == [("n1", 3)]
    assert len(story.cast) == 2
    assert story.whole


def test_what_fails_with_another_seed_only_is_found_with_that() -> None:
    def fails(story: Story) -> bool:
        return len(story.plan) == 10 or story.seed == 3

    story, _ = smallest(replace(drawn(SCENARIOS["mixed"], 5, 1), plan=PLAN), fails)
    assert (story.plan, story.seed, len(story.nodes)) == ((), 3, 1)


def test_nothing_is_tried_twice_and_nothing_after_the_time() -> None:
    story = replace(drawn(SCENARIOS["mixed"], 5, 1), plan=PLAN)
    asked: list[Story] = []

    def fails(candidate: Story) -> bool:
        asked.append(candidate)
        return len(candidate.plan) > 4

    smallest(story, fails)
    assert len(asked) == len(set(asked)) > 20
    _, tried = smallest(story, lambda _: True, within_s=0.0)
    assert tried == []


@pytest.fixture
def frozen() -> Iterator[None]:
    """What other tests keep in memory is not looked through after each of many runs."""
    gc.freeze()
    yield
    gc.unfreeze()


@pure_only
@pytest.mark.usefixtures("frozen")
def test_a_planted_bug_becomes_a_story_of_a_fault_and_two_nodes() -> None:
    scenario = SCENARIOS["crash-storm"]
    with leases_vanish():
        result = play_scenario(scenario, 4, 2)
        assert not result.ok
        shrunk = shrink(drawn(scenario, 4, 2), result, within_s=90.0)
    assert shrunk is not None
    assert shrunk.kind in shrunk.result.kinds
    assert len(shrunk.story.plan) <= 3
    assert len(shrunk.story.nodes) <= 3
    assert shrunk.result.counters["sent"] < result.counters["sent"]


def test_what_does_not_fail_again_is_not_made_small() -> None:
    short = replace(SCENARIOS["forgetful-holder"], active_s=1.0, more=())
    assert shrink(drawn(short, 2, 1), failed(), within_s=0.0) is None

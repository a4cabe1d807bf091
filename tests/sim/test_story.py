"""A scenario told as data does what the scenario does, and parts of it can be left out."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from meshq.sim.faults import Crash, Fault, OneWay, Partition
from meshq.sim.run import NAMES, play_scenario
from meshq.sim.scenario import SCENARIOS, Scenario
from meshq.sim.stage import Stage
from meshq.sim.story import Administering, Consuming, Publishing, Unwritable, drawn


@pytest.mark.parametrize("name", ["mixed", "one-credit", "resumed", "deferred-over-restarts", "rotating"])
def test_a_drawn_story_leaves_the_trace_of_its_scenario(name: str) -> None:
    short = replace(SCENARIOS[name], active_s=1.5, settle_s=2.0)
    story = drawn(short, 3, 2)
    told = play_scenario(story.as_scenario(), story.nodes, story.seed)
    assert told.trace_hash == play_scenario(short, 3, 2).trace_hash


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_can_be_told_and_sent_to_another_process(name: str) -> None:
    story = drawn(SCENARIOS[name], 5, 1)
    assert pickle.loads(pickle.dumps(story)) == story
    assert story.whole


def test_who_is_left_out_takes_clients_acts_and_faults_along() -> None:
    story = drawn(SCENARIOS["resumed"], 4, 2)
    (twin,) = story.twins
    assert [act.arguments for act in story.acts] == [(f"{twin}-twin",)]
    without = story.among([node for node in story.nodes if node != twin])
    assert (without.twins, without.acts, without.plan) == ((), (), ())
    assert twin not in [part.node for part in without.cast]
    assert len(without.nodes) == 3


def test_a_partition_is_among_those_who_are_left_and_ends_with_its_last_side() -> None:
    split = Partition(at_s=1.0, for_s=1.0, groups=(("n1", "n2"), ("n3", "n4")))
    story = replace(drawn(SCENARIOS["mixed"], 4, 1), plan=(split, OneWay(at_s=2.0, source="n1", target="n4")))
    assert story.among(["n1", "n3"]).plan == (replace(split, groups=(("n1",), ("n3",))),)
    assert story.among(["n1", "n2"]).plan == ()


def test_what_comes_after_a_time_is_left_out() -> None:
    story = replace(drawn(SCENARIOS["mixed"], 3, 1), plan=(Crash(at_s=1.0, node="n1"), Crash(at_s=5.0, node="n1")))
    early = story.until(2.0)
    assert (early.active_s, [fault.at_s for fault in early.plan]) == (2.0, [1.0])


def test_a_story_whose_topic_nobody_consumes_is_not_whole() -> None:
    story = drawn(SCENARIOS["calm"], 3, 1)
    assert not story.of([part for part in story.cast if isinstance(part, Publishing)]).whole
    assert not story.of([part for part in story.cast if isinstance(part, Consuming | Administering)]).whole


def test_what_is_no_act_of_a_client_can_not_be_told() -> None:
    def prepare(stage: Stage) -> list[Fault]:
        stage.act(1.0, lambda: None)
        return []

    with pytest.raises(Unwritable, match=r"at 1\.000 s"):
        drawn(Scenario(name="odd", prepare=prepare), 2, 1)

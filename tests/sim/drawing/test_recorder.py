"""What a recording holds: who was down, who accused whom, where messages went, what was lost; and nothing changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NoReturn
from unittest.mock import patch

import pytest

from meshq.broker.broker import Broker
from meshq.machine import events
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.drawing import Diagram, Recorder, diagram_of
from meshq.sim.drawing.befallen import lanes_befallen, said
from meshq.sim.faults import (
    Crash,
    DiskFull,
    Drain,
    Fault,
    Flap,
    LinkCut,
    OneWay,
    Partition,
    Pause,
    Skew,
    Slow,
    SlowDisk,
    SlowReader,
    Starve,
    Storm,
)
from meshq.sim.network import Weather
from meshq.sim.publisher import PublisherHabits
from meshq.sim.run import Result, play_scenario
from meshq.sim.scenario import Scenario
from meshq.sim.stage import Settings, Stage
from tests.pure import pure_only
from tests.sim.planted import leases_taken_for_finished


def accident(stage: Stage) -> list[Fault]:
    """A node dies and comes back, another stands still."""
    for node in ("n1", "n2"):
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.05))
    for node in ("n2", "n3"):
        stage.consumer(node, "orders", "billing", ConsumerHabits(handle_s=(0.05, 0.2)))
    return [Crash(at_s=1.0, for_s=5.0, node="n3"), Pause(at_s=7.0, for_s=3.0, node="n1")]


ACCIDENT = Scenario(name="accident", prepare=accident, active_s=11.0, settle_s=60.0)


@pytest.fixture(scope="module")
def recorded() -> tuple[Diagram, Result]:
    return diagram_of(ACCIDENT, 3, 1)


def test_a_recorded_run_leaves_the_trace_of_one_that_is_not(recorded: tuple[Diagram, Result]) -> None:
    assert recorded[1].trace_hash == play_scenario(ACCIDENT, 3, 1).trace_hash


def test_a_node_is_down_from_its_crash_to_its_start_and_stands_still_while_paused(
    recorded: tuple[Diagram, Result],
) -> None:
    diagram, result = recorded
    began_s = result.active[0]
    spans = {span.kind: span for span in diagram.spans if span.lane}
    assert (spans["down"].lane, spans["paused"].lane) == ("n3", "n1")
    assert spans["down"].from_s == pytest.approx(began_s + 1.0)
    assert spans["down"].until_s == pytest.approx(began_s + 6.0)
    assert spans["paused"].until_s == pytest.approx(began_s + 10.0)
    marks = Counter((mark.kind, mark.lane) for mark in diagram.marks)
    assert marks["died", "n3"] == marks["started", "n3"] == 1


def test_accusations_go_from_accuser_to_accused_and_count_who_heard(recorded: tuple[Diagram, Result]) -> None:
    arrows = [arrow for arrow in recorded[0].arrows if arrow.kind == "suspects"]
    assert {arrow.target for arrow in arrows} == {"n1"}
    assert {arrow.source for arrow in arrows} <= {"n2", "n3"}
    assert any(arrow.count == 2 for arrow in arrows)


def test_messages_are_counted_where_they_were_published_and_handed_over(recorded: tuple[Diagram, Result]) -> None:
    diagram, result = recorded
    totals: Counter[str] = Counter()
    for bar in diagram.bars:
        totals[bar.kind] += bar.count
    assert totals["published"] == result.counters["confirmed"]
    assert totals["handed"] + totals["again"] == result.counters["handed"]
    assert totals["again"] == result.counters["redelivered"]
    ways = {(arrow.source, arrow.target) for arrow in diagram.arrows if arrow.kind == "deliveries"}
    assert ways == {("n1", "n2"), ("n1", "n3"), ("n2", "n3")}


@pure_only
def test_what_was_lost_and_what_was_violated_is_shown() -> None:
    with leases_taken_for_finished():
        diagram, result = diagram_of(replace(ACCIDENT, settle_s=10.0), 3, 1)
    assert list(result.kinds) == ["NothingLost"]
    assert "never finished" in diagram.violations[0][1]
    assert any(mark.kind == "lost" for mark in diagram.marks)


@pure_only
def test_what_a_machine_failed_of_is_one_line_and_nothing_is_called_lost() -> None:
    def breaks(broker: Broker, now: float, peer: str) -> NoReturn:
        raise AssertionError("what must never be")

    with patch.object(Broker, "heartbeat", breaks):
        diagram, result = diagram_of(ACCIDENT, 3, 1)
    assert list(result.kinds) == [f"AssertionError in {breaks.__qualname__}"]
    ((at_s, told),) = diagram.violations
    assert at_s == pytest.approx(result.virtual_s, abs=0.001)
    assert len(told.splitlines()) == 1
    assert not any(mark.kind in ("lost", "gone") for mark in diagram.marks)


def test_who_is_suspected_though_it_runs_and_is_back_from_the_dead_is_told_apart() -> None:
    stage = Stage(1, 3, Settings())
    recorder = Recorder(stage.fleet)
    n1, n2, _ = stage.fleet.hosts.values()
    n2.start()
    for event in (
        events.MemberSuspected("n2", "n3"), events.MemberSuspected("n2", "n3"), events.MemberFailed("n2", "n3"),
        events.MemberJoined("n2", "10.0.0.2:4155", 1), events.MemberRecovered("n3"), events.LinkDown("n2", "reset", 5),
    ):  # fmt: skip
        stage.fleet._emitted(n1, event)
    diagram = recorder.diagram("told")
    assert [(arrow.kind, arrow.source, arrow.target, arrow.count) for arrow in diagram.arrows] == [
        ("suspects wrongly", "n3", "n2", 2), ("fails wrongly", "n3", "n2", 1),
    ]  # fmt: skip
    assert [(mark.kind, mark.lane, mark.count) for mark in diagram.marks] == [
        ("back", "n2", 1), ("recovered", "n3", 1), ("returned", "n1", 5),
    ]  # fmt: skip


FAULTS: list[tuple[Fault, str]] = [
    (Partition(at_s=1, for_s=2, groups=(("n1",), ("n2", "n3"))), "partition n1 | n2 n3"),
    (OneWay(at_s=1, for_s=2, source="n1", target="n2"), "nothing from n1 to n2"),
    (Storm(at_s=1, for_s=2, weather=Weather(loss=0.25, duplication=0.5), source="n1"), "packets 25% lost, 50% doubled"),
    (Storm(at_s=1, weather=Weather(latency_s=0.2, reordering=0.3, bandwidth_bytes_s=50_000.0)), "200 ms late, 30%"),
    (Pause(at_s=1, for_s=2, node="n1"), "n1 stands still"),
    (Starve(at_s=1, for_s=2, node="n1", least_s=0.5, most_s=2.5), "n1 reads 0.5 to 2.5 s late"),
    (Slow(at_s=1, for_s=2, node="n1", turn_s=0.05), "n1 slow: 50 ms a turn"),
    (SlowReader(at_s=1, for_s=2, node="n1", bytes_s=5000.0), "n1 reads 5 kB/s"),
    (Crash(at_s=1, for_s=2, node="n1", host=True, disk="unsynced-lost"), "host of n1 crashes, disk unsynced-lost"),
    (DiskFull(at_s=1, for_s=2, node="n1"), "disk of n1 full"),
    (SlowDisk(at_s=1, for_s=2, node="n1", slow_s=0.2), "disk of n1 slow: 200 ms more"),
    (LinkCut(at_s=1, one="n1", other="n2", silently=True), "link n1 - n2 half-open"),
    (Flap(at_s=1, for_s=2, one="n1", other="n2", every_s=0.1), "link n1 - n2 cut each 100 ms"),
    (Skew(at_s=1, node="n1", offset_s=-5.0), "clock of n1 -5 s"),
    (Drain(at_s=1, node="n1"), "n1 drains"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=lambda value: type(value).__name__)
def test_a_fault_is_said_in_a_few_words(fault: Fault, words: str) -> None:
    assert words in said(fault)


def test_faults_are_shown_on_the_lanes_that_they_concern() -> None:
    shown = {type(fault): lanes_befallen(fault, 10.0) for fault, _ in FAULTS}
    sides = [(span.lane, span.side, span.from_s, span.until_s) for span in shown[Partition][0]]
    assert sides == [("n1", 0, 10.0, 12.0), ("n2", 1, 10.0, 12.0), ("n3", 1, 10.0, 12.0)]
    assert [span.kind for span in shown[Slow][0]] == ["slow"]
    assert [(arrow.kind, arrow.source, arrow.target) for arrow in shown[OneWay][1]] == [("one-way", "n1", "n2")]
    assert [arrow.kind for arrow in shown[Flap][1]] == ["cut"]
    assert shown[Crash] == ([], [])

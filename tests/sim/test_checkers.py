"""Every checker finds what it is there for: a bug is planted in a running mesh, and the run must fail by that checker.

The bugs are planted at the doors between rooms (a wrapped method), so that they break the promise and not the test.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest

from meshq.engine.engine import Engine
from meshq.machine import events
from meshq.sim.checkers import NoRepeats, Order
from meshq.sim.checkers.calm import NobodyAccused
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.faults import Fault
from meshq.sim.publisher import PublisherHabits
from meshq.sim.run import Result, play_scenario
from meshq.sim.scenario import Scenario
from meshq.sim.stage import Stage
from meshq.wire.frames import Fin
from tests.pure import pure_only

Plant = Callable[[Stage], None]


def play(plant: Plant, at_s: float = 2.0) -> Result:
    """Five quiet seconds of three nodes, with ``plant`` done to the stage after two of them."""

    def prepare(stage: Stage) -> list[Fault]:
        for node in stage.names:
            stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.03))
        for node in stage.names[:2]:
            stage.consumer(node, "orders", "billing", ConsumerHabits(messages=4, handle_s=(0.0, 0.02)))
        stage.act(at_s, plant, stage)
        return []

    story = Scenario(
        name="planted", prepare=prepare, active_s=5.0, settle_s=20.0, more=(Order, NoRepeats, NobodyAccused)
    )
    return play_scenario(story, 3, 1)


def wrap(engine: Engine, room: str, verb: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace ``engine.room.verb`` by ``wrapper`` of it."""
    owner = attrgetter(room)(engine)
    setattr(owner, verb, wrapper(getattr(owner, verb)))


def every(stage: Stage, room: str, verb: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    for _, engine in stage.engines():
        wrap(engine, room, verb, wrapper)


def no_plant(stage: Stage) -> None:
    """Nothing is wrong."""


def finish_one_more(stage: Stage) -> None:
    """An origin takes the message after each finished one for finished as well."""

    def wrapper(frame_in: Callable[..., Any]) -> Callable[..., Any]:
        def wrong(now: float, peer: str, frame: Any) -> Any:
            if type(frame) is Fin:
                frame = frame._replace(spans=[(log, start, stop + 1) for log, start, stop in frame.spans])
            return frame_in(now, peer, frame)

        return wrong

    every(stage, "broker", "frame", wrapper)


def forget_to_finish(stage: Stage) -> None:
    """A node swallows what its consumers finish."""

    def wrapper(_finish: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *_: None

    every(stage, "broker.consumers", "finish", wrapper)


def hand_twice(stage: Stage) -> None:
    """A node sends each extent to its consumer twice."""

    def wrapper(hand: Callable[..., Any]) -> Callable[..., Any]:
        def wrong(effect: Any) -> None:
            hand(effect)
            hand(effect)

        return wrong

    every(stage, "_doors.subscriptions", "hand", wrapper)


def confirm_the_wrong_number(stage: Stage) -> None:
    """A node says a number that is not the message's."""

    def wrapper(confirmed: Callable[..., Any]) -> Callable[..., Any]:
        return lambda effect: confirmed(effect._replace(first=effect.first + 1))

    every(stage, "_doors.publishes", "confirmed", wrapper)


def forget_a_member(stage: Stage) -> None:
    """One node's view loses a member for good."""
    engine = stage.engine("n1")
    assert engine is not None
    view = engine.view
    engine.view = lambda: {**view(), "members": {}}  # type: ignore[method-assign]


def tell_a_wrong_story(stage: Stage) -> None:
    """A node tells that somebody recovered who was never suspected."""
    stage.fleet._emitted(stage.fleet.hosts["n1"], events.MemberRecovered("n2"))


def accuse_somebody(stage: Stage) -> None:
    """A node tells of a suspicion where nothing is wrong."""
    stage.fleet._emitted(stage.fleet.hosts["n1"], events.MemberSuspected("n2", "n3"))


def send_too_much(stage: Stage) -> None:
    """A datagram leaves that no network need carry."""
    stage.fleet.datagrams.send(stage.fleet.address("n1"), stage.fleet.address("n2"), bytes(2000))


def spoil_the_books(stage: Stage) -> None:
    """A broker's own check fails."""

    def wrapper(check: Callable[..., Any]) -> Callable[..., Any]:
        def wrong() -> None:
            raise AssertionError("the books do not balance")

        return wrong

    every(stage, "broker", "check", wrapper)


def delete_a_channel_that_nobody_asked_to_delete(stage: Stage) -> None:
    """A node's catalog loses a channel in use."""
    engine = stage.engine("n1")
    assert engine is not None
    engine.routing.delete_channel(stage.fleet.hosts["n1"].now, "orders", "billing")


def test_without_a_bug_nothing_is_found() -> None:
    result = play(no_plant)
    assert result.ok, result.report()


@pure_only
@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (finish_one_more, "never finished"),
        (forget_to_finish, "came back to"),
        (hand_twice, "has it since"),
        (confirm_the_wrong_number, "number"),
        (forget_a_member, "views still differ"),
        (tell_a_wrong_story, "tells MemberRecovered"),
        (accuse_somebody, "where nothing is wrong"),
        (send_too_much, "a datagram of 2000 bytes"),
        (spoil_the_books, "the books do not balance"),
        (delete_a_channel_that_nobody_asked_to_delete, "was deleted; nobody asked for it"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_planted_bug_is_found(plant: Plant, words: str) -> None:
    result = play(plant)
    assert any(words in violation for violation in result.violations), result.report()


def test_a_failure_says_how_to_repeat_it() -> None:
    report = play(accuse_somebody).report()
    for word in (
        "seed 1",
        "repeat: play it with seed 1",
        "faults:",
        "timeline:",
        "violations:",
        "n1 tells MemberSuspected",
    ):
        assert word in report

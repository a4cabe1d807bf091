"""What leaves before the turn is worked out: confirmations that wait for nothing else, and nothing else."""

from __future__ import annotations

import random
from typing import Any

from meshq.config import Config
from meshq.engine import Engine
from meshq.link.client import ClientSession
from meshq.machine.effects import Effect, Store, Write
from meshq.machine.store import EMPTY
from meshq.names import Epoch
from meshq.wire import bodies
from meshq.wire.frames import Confirmed, Deliver, Frame

NOW = 100.0


class Stage:
    """An engine that is alone, a client that publishes, and one that consumes."""

    def __init__(self, *, stores: bool = False) -> None:
        kept, bound = EMPTY if stores else None, ("127.0.0.1", 1)
        self.engine = Engine(Config(name="n1"), Epoch(1, 1), random.Random(1), bound=bound, recovered=kept)
        self.engine.start(NOW, 10**18)
        self.engine.effects()
        self.clients: dict[int, ClientSession] = {}
        self.publisher, self.consumer = self.join(), self.join()
        self.clients[self.consumer].subscribe(1, "orders", "billing", 10, 10_000)
        self.say(self.consumer)
        self.heard(self.engine.effects())

    def join(self) -> int:
        """A client's stream, greeted."""
        stream = self.engine.accepted(NOW, ("127.0.0.1", 2))
        self.clients[stream] = ClientSession(Config(name="x").link, NOW, epoch=Epoch(1, 1))
        self.say(stream)
        self.heard(self.engine.effects())
        return stream

    def say(self, stream: int) -> None:
        self.engine.received(NOW, stream, b"".join(self.clients[stream].output(NOW)))

    def publish(self, *requests: int, **options: Any) -> None:
        for request in requests:
            self.clients[self.publisher].publish(request, "orders", 1, bodies.encode([b"x"]), options)
        self.say(self.publisher)

    def heard(self, effects: list[Effect]) -> list[Frame]:
        """The frames that clients hear of these effects, in order."""
        return [
            frame
            for effect in effects
            if isinstance(effect, Write)
            for frame in self.clients[effect.stream].receive(NOW, b"".join(effect.chunks))
        ]


def kinds(frames: list[Frame]) -> list[type[Any]]:
    return [type(frame) for frame in frames]


def test_a_confirmation_leaves_before_the_delivery_is_worked_out_and_once() -> None:
    stage = Stage()
    stage.publish(1, 2)
    ahead = stage.heard(stage.engine.ahead())
    assert [(frame.request, frame.first) for frame in ahead if isinstance(frame, Confirmed)] == [(1, 1), (2, 2)]
    assert kinds(ahead) == [Confirmed, Confirmed]
    assert kinds(stage.heard(stage.engine.effects())) == [Deliver]


def test_a_driver_that_does_not_ask_ahead_gets_the_same_with_the_turn() -> None:
    asked, unasked = Stage(), Stage()
    for stage in (asked, unasked):
        stage.publish(1, 2)
    both = asked.heard([*asked.engine.ahead(), *asked.engine.effects()])
    assert both == unasked.heard(unasked.engine.effects())


def test_a_turn_without_publishes_has_nothing_ahead() -> None:
    stage = Stage()
    stage.publish(1)
    [delivered] = [frame for frame in stage.heard(stage.engine.effects()) if isinstance(frame, Deliver)]
    stage.clients[stage.consumer].finish(1, delivered.log, delivered.start, delivered.stop)
    stage.say(stage.consumer)
    assert stage.engine.ahead() == []


def test_what_waits_for_the_store_is_not_confirmed_ahead_and_what_does_not_is() -> None:
    stage = Stage(stores=True)
    stage.publish(1, level="disk")
    stage.publish(2, level="memory")
    ahead = stage.heard(stage.engine.ahead())
    assert [frame.request for frame in ahead if isinstance(frame, Confirmed)] == [2]
    effects = stage.engine.effects()
    assert kinds(stage.heard(effects)) == [Deliver, Deliver]
    [store] = [effect for effect in effects if isinstance(effect, Store)]
    stage.engine.stored(NOW, store.token)
    [frame] = stage.heard(stage.engine.effects())
    assert isinstance(frame, Confirmed)
    assert (frame.request, frame.level) == (1, "disk")


def test_with_an_id_under_way_all_answers_leave_together_with_the_turn() -> None:
    stage = Stage()
    stage.publish(1, 2, id="once")
    stage.publish(3)
    assert stage.engine.ahead() == []
    answers = [frame for frame in stage.heard(stage.engine.effects()) if isinstance(frame, Confirmed)]
    assert sorted((frame.request, bool(frame.options)) for frame in answers) == [(1, False), (2, True), (3, False)]

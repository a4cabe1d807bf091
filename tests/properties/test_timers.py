"""Timers against a dict of deadlines, step by step."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from meshq.machine.timers import Timers

keys = st.integers(0, 120)
times = st.integers(0, 50).map(float)


class TimersMachine(RuleBasedStateMachine):
    """``model`` maps a key to its deadline and the order in which it was armed."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: Timers[int] = Timers()
        self.model: dict[int, tuple[float, int]] = {}
        self.armed = 0

    @rule(key=keys, due=times)
    def arm(self, key: int, due: float) -> None:
        self.armed += 1
        self.timers.arm(key, due)
        self.model[key] = (due, self.armed)

    @rule(due=times)
    def arm_many(self, due: float) -> None:
        for key in range(100):
            self.arm(key, due)

    @rule(key=keys)
    def cancel(self, key: int) -> None:
        self.timers.cancel(key)
        self.model.pop(key, None)

    @rule(now=times)
    def take_due(self, now: float) -> None:
        expected = sorted((order, key) for key, order in self.model.items() if order[0] <= now)
        assert self.timers.due(now) == [key for _, key in expected]
        for _, key in expected:
            del self.model[key]

    @invariant()
    def same_deadlines(self) -> None:
        assert len(self.timers) == len(self.model)
        assert self.timers.deadline() == min((due for due, _ in self.model.values()), default=None)
        for key in (0, 60, 120):
            found = self.model.get(key)
            assert (key in self.timers) == (found is not None)
            assert self.timers.due_at(key) == (found[0] if found else None)

    @invariant()
    def bounded(self) -> None:
        assert len(self.timers._heap) <= max(64, 2 * len(self.model) + 1) + 101


TestTimers = TimersMachine.TestCase

"""The turns of a machine: inputs are given to it as they come, effects are asked for once for all of them.

Decides when a turn happens (after the inputs of one turn of the loop, once), when the machine is woken, and in which
order a late process catches up. What an effect wants is done by who is named in ``perform``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from meshq.runtime.alarm import Alarm
from meshq.runtime.clock import WallWatch, monotonic, wall_ns
from meshq.runtime.contract import Machine
from meshq.runtime.counters import HostCounters

WALL_CHECK_S: Final = 1.0

Perform: TypeAlias = dict[type[Any], Callable[[Any], None]]
"""What carries out each kind of effect."""


class Turns:
    """Everything here belongs to one loop. ``fail`` is told of whatever the machine raises, or a performer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        machine: Machine,
        counters: HostCounters,
        changed: asyncio.Event,
        fail: Callable[[Exception], None],
    ) -> None:
        """``changed`` is set after every turn that finds the machine ready."""
        self._loop = loop
        self._machine = machine
        self._counters = counters
        self._changed = changed
        self._fail = fail
        self._alarm = Alarm(loop, self._deadline, self._input_mark, self._tick)
        self._wall = WallWatch()
        self._due = False
        self.perform: Perform = {}
        self.over = False
        """No input is taken any more, and no turn begins."""

    @property
    def pauses(self) -> int:
        """How often this process was found more than 100 ms late."""
        return self._alarm.pauses

    def start(self) -> None:
        """The first input; from now on the machine is told whenever the wall clock is found moved."""
        self.feed(lambda now: self._machine.start(now, wall_ns()))
        self._loop.call_later(WALL_CHECK_S, self._check_wall)

    def feed(self, give: Callable[[float], object]) -> None:
        """One input: ``give(now)``, and a turn soon. Not after the end."""
        if not self.over:
            self._counters.inputs += 1
            try:
                give(monotonic())
            except Exception as exc:
                self._fail(exc)
            self.soon()

    def received(self, number: int, data: bytes) -> None:
        """Bytes of a stream: the hottest input. As ``feed``, without its closure."""
        if not self.over:
            self._counters.inputs += 1
            try:
                self._machine.received(monotonic(), number, data)
            except Exception as exc:
                self._fail(exc)
            if not self._due:
                self._due = True
                self._loop.call_soon(self._turn_if_due)

    def soon(self) -> None:
        """A turn with the loop's next one."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._turn_if_due)

    def end(self) -> None:
        """No more of it."""
        self.over = True
        self._alarm.cancel()

    def _turn_if_due(self) -> None:
        if self._due:
            self._turn()

    def _turn(self) -> None:
        """Carry out what the machine wants after its inputs, and wait for its deadline."""
        self._due = False
        if self.over:
            return
        self._counters.turns += 1
        perform, machine = self.perform, self._machine
        try:
            for effect in machine.ahead():
                perform[type(effect)](effect)
            for effect in machine.effects():
                perform[type(effect)](effect)
            self._alarm.arm(machine.deadline())
        except Exception as exc:
            self._fail(exc)
        if not self._changed.is_set() and machine.ready:
            self._changed.set()

    def _tick(self) -> None:
        if not self.over:
            try:
                self._machine.tick(monotonic())
            except Exception as exc:
                self._fail(exc)
            self._turn()

    def _deadline(self) -> float | None:
        return None if self.over else self._machine.deadline()

    def _check_wall(self) -> None:
        if not self.over:
            if self._wall.moved():
                self.feed(lambda now: self._machine.wall(now, wall_ns()))
            self._loop.call_later(WALL_CHECK_S, self._check_wall)

    def _input_mark(self) -> int:
        """Another number after anything came in, packets that wait for their reader included."""
        return self._counters.inputs + self._counters.datagrams.received

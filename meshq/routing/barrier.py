"""The subscribe barrier: who of the members alive when it began has acknowledged the channel.

A member that dies meanwhile no longer counts as asked, however it answered; one that came later was never
asked, for it takes the whole catalog. At the time limit the barrier ends with what has answered.
"""

from __future__ import annotations

from collections.abc import Iterable

from meshq.machine.timers import Timers
from meshq.routing.effects import BarrierDone


class Barrier:
    """One subscription's wait for version ``target`` of this node's news. Members: None until they answered."""

    __slots__ = ("knows", "target", "waiting")

    def __init__(self, target: int, waiting: Iterable[str], knows: Iterable[str]) -> None:
        self.target = target
        self.knows: dict[str, bool | None] = dict.fromkeys(waiting)
        self.waiting = len(self.knows)
        self.knows.update(dict.fromkeys(knows, True))

    def answer(self, name: str, knows: bool) -> None:
        """The member acknowledged; or it did, but has no room for the channel."""
        if name in self.knows and self.knows[name] is None:
            self.knows[name] = knows
            self.waiting -= 1

    def leave(self, name: str) -> None:
        """The member died, or began anew."""
        if name in self.knows and self.knows.pop(name) is None:
            self.waiting -= 1

    def result(self, token: int) -> BarrierDone:
        """This node itself counts as asked and answered."""
        answered = sum(1 for knows in self.knows.values() if knows)
        return BarrierDone(token, answered + 1, len(self.knows) + 1)


class Barriers:
    """The barriers under way. ``done`` collects those that ended."""

    def __init__(self) -> None:
        self._barriers: dict[int, Barrier] = {}
        self._timers: Timers[int] = Timers()
        self.done: list[BarrierDone] = []

    def __len__(self) -> int:
        return len(self._barriers)

    def begin(self, now: float, token: int, barrier: Barrier, timeout_s: float) -> None:
        """Wait at most ``timeout_s``; over at once when nobody is to be waited for."""
        self._barriers[token] = barrier
        self._timers.arm(token, now + timeout_s)
        self._check(token, barrier)

    def acked(self, name: str, version: int, refused: int) -> None:
        """``name`` has our news up to ``version``, but kept out something of what came up to ``refused``."""
        for token, barrier in list(self._barriers.items()):
            if barrier.target <= version:
                barrier.answer(name, barrier.target > refused)
                self._check(token, barrier)

    def gone(self, name: str) -> None:
        """``name`` is no longer the live member that was asked."""
        for token, barrier in list(self._barriers.items()):
            barrier.leave(name)
            self._check(token, barrier)

    def tick(self, now: float) -> None:
        """End what has waited long enough."""
        for token in self._timers.due(now):
            self.done.append(self._barriers.pop(token).result(token))

    def deadline(self) -> float | None:
        """When the next one has waited long enough."""
        return self._timers.deadline()

    def _check(self, token: int, barrier: Barrier) -> None:
        if not barrier.waiting:
            self._timers.cancel(token)
            del self._barriers[token]
            self.done.append(barrier.result(token))

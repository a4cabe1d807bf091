"""What a failover did, from what publishers and consumers wrote down. Pure.

A pause is the longest time between two confirmations of one publisher, or between two takes of one consumer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from meshq.bench.figures import Figure
from meshq.bench.report import Measured

PAUSE = Figure("pause_ms", "ms", digits=1, repeats=True)
PUBLISHERS = Figure("publishers_pause_ms", "ms", digits=1)
CONSUMERS = Figure("consumers_pause_ms", "ms", digits=1)
BEFORE = Figure("pause_before_ms", "ms", digits=1)
MOVED = Figure("moved_clients_pause_ms", "ms", digits=1)
LOST = Figure("lost_of_survivors", "messages")
LOST_WITH_KILLED = Figure("lost_with_the_killed", "messages")
UNCONFIRMED = Figure("unconfirmed", "messages")
REDELIVERED = Figure("redelivered", "messages")
FIGURES: Final = (PAUSE, PUBLISHERS, CONSUMERS, MOVED, BEFORE, LOST, LOST_WITH_KILLED, UNCONFIRMED, REDELIVERED)
WARM_S: Final = 0.5
"""What is not looked at: clients and links get going."""
SLOT_S: Final = 0.02
"""The grain of the plot."""


class Aftermath:
    """``confirms`` and ``takes`` are what the roles of ``steady`` tell, a publisher and a consumer for each node.

    The last node is the one that was killed, ``killed`` its name, at ``killed_s``. Nothing is published after
    ``published_s``: a pause from then on is none.
    """

    def __init__(
        self,
        confirms: Sequence[dict[str, Any]],
        takes: Sequence[Sequence[Any]],
        killed_s: float,
        published_s: float,
        killed: str,
    ) -> None:
        self._confirms = confirms
        self._takes = takes
        self._killed_s = killed_s
        self._published_s = published_s
        self._killed = killed
        self._publisher_times = [[time_s for time_s, _, _ in each["confirms"]] for each in confirms]
        self._consumer_times = [[time_s for time_s, _ in each] for each in takes]

    def measured(self) -> Measured:
        """The figures, and the flow over time."""
        lost, lost_with_killed = self.lost()
        publishers, consumers = self._after(self._publisher_times[:-1]), self._after(self._consumer_times[:-1])
        moved = self._after([self._publisher_times[-1], self._consumer_times[-1]])
        return Measured(
            {
                PAUSE.name: max(publishers, consumers),
                PUBLISHERS.name: publishers,
                CONSUMERS.name: consumers,
                MOVED.name: moved,
                BEFORE.name: self._before([*self._publisher_times, *self._consumer_times]),
                LOST.name: lost,
                LOST_WITH_KILLED.name: lost_with_killed,
                UNCONFIRMED.name: sum(each["unconfirmed"] for each in self._confirms),
                REDELIVERED.name: self.redelivered(),
            },
            self._series(),
        )

    def lost(self) -> tuple[int, int]:
        """Confirmed and never seen by a consumer: of the surviving origins, and of the killed one."""
        seen = {number for each in self._takes for _, numbers in each for number in numbers}
        origins = [origin for each in self._confirms for _, number, origin in each["confirms"] if number not in seen]
        with_killed = origins.count(self._killed)
        return len(origins) - with_killed, with_killed

    def redelivered(self) -> int:
        """Deliveries of messages that had been delivered before."""
        seen = [number for each in self._takes for _, numbers in each for number in numbers]
        return len(seen) - len({*seen})

    def _after(self, times: Iterable[Sequence[float]]) -> float:
        """The longest pause in ms that includes the kill or comes later, while there is something to do."""
        return max((_longest_ms(each, self._killed_s, self._published_s) for each in times), default=0.0)

    def _before(self, times: Iterable[Sequence[float]]) -> float:
        return max((_longest_ms(each, each[0] + WARM_S, self._killed_s) for each in times if each), default=0.0)

    def _series(self) -> dict[str, Any]:
        """Counts by slots of 20 ms since the kill: of the survivors' clients, and of those that moved."""
        confirmed = [[(time_s, 1) for time_s in times] for times in self._publisher_times]
        taken = [[(time_s, len(numbers)) for time_s, numbers in each] for each in self._takes]
        return {
            "confirmed by the others": self._slots(*confirmed[:-1]),
            "consumed by the others": self._slots(*taken[:-1]),
            "confirmed to moved clients": self._slots(confirmed[-1]),
            "consumed by moved clients": self._slots(taken[-1]),
        }

    def _slots(self, *flows: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
        counts: dict[int, int] = {}
        for flow in flows:
            for time_s, count in flow:
                slot = int((time_s - self._killed_s) // SLOT_S)
                counts[slot] = counts.get(slot, 0) + count
        if not counts:
            return []
        return [(round(slot * SLOT_S, 3), counts.get(slot, 0)) for slot in range(min(counts), max(counts) + 1)]


def _longest_ms(times_s: Sequence[float], from_s: float, until_s: float) -> float:
    """The longest time in ms between two neighbours of which the later is of that span."""
    gaps = [later - earlier for earlier, later in pairwise(times_s) if from_s < later <= until_s]
    return round(max(gaps, default=0.0) * 1000, 1)

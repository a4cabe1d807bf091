"""Two halves of a mesh cannot reach each other for twenty seconds; both go on publishing and consuming.

What was published in one half is consumed there at once where that half has a consumer of the channel, and waits at its
origin where it has none. When the halves meet again, what waited flows: nothing that was confirmed is lost.
"""

from __future__ import annotations

import sys

from meshq.sim.consumer import ConsumerHabits
from meshq.sim.faults import Fault, Partition
from meshq.sim.publisher import PublisherHabits
from meshq.sim.run import play_scenario
from meshq.sim.scenario import Scenario
from meshq.sim.stage import Stage


def two_halves(stage: Stage) -> list[Fault]:
    """Two nodes of five are cut off, with one of the two channels on their side only."""
    for node in stage.names:
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.05))
    stage.consumer("n1", "orders", "billing", ConsumerHabits())
    stage.consumer("n4", "orders", "billing", ConsumerHabits())
    stage.consumer("n5", "orders", "audit", ConsumerHabits())
    return [Partition(at_s=3.0, for_s=20.0, groups=(("n1", "n2", "n3"), ("n4", "n5")))]


if __name__ == "__main__":
    story = Scenario(name="two-halves", prepare=two_halves, active_s=26.0)
    sys.exit(play_scenario(story, nodes=5, seed=int(sys.argv[1]) if len(sys.argv) > 1 else 1).tell())

"""A node that consumes for others is killed while its consumer holds messages of every origin.

Its links are reset at once, so the origins have their messages back within milliseconds and lend them to the other
consumer; nobody waits for a message timeout (five seconds here).
"""

from __future__ import annotations

import sys

from meshq.sim.consumer import ConsumerHabits
from meshq.sim.faults import Crash, Fault
from meshq.sim.publisher import PublisherHabits
from meshq.sim.run import play_scenario
from meshq.sim.scenario import Scenario
from meshq.sim.stage import Stage


def crash_in_the_middle(stage: Stage) -> list[Fault]:
    """The node n3 dies at five seconds and is back at nine; publishers are at n1 and n2 only, which stay."""
    for node in ("n1", "n2"):
        stage.publisher(node, PublisherHabits(topics=("orders",), every_s=0.01))
    stage.consumer("n2", "orders", "billing", ConsumerHabits(handle_s=(0.01, 0.1)))
    stage.consumer("n3", "orders", "billing", ConsumerHabits(handle_s=(0.01, 0.1)))
    return [Crash(at_s=5.0, for_s=4.0, node="n3")]


if __name__ == "__main__":
    story = Scenario(name="crash-in-the-middle", prepare=crash_in_the_middle, active_s=12.0)
    sys.exit(play_scenario(story, nodes=3, seed=int(sys.argv[1]) if len(sys.argv) > 1 else 1).tell())

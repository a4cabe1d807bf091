"""Everything at once: faults of every kind, drawn from the seed, for a minute.

The one to run with many seeds in the background while changing something.
"""

from __future__ import annotations

import sys

from meshq.sim import swarm
from meshq.sim.crowd import crowd
from meshq.sim.faults import Fault
from meshq.sim.run import play_scenario
from meshq.sim.scenario import Scenario
from meshq.sim.stage import Stage


def a_day_in_the_rain(stage: Stage) -> list[Fault]:
    """Thirty faults in a minute."""
    crowd(stage, consumers=3, delay_share=0.05)
    return swarm.draw(stage.rng("rain"), stage.names, swarm.KINDS, count=30, within_s=55.0)


if __name__ == "__main__":
    story = Scenario(name="a-day-in-the-rain", prepare=a_day_in_the_rain, active_s=60.0, settle_s=180.0)
    sys.exit(play_scenario(story, nodes=7, seed=int(sys.argv[1]) if len(sys.argv) > 1 else 1).tell())

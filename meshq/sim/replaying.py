"""The scenario of channels that come late and want what was finished before them.

Its docstring says which plausible design it breaks.
"""

from __future__ import annotations

from typing import Final

from meshq.config import BrokerConfig
from meshq.sim.checkers.begun import Begun
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.crowd import POLITE, some
from meshq.sim.durable import DOWN_S
from meshq.sim.faults import Crash, Fault, Partition
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage

RETENTION_S: Final = 38.0
"""Longer than anybody takes to hear of a channel, shorter than the time in which all must be at rest."""
BYTES: Final = 1_500


def _small() -> Settings:
    """Little room, so that what is finished leaves memory."""
    return Settings(broker=BrokerConfig(window_s=1.0, memory_bytes_max=60_000, first_channels_s=1.0))


@scenario("replaying", active_s=18.0, more=(Begun,), settings=_small)
def replaying(stage: Stage) -> list[Fault]:
    """A topic retains what its channel has finished; late channels begin with the earliest of it, or at a time, while
    origins crash, disks are kept, and the mesh is parted. Breaks what is dropped once it is finished, a start that
    only the origins apply which hear of it at once, that a restart forgets or makes again, times that begin too late
    or too early, and a retention that knows no bytes."""
    rng = stage.rng("replaying")
    for node in stage.names:
        stage.publisher(node, PublisherHabits(topics=("orders", "little"), every_s=0.2))
    for topic in ("orders", "little"):
        for node in some(rng, stage.names, 2):
            quick = ConsumerHabits(messages=rng.choice((8, 256)), handle_s=(0.001, 0.05))
            stage.consumer(node, topic, "billing", quick)
    admin = stage.admin(rng.choice(stage.names))
    for at_s in (0.0, 0.5):
        stage.act(at_s, admin.ask, "create", {"topic": "orders", "settings": {"retention_s": RETENTION_S}})
        little = {"retention_s": RETENTION_S, "retention_bytes": BYTES}
        stage.act(at_s, admin.ask, "create", {"topic": "little", "settings": little})
    late_s = rng.uniform(7.0, 12.0)
    every = stage.consumer(rng.choice(stage.names), "orders", "all", POLITE, late_s=late_s)
    stage.act(0.0, every.begin_with, "earliest")
    stage.owe_everything("orders", "all")
    since = stage.consumer(rng.choice(stage.names), "orders", "since", POLITE, late_s=late_s + rng.uniform(0.0, 3.0))
    stage.act(rng.uniform(3.0, 6.0), since.begin_from_now)
    plan: list[Fault] = [
        Crash(at_s=rng.uniform(2.0, 16.0), for_s=rng.choice(DOWN_S), node=rng.choice(stage.names)) for _ in range(4)
    ]
    if rng.random() < 0.5:
        half = tuple(rng.sample(stage.names, len(stage.names) // 2))
        rest = tuple(name for name in stage.names if name not in half)
        plan.append(Partition(at_s=late_s - rng.uniform(0.5, 3.0), for_s=rng.uniform(3.0, 7.0), groups=(rest, half)))
    return sorted(plan, key=lambda fault: fault.at_s)

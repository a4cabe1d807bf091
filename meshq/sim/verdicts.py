"""The scenarios of verdicts: who is held dead, on which evidence, and who must not be.

Each docstring says what happens and which plausible design it breaks.
"""

from __future__ import annotations

from meshq.sim.checkers.crashes import CrashKnown
from meshq.sim.checkers.living import NobodyBuried
from meshq.sim.crowd import POLITE, crowd
from meshq.sim.faults import Crash, Fault, LinkCut, Storm
from meshq.sim.network import Weather
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import scenario
from meshq.sim.stage import Stage

NO_DATAGRAMS = Weather(mtu_bytes=0)


@scenario("process-crash", active_s=14.0, more=(CrashKnown, NobodyBuried))
def process_crash(stage: Stage) -> list[Fault]:
    """Processes crash under load and come back soon or late, while links between others are cut. Breaks a crash that is
    known only when a suspicion has run out, a link's end that is taken for a death, and a death of the start before
    that is held against the next."""
    rng = stage.rng("crash")
    crowd(stage, consumers=3, habits=POLITE)
    plan: list[Fault] = []
    at_s = 1.0
    while at_s < 10.0:
        plan.append(Crash(at_s=at_s, for_s=rng.choice((0.02, 0.2, 3.0)), node=rng.choice(stage.names)))
        one, other = rng.sample(stage.names, 2)
        plan.append(LinkCut(at_s=at_s + rng.uniform(0.0, 0.3), one=one, other=other))
        at_s += rng.uniform(3.2, 4.0)
    return plan


@scenario("slander", active_s=10.0, more=(NobodyBuried,))
def slander(stage: Stage) -> list[Fault]:
    """Nodes are told, time and again, that another one is dead, while their links to it work. Breaks a verdict that is
    carried out on hearsay: every lease over that link would come back, and its messages be delivered twice."""
    rng = stage.rng("slander")
    origin, *others = rng.sample(stage.names, len(stage.names))
    stage.publisher(origin, PublisherHabits(topics=("orders",), every_s=0.02))
    holders = others[:-1] or others
    for other in holders:
        stage.consumer(other, "orders", "billing", POLITE)
    for _ in range(12):
        pair = rng.sample((origin, rng.choice(holders)), 2)
        stage.act(rng.uniform(1.0, 9.0), stage.slander, *pair, others[-1])
    return []


@scenario("no-datagrams", active_s=30.0, more=(NobodyBuried,))
def no_datagrams(stage: Stage) -> list[Fault]:
    """A firewall lets no datagram pass, streams pass; a node crashes and comes back meanwhile, and one more channel
    begins. Breaks members that live by datagrams alone, and news that are told by them only."""
    rng = stage.rng("blocked")
    crowd(stage, habits=POLITE)
    stage.consumer(rng.choice(stage.names), "orders", "late", POLITE, late_s=22.0)
    return [
        Storm(at_s=1.0, for_s=26.0, weather=NO_DATAGRAMS),
        Crash(at_s=rng.uniform(8.0, 16.0), for_s=rng.choice((0.2, 3.0)), node=rng.choice(stage.names)),
    ]

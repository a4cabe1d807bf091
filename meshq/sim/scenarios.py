"""The scenarios of weather: faults of all kinds, drawn anew for each seed.

Each docstring says what happens and which plausible design it breaks. Scenarios that aim at one wrong turn each are in
``aimed``.
"""

from __future__ import annotations

from meshq.sim import swarm
from meshq.sim.checkers import NoRepeats, Order
from meshq.sim.checkers.calm import NobodyAccused
from meshq.sim.checkers.goodbye import Goodbye
from meshq.sim.checkers.prompt import Prompt
from meshq.sim.checkers.timeouts import NoTimeouts
from meshq.sim.consumer import ConsumerHabits
from meshq.sim.crowd import crowd, pair, some
from meshq.sim.faults import Crash, Drain, Fault, OneWay, Partition, Pause, Slow, Starve, Storm
from meshq.sim.network import Weather
from meshq.sim.publisher import PublisherHabits
from meshq.sim.scenario import scenario
from meshq.sim.stage import Settings, Stage


@scenario("calm", more=(Order, NoRepeats, NobodyAccused, Prompt))
def calm(stage: Stage) -> list[Fault]:
    """Nothing goes wrong. Breaks what is wrong without any fault: order, repeats, stalls at small credit, suspicion of
    the healthy, a subscribe that returns too early."""
    rng = stage.rng("crowd")
    for node in stage.names:
        stage.publisher(node, PublisherHabits(topics=("orders", "clicks"), every_s=0.2))
    for topic in ("orders", "clicks"):
        for channel in ("billing", "audit"):
            for node in some(rng, stage.names, 3):
                messages = rng.choice((1, 8, 256))
                stage.consumer(
                    node, topic, channel, ConsumerHabits(messages=messages, handle_s=(0.000_5, 0.005), split=0.5)
                )
    return []


@scenario("churn", active_s=20.0, more=(NoTimeouts,))
def churn(stage: Stage) -> list[Fault]:
    """Consumers leave, lose their connection, come back, change their capacity, requeue and give back, and nodes
    restart. Breaks credit that is not returned by who leaves, and leases that outlive their consumer."""
    rng = stage.rng("churn")
    crowd(stage, consumers=4, delay_share=0.1, habits=None)
    for consumer in stage.consumers:
        consumer.change(
            leave_every_s=rng.choice((0.5, 3.0)), away_s=0.3, resize_every_s=0.7, requeue=0.1, give_back=0.1, hold=0.0
        )
        for _ in range(3):
            stage.act(rng.uniform(1.0, 18.0), consumer.cut)
    plan: list[Fault] = []
    for at_s in range(3, 18, 5):
        plan.append(Crash(at_s=at_s + rng.random(), for_s=1.5, node=rng.choice(stage.names)))
    return plan


@scenario("partition", active_s=25.0)
def partition(stage: Stage) -> list[Fault]:
    """The mesh falls apart, in two or one way, for up to twelve seconds, and meets again. Breaks designs with a quorum,
    verdicts that free leases of the living, dead who are never tried again, and views that differ for ever."""
    rng = stage.rng("partition")
    crowd(stage)
    plan: list[Fault] = []
    at_s = 1.0
    while at_s < 16.0:
        for_s = rng.uniform(0.5, 12.0)
        one, other = pair(rng, stage.names)
        side = tuple(rng.sample(stage.names, rng.randint(1, len(stage.names) // 2)))
        rest = tuple(name for name in stage.names if name not in side)
        plan.append(
            OneWay(at_s=at_s, for_s=for_s, source=one, target=other)
            if rng.random() < 0.4
            else Partition(at_s=at_s, for_s=for_s, groups=(rest, side))
        )
        at_s += for_s + rng.uniform(0.0, 3.0)
    return plan


def _lossy() -> Settings:
    return Settings(
        weather=Weather(latency_s=0.005, jitter_s=0.03, loss=0.05, duplication=0.05, reordering=0.2, reorder_s=0.2)
    )


@scenario("lossy", active_s=20.0, settings=_lossy)
def lossy(stage: Stage) -> list[Fault]:
    """Packets are lost (one in twenty, for a while one in four), doubled and reordered all the time. Breaks
    announcements sent once, barriers that do not ask again, and gossip that believes what comes last."""
    rng = stage.rng("lossy")
    crowd(stage)
    return [
        Storm(at_s=rng.uniform(0, 5), for_s=6.0, weather=Weather(loss=0.25)),
        Storm(
            at_s=rng.uniform(8, 12), for_s=5.0, weather=Weather(loss=0.5, latency_s=0.1), source=rng.choice(stage.names)
        ),
    ]


@scenario("slow", active_s=20.0)
def slow(stage: Stage) -> list[Fault]:
    """Nodes stand still, read late or take long for each turn; one path is narrow. Breaks timers that run before
    the input that answers them, message timeouts kept by the origin, and writers that fill a blocked transport."""
    rng = stage.rng("slow")
    crowd(stage, consumers=3)
    plan: list[Fault] = []
    for _ in range(5):
        node, at_s = rng.choice(stage.names), rng.uniform(0.0, 15.0)
        plan.append(
            rng.choice(
                (
                    Pause(at_s=at_s, for_s=rng.uniform(0.2, 7.0), node=node),
                    Starve(at_s=at_s, for_s=rng.uniform(1.0, 8.0), node=node, least_s=0.5, most_s=2.5),
                    Slow(at_s=at_s, for_s=rng.uniform(1.0, 8.0), node=node, turn_s=0.05),
                    Storm(at_s=at_s, for_s=5.0, weather=Weather(bandwidth_bytes_s=20_000), source=node),
                )
            )
        )
    return sorted(plan, key=lambda fault: fault.at_s)


@scenario("crash-storm", active_s=20.0)
def crash_storm(stage: Stage) -> list[Fault]:
    """Processes and hosts crash and come back, often two at a time, disks kept or lost. Breaks leases that wait for a
    timeout, numbers used twice, sessions continued with a new process, and credit lent to the dead."""
    rng = stage.rng("storm")
    crowd(stage, consumers=3)
    plan: list[Fault] = []
    at_s = 1.0
    while at_s < 17.0:
        host = rng.random() < 0.4
        plan.append(
            Crash(
                at_s=at_s, for_s=rng.choice((0.02, 0.5, 2.0, 6.0)), node=rng.choice(stage.names),
                host=host, disk="unsynced-lost" if host else rng.choice(("kept", "lost")),
            )
        )  # fmt: skip
        at_s += rng.uniform(0.1, 4.0)
    return plan


@scenario("rolling-restart", active_s=25.0, more=(Goodbye,))
def rolling_restart(stage: Stage) -> list[Fault]:
    """Every node is drained and started again, one after the other, under load. Breaks a drain that forgets what is
    deferred or lent, a goodbye taken for a death, and a node that serves before it knows the catalog."""
    crowd(stage, delay_share=0.05)
    step_s = 22.0 / len(stage.names)
    return [
        Drain(at_s=2.5 + number * step_s, for_s=min(4.0, step_s), node=node, timeout_s=min(3.0, step_s - 0.5))
        for number, node in enumerate(stage.names)
    ]


@scenario("mixed", active_s=12.0)
def mixed(stage: Stage) -> list[Fault]:
    """One to four kinds of fault by lot, any number of times. Breaks what no other scenario thought of."""
    rng = stage.rng("mixed")
    stage.keep_at(rng.choice(("memory", "disk", "disk", "fsync")), rng.choice((0, 0, 30_000)))
    crowd(stage, consumers=rng.randint(1, 4), delay_share=0.05, every_s=0.5)
    return swarm.draw(rng, stage.names, swarm.kinds(rng), count=rng.randint(2, 10), within_s=10.0)


@scenario("scattered", active_s=6.0)
def scattered(stage: Stage) -> list[Fault]:
    """Faults as in mixed, as many and closer together, in a mesh of which three nodes publish: a run of sixteen nodes
    costs little more than one of five, so that thousands are played. Breaks what only goes wrong now and then."""
    rng = stage.rng("scattered")
    stage.keep_at(rng.choice(("memory", "disk", "disk", "fsync")), rng.choice((0, 0, 30_000)))
    crowd(stage, consumers=rng.randint(1, 4), delay_share=0.05, every_s=0.3, publishers=3)
    return swarm.draw(rng, stage.names, swarm.kinds(rng), count=rng.randint(2, 10), within_s=5.0)
